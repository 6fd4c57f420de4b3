import CUDAAllocator
package import Files
import Ledger
import Spelling

extension Recording {
  /// The format's name and version in the file.
  package static let format = "ballast-recording"
  package static let version = 1

  /// One allocation takes no more; with it sums over all of them stay within 64 bits.
  package static let mostBytes = 1 << 41
  /// More tensors than any step has.
  static let mostTensors = 1 << 21

  /// Takes a file's JSON apart, and checks all of it.
  ///
  /// - Throws: `RecordingFault` about the first thing that cannot be.
  package init(_ json: JSON) throws(RecordingFault) {
    let file = try RecordedMembers(json)
    guard try file.text("format") == Self.format else {
      throw RecordingFault("\"format\" must be \"\(Self.format)\"")
    }
    let version = try file.integer("version", in: 1...Int.max)
    guard version == Self.version else {
      throw RecordingFault(
        "is a recording of version \(version), and this program reads version \(Self.version); "
          + "take a newer ballast")
    }
    made = try Made(at: file.object("made").text("at"), by: file.object("made").plainTexts("by"))
    call = try Call(
      command: file.object("call").text("command"),
      options: file.object("call").plainTexts("options"))
    model = try Model(
      name: file.object("model").text("name"),
      configuration: file.object("model").optional("configuration"))
    point = try file.plainTexts("point")
    device = try file.word("device")
    gpu = try file.optional("gpu").map { (value) throws(RecordingFault) in
      try GPU(RecordedMembers(value, at: "gpu"))
    }
    ranks = try file.integer("ranks", in: 1...1 << 20)
    rank = try file.integer("rank", in: 0...ranks - 1)
    assumptions = try file.texts("assumptions")
    notModelled = []
    for (index, value) in try file.array("not_modelled").enumerated() {
      let op = try RecordedMembers(value, at: "not_modelled[\(index)]")
      notModelled.append(
        UnmodelledOp(op: try op.text("op"), calls: try op.integer("calls", in: 1...Int.max)))
    }
    tables = try Tables(file.object("tables"))
    tensors = try Tensors(file.object("tensors"), tables)
    events = try Self.events(file, tensors.count)
    phases = try Self.phases(file, events: events.count)
    boundaries = try file.integers("boundaries", in: 0...events.count)
    guard zip(boundaries, boundaries.dropFirst()).allSatisfy(<) else {
      throw RecordingFault("\"boundaries\" must ascend")
    }
    laws = file.optional("laws")
  }

  /// Every tensor is allocated once, in the order of their numbers, and released after that.
  private static func events(
    _ file: RecordedMembers, _ count: Int
  ) throws(RecordingFault) -> [Event] {
    let numbers = try file.integers("events", in: -count...max(count - 1, 0))
    var events: [Event] = []
    events.reserveCapacity(numbers.count)
    var allocated = 0
    var isReleased = Array(repeating: false, count: count)
    for (index, number) in numbers.enumerated() {
      let tensor = number >= 0 ? number : -number - 1
      if number >= 0 {
        guard tensor == allocated, tensor < count else {
          throw RecordingFault(
            "\"events[\(index)]\" allocates tensor \(tensor); the next one is \(allocated)")
        }
        allocated += 1
        events.append(.allocate(tensor))
      } else {
        guard tensor < allocated, !isReleased[tensor] else {
          throw RecordingFault(
            "\"events[\(index)]\" releases tensor \(tensor), which is not allocated then")
        }
        isReleased[tensor] = true
        events.append(.release(tensor))
      }
    }
    guard allocated == count else {
      throw RecordingFault(
        "\"events\" allocates \(allocated) tensors, and \"tensors\" lists \(count)")
    }
    return events
  }

  private static func phases(
    _ file: RecordedMembers, events: Int
  ) throws(RecordingFault) -> [PhaseStart] {
    var phases: [PhaseStart] = []
    for (index, value) in try file.array("phases").enumerated() {
      let phase = try RecordedMembers(value, at: "phases[\(index)]")
      let least = phases.last?.firstEvent ?? 0
      phases.append(
        PhaseStart(
          phase: try phase.word("name"), step: try phase.integer("step", in: 0...1 << 30),
          firstEvent: try phase.integer("first_event", in: least...max(events, least))))
    }
    return phases
  }
}

extension Recording.Tables {
  init(_ tables: RecordedMembers) throws(RecordingFault) {
    ops = try tables.texts("ops")
    modules = try tables.texts("modules")
    nodes = try tables.texts("nodes")
    var roles: [Recording.Role] = []
    for (index, name) in try tables.texts("roles").enumerated() {
      roles.append(try Recording.Role.named(name, title: tables.title("roles[\(index)]")))
    }
    self.roles = roles
    dtypes = try tables.texts("dtypes")
    shapes = try Self.lists("shapes", of: tables)
    var regions: [RegionBytes] = []
    for (index, bytes) in try Self.lists("regions", of: tables).enumerated() {
      guard bytes.count == Region.allCases.count, bytes.allSatisfy({ $0 <= Recording.mostBytes })
      else {
        throw RecordingFault(
          "\(tables.title("regions[\(index)]")) must be the bytes of "
            + Region.allCases.map(\.name).joined(separator: ", "))
      }
      var row = RegionBytes()
      for region in Region.allCases { row[region] = bytes[region.rawValue] }
      regions.append(row)
    }
    self.regions = regions
  }

  private static func lists(
    _ name: String, of tables: RecordedMembers
  ) throws(RecordingFault) -> [[Int]] {
    var lists: [[Int]] = []
    for (index, value) in try tables.array(name).enumerated() {
      guard case .array(let values) = value, values.count <= 64 else {
        throw RecordingFault("\(tables.title("\(name)[\(index)]")) must be a list of numbers")
      }
      lists.append(
        try RecordedMembers.integers(values, in: 0...Int.max) {
          tables.title("\(name)[\(index)][\($0)]")
        })
    }
    return lists
  }
}

extension Recording.Tensors {
  init(_ tensors: RecordedMembers, _ tables: Recording.Tables) throws(RecordingFault) {
    let bytes = try tensors.integers("bytes", in: 1...Recording.mostBytes)
    let count = bytes.count
    guard count <= Recording.mostTensors else {
      throw RecordingFault("holds more than \(Recording.mostTensors) tensors")
    }
    func column(
      _ name: String, in range: ClosedRange<Int>
    ) throws(RecordingFault) -> [Int] {
      let column = try tensors.integers(name, in: range)
      guard column.count == count else {
        throw RecordingFault(
          "\(tensors.title(name)) has \(column.count) entries, and \(tensors.title("bytes")) has "
            + "\(count)")
      }
      return column
    }
    func places(_ name: String, _ table: Int, _ title: String) throws(RecordingFault) -> [Int] {
      guard table > 0 || count == 0 else {
        throw RecordingFault("\"tables.\(title)\" is empty, and tensors need it")
      }
      return try column(name, in: 0...max(table - 1, 0))
    }
    self.bytes = bytes
    op = try places("op", tables.ops.count, "ops")
    module = try places("module", tables.modules.count, "modules")
    layer = try column("layer", in: -1...1 << 20)
    role = try places("role", tables.roles.count, "roles")
    node = try places("node", tables.nodes.count, "nodes")
    dtype = try places("dtype", tables.dtypes.count, "dtypes")
    shape = try places("shape", tables.shapes.count, "shapes")
    regions = try places("regions", tables.regions.count, "regions")
    isKept = try column("kept", in: 0...1).map { $0 == 1 }
    stream = tensors.optional("stream") == nil ? [] : try column("stream", in: 0...1 << 20)
    let totals = tables.regions.map(\.total)
    for index in bytes.indices where totals[regions[index]] != bytes[index] {
      throw RecordingFault(
        "tensor \(index) has \(bytes[index]) bytes, and its regions \(totals[regions[index]])")
    }
  }
}

/// A word of a closed list in a recording.
protocol RecordedWord: RawRepresentable<String>, CaseIterable {}

extension RecordedWord {
  static func named(_ word: String, title: String) throws(RecordingFault) -> Self {
    guard let value = Self(rawValue: word) else {
      let advice = Words.advice(for: word, among: allCases.map(\.rawValue))
      throw RecordingFault("\(title) is \(quoted(word)); \(advice)")
    }
    return value
  }
}

extension Recording.Device: RecordedWord {}
extension Recording.Phase: RecordedWord {}
extension Recording.Role: RecordedWord {}

extension RecordedMembers {
  func word<Word: RecordedWord>(_ name: String) throws(RecordingFault) -> Word {
    try Word.named(text(name), title: title(name))
  }
}
