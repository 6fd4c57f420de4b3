import Ledger
package import Recordings

extension RecordedLaws {
  /// The recording that the step would have at other lengths.
  ///
  /// - Throws: `OutsideLaws` where the laws do not hold.
  package func recording(at lengths: StepLengths) throws(OutsideLaws) -> Recording {
    try step(at: lengths).recording()
  }
}

extension LawStep {
  /// The step as a recording of its own, its tensors numbered in order of allocation.
  ///
  /// - Throws: `OutsideLaws` where a shape or regions cannot be.
  package func recording() throws(OutsideLaws) -> Recording {
    let source = laws.recording
    var tables = TableSink(source.tables)
    var shapes: [Int] = []
    var regions: [Int] = []
    for (number, law) in laws.tensorLaws.enumerated() {
      guard let shape = numbers(law.shape), let row = numbers(law.regions),
        let total = RecordedLaws.sum(row), total == bytes[number]
      else {
        throw .laws("its laws give a tensor no possible shape at \(RecordedLaws.words(lengths))")
      }
      shapes.append(tables.shape(shape))
      regions.append(
        tables.regions(
          RegionBytes(prefix: row[0], generated: row[1], crossing: row[2], shared: row[3])))
    }
    var sink = RecordingSink(step: self, tables: tables, shapes: shapes, regions: regions)
    walk(&sink)
    var places: [Int: Int] = [:]
    for (mark, place) in zip(laws.skeleton.marks, sink.marks) { places[mark.event] = place }
    let phases = source.phases.map { phase in
      var phase = phase
      phase.firstEvent = places[phase.firstEvent] ?? phase.firstEvent
      return phase
    }
    var point = source.point
    for variable in laws.variables { point[variable.rawValue] = String(lengths[variable]) }
    return source.with(
      sink.tables.tables, sink.tensors, sink.events, phases,
      boundaries: source.boundaries.map { places[$0] ?? $0 }, point: point)
  }

  /// Values that have to be there, none below 0.
  private func numbers(_ places: [Int]) -> [Int]? {
    var list: [Int] = []
    for place in places {
      guard let number = numbers[place], number >= 0 else { return nil }
      list.append(number)
    }
    return list
  }
}

extension RecordedLaws {
  /// The sum of numbers of 0 or more; nil beyond 64 bits.
  static func sum(_ numbers: [Int]) -> Int? {
    var sum = 0
    for number in numbers {
      let (next, overflows) = sum.addingReportingOverflow(number)
      guard !overflows else { return nil }
      sum = next
    }
    return sum
  }
}

/// Tables that grow at need; what is in them stays at its place.
private struct TableSink {
  private(set) var tables: Recording.Tables
  private var shapePlaces: [[Int]: Int] = [:]
  private var regionPlaces: [[Int]: Int] = [:]

  init(_ tables: Recording.Tables) {
    self.tables = tables
    for (place, shape) in tables.shapes.enumerated() where shapePlaces[shape] == nil {
      shapePlaces[shape] = place
    }
    for (place, row) in tables.regions.enumerated() where regionPlaces[Self.key(row)] == nil {
      regionPlaces[Self.key(row)] = place
    }
  }

  private static func key(_ row: RegionBytes) -> [Int] { Region.allCases.map { row[$0] } }

  mutating func shape(_ shape: [Int]) -> Int {
    if let place = shapePlaces[shape] { return place }
    shapePlaces[shape] = tables.shapes.count
    tables.shapes.append(shape)
    return tables.shapes.count - 1
  }

  mutating func regions(_ row: RegionBytes) -> Int {
    if let place = regionPlaces[Self.key(row)] { return place }
    regionPlaces[Self.key(row)] = tables.regions.count
    tables.regions.append(row)
    return tables.regions.count - 1
  }

  mutating func role(_ role: Recording.Role) -> Int {
    if let place = tables.roles.firstIndex(of: role) { return place }
    tables.roles.append(role)
    return tables.roles.count - 1
  }

  mutating func dtype(_ name: String) -> Int {
    if let place = tables.dtypes.firstIndex(of: name) { return place }
    tables.dtypes.append(name)
    return tables.dtypes.count - 1
  }
}

private struct RecordingSink: LawSink {
  let step: LawStep
  var tables: TableSink
  /// Of each law, the place of its shape and of its regions.
  let shapes: [Int]
  let regions: [Int]
  private(set) var tensors: Recording.Tensors
  private(set) var events: [Recording.Event] = []
  private(set) var marks: [Int] = []
  /// The new number of each tensor of the file, and of each temporary of the block.
  private var numbers: [Int]
  private var taken: [Int] = []
  private let source: Recording.Tensors

  init(step: LawStep, tables: TableSink, shapes: [Int], regions: [Int]) {
    (self.step, self.tables, self.shapes, self.regions) = (step, tables, shapes, regions)
    source = step.laws.recording.tensors
    numbers = Array(repeating: -1, count: source.count)
    tensors = .empty
    events.reserveCapacity(step.laws.recording.events.count)
  }

  mutating func allocate(_ tensor: Int) {
    let law = step.laws.lawOfTensor[tensor]
    numbers[tensor] = tensors.count
    events.append(.allocate(tensors.count))
    tensors.bytes.append(step.bytes(ofTensor: tensor))
    tensors.op.append(source.op[tensor])
    tensors.module.append(source.module[tensor])
    tensors.layer.append(source.layer[tensor])
    tensors.role.append(source.role[tensor])
    tensors.node.append(source.node[tensor])
    tensors.dtype.append(source.dtype[tensor])
    tensors.shape.append(law < 0 ? source.shape[tensor] : shapes[law])
    tensors.regions.append(law < 0 ? source.regions[tensor] : regions[law])
    tensors.isKept.append(source.isKept[tensor])
    if !source.stream.isEmpty { tensors.stream.append(source.stream[tensor]) }
  }

  mutating func release(_ tensor: Int) { events.append(.release(numbers[tensor])) }

  mutating func take(_ number: Int, bytes: Int, _ block: LawSkeleton.Block) {
    while taken.count <= number { taken.append(-1) }
    taken[number] = tensors.count
    events.append(.allocate(tensors.count))
    tensors.bytes.append(bytes)
    tensors.op.append(block.op)
    tensors.module.append(block.module)
    tensors.layer.append(block.layer)
    tensors.role.append(tables.role(.temporary))
    tensors.node.append(block.node)
    tensors.dtype.append(tables.dtype(""))
    tensors.shape.append(tables.shape([]))
    tensors.regions.append(tables.regions(RegionBytes(shared: bytes)))
    tensors.isKept.append(false)
    if !source.stream.isEmpty { tensors.stream.append(block.stream) }
  }

  mutating func giveBack(_ number: Int) { events.append(.release(taken[number])) }

  mutating func mark() { marks.append(events.count) }
}
