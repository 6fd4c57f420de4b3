import Files
package import Recordings
import Spelling

extension RecordedLaws {
  /// More blocks than any step has, and more takes than any kernel has: sums stay within 64 bits.
  private static let mostBlocks = 1 << 21
  static let mostTakes = 256
  /// What one allocation takes at the most.
  package static let mostBytes = 1 << 41

  /// Reads and checks the laws of a recording; nil if it has none.
  ///
  /// - Throws: `RecordingFault` about the first thing that cannot be.
  package init?(_ recording: Recording) throws(RecordingFault) {
    guard let json = recording.laws else { return nil }
    let laws = try RecordedMembers(json, at: "laws")
    self.recording = recording
    variables = try Self.variables(laws)
    let lengths = LengthReader(laws: laws, variables: variables, point: recording.point)
    batch = try Self.range("batch", 1, laws)
    own = try lengths.own(batch: batch.lowerBound)
    madeFrom = try lengths.list("made_from", beside: own)
    checkedAt = try lengths.list("checked_at", beside: own)
    solves = try Variable.named(laws.text("solves"), at: laws.title("solves"))
    guard variables.contains(solves) else {
      throw RecordingFault("\(laws.title("solves")) must be one of \(laws.title("variables"))")
    }
    tokens = try Self.range("tokens", 0, laws)
    multiple = try laws.integer("multiple", in: 1...1 << 20)
    mostTokens =
      try laws.optional("most_tokens") == nil
      ? nil : laws.integer("most_tokens", in: 1...Self.mostBytes)
    values = try LawValue.list(laws, variables)
    tensorLaws = try Self.tensors(laws, values.count)
    lawOfTensor = try laws.integers("law", in: -1...max(tensorLaws.count - 1, -1))
    guard lawOfTensor.count == recording.tensors.count else {
      throw RecordingFault(
        "\(laws.title("law")) has \(lawOfTensor.count) entries for \(recording.tensors.count) "
          + "tensors")
    }
    launches = try LaunchVariant.lists(laws, values.count)
    let blocks = try Self.blocks(laws.object("blocks"), recording, launches: launches.count)
    skeleton = try LawSkeleton(recording, blocks)
    sizes = LawSizes(recording, lawOfTensor)
    try requireOwnStep()
  }

  private static func variables(_ laws: RecordedMembers) throws(RecordingFault) -> [Variable] {
    var variables: [Variable] = []
    for (index, name) in try laws.texts("variables").enumerated() {
      let title = laws.title("variables[\(index)]")
      let variable = try Variable.named(name, at: title)
      guard !variables.contains(variable) else {
        throw RecordingFault("\(title) names \(quoted(name)) again")
      }
      variables.append(variable)
    }
    return variables
  }

  private static func range(
    _ name: String, _ least: Int, _ laws: RecordedMembers
  ) throws(RecordingFault) -> ClosedRange<Int> {
    let ends = try laws.integers(name, in: least...mostBytes)
    guard ends.count == 2, ends[0] <= ends[1] else {
      throw RecordingFault("\(laws.title(name)) must be the least and the most")
    }
    return ends[0]...ends[1]
  }

  private static func tensors(
    _ laws: RecordedMembers, _ values: Int
  ) throws(RecordingFault) -> [TensorLaw] {
    var tensors: [TensorLaw] = []
    guard values > 0 else { return tensors }
    for (index, value) in try laws.array("tensors").enumerated() {
      let law = try RecordedMembers(value, at: "laws.tensors[\(index)]")
      let places = 0...values - 1
      let shape = try law.integers("shape", in: places)
      let regions = try law.integers("regions", in: places)
      guard regions.count == 4, shape.count <= 64 else {
        throw RecordingFault(
          "\(law.title("regions")) must be four: prefix, generated, crossing, shared; and a shape "
            + "has 64 sizes at the most")
      }
      tensors.append(
        TensorLaw(bytes: try law.integer("bytes", in: places), shape: shape, regions: regions))
    }
    return tensors
  }

  private static func blocks(
    _ blocks: RecordedMembers, _ recording: Recording, launches: Int
  ) throws(RecordingFault) -> [LawSkeleton.Given] {
    let first = try blocks.integers("first", in: 0...recording.events.count)
    guard first.count <= mostBlocks else {
      throw RecordingFault("\(blocks.title("first")) holds more than \(mostBlocks) blocks")
    }
    func column(_ name: String, _ range: ClosedRange<Int>) throws(RecordingFault) -> [Int] {
      let column = try blocks.integers(name, in: range)
      guard column.count == first.count else {
        throw RecordingFault(
          "\(blocks.title(name)) has \(column.count) entries, and \(blocks.title("first")) has "
            + "\(first.count)")
      }
      return column
    }
    func place(_ name: String, _ table: Int) throws(RecordingFault) -> [Int] {
      guard table > 0 || first.isEmpty else {
        throw RecordingFault("\(blocks.title(name)) points into a table that is empty")
      }
      return try column(name, 0...max(table - 1, 0))
    }
    let count = try column("count", 0...recording.events.count)
    let launch = try place("launch", launches)
    let op = try place("op", recording.tables.ops.count)
    let module = try place("module", recording.tables.modules.count)
    let layer = try column("layer", -1...1 << 20)
    let node = try place("node", recording.tables.nodes.count)
    return first.indices.map {
      LawSkeleton.Given(
        first: first[$0], count: count[$0], launch: launch[$0], op: op[$0], module: module[$0],
        layer: layer[$0], node: node[$0])
    }
  }
}

extension RecordedLaws.Variable {
  static func named(_ name: String, at title: String) throws(RecordingFault) -> Self {
    guard let variable = Self(rawValue: name) else {
      let advice = Words.advice(for: name, among: allCases.map(\.rawValue))
      throw RecordingFault("\(title) is \(quoted(name)); \(advice)")
    }
    return variable
  }
}

/// Reads lengths that are written as a number a variable.
private struct LengthReader {
  let laws: RecordedMembers
  let variables: [RecordedLaws.Variable]
  let point: [String: String]
  private let range = 0...RecordedLaws.mostBytes

  /// Those of the file: what is no variable is as its point says.
  func own(batch: Int) throws(RecordingFault) -> StepLengths {
    func known(_ variable: RecordedLaws.Variable, or other: Int) -> Int {
      point[variable.rawValue].flatMap { Int($0) }.flatMap { range.contains($0) ? $0 : nil }
        ?? other
    }
    let rest = StepLengths(
      nC: known(.nC, or: 0), nG: known(.nG, or: 0), batch: known(.batch, or: batch))
    return try lengths(laws.integers("at", in: range), "at", beside: rest)
  }

  func list(
    _ name: String, beside own: StepLengths
  ) throws(RecordingFault) -> [StepLengths] {
    var list: [StepLengths] = []
    for (index, value) in try laws.array(name).enumerated() {
      guard case .array(let numbers) = value else {
        throw RecordingFault("\(laws.title("\(name)[\(index)]")) must be lengths")
      }
      var integers: [Int] = []
      for case .integer(let number) in numbers where range.contains(number) {
        integers.append(number)
      }
      list.append(try lengths(integers, "\(name)[\(index)]", beside: own))
    }
    return list
  }

  private func lengths(
    _ numbers: [Int], _ name: String, beside rest: StepLengths
  ) throws(RecordingFault) -> StepLengths {
    guard numbers.count == variables.count else {
      throw RecordingFault("\(laws.title(name)) must be a length for each variable")
    }
    var lengths = rest
    for (variable, number) in zip(variables, numbers) { lengths[variable] = number }
    return lengths
  }
}

extension LawValue {
  fileprivate static func list(
    _ laws: RecordedMembers, _ variables: [RecordedLaws.Variable]
  ) throws(RecordingFault) -> [LawValue] {
    var values: [LawValue] = []
    for (index, value) in try laws.array("values").enumerated() {
      let title = laws.title("values[\(index)]")
      switch value {
      case .integer(let number): values.append(.constant(number))
      case .string(let name):
        let variable = try RecordedLaws.Variable.named(name, at: title)
        guard variables.contains(variable) else {
          throw RecordingFault("\(title) is \(quoted(name)), which the laws do not go by")
        }
        values.append(.variable(variable))
      case .array(let parts): values.append(try made(of: parts, title, index))
      default: throw RecordingFault("\(title) must be a number, a length or an operation")
      }
    }
    return values
  }

  private static func made(
    of parts: [JSON], _ title: String, _ index: Int
  ) throws(RecordingFault) -> LawValue {
    guard case .string(let name)? = parts.first else {
      throw RecordingFault("\(title) must begin with the name of an operation")
    }
    var operands: [Int] = []
    for case .integer(let place) in parts.dropFirst() where (0..<index).contains(place) {
      operands.append(place)
    }
    let count = name == "bits" ? 1 : 2
    guard parts.count == count + 1, operands.count == count else {
      throw RecordingFault("\(title) must name \(count) earlier values after its operation")
    }
    if name == "bits" { return .bits(operands[0]) }
    guard let operation = Operation(rawValue: name) else {
      let known = Operation.allCases.map(\.rawValue) + ["bits"]
      throw RecordingFault("\(title) is the operation \(quoted(name)), not one of \(known)")
    }
    return .binary(operation, operands[0], operands[1])
  }
}

extension LaunchVariant {
  fileprivate static func lists(
    _ laws: RecordedMembers, _ values: Int
  ) throws(RecordingFault) -> [[LaunchVariant]] {
    var launches: [[LaunchVariant]] = []
    for (index, launch) in try laws.array("launches").enumerated() {
      guard case .array(let list) = launch else {
        throw RecordingFault("\(laws.title("launches[\(index)]")) must be a list of variants")
      }
      var variants: [LaunchVariant] = []
      for (number, variant) in list.enumerated() {
        variants.append(
          try LaunchVariant(
            RecordedMembers(variant, at: "laws.launches[\(index)][\(number)]"), values))
      }
      launches.append(variants)
    }
    return launches
  }

  private init(_ variant: RecordedMembers, _ values: Int) throws(RecordingFault) {
    var conditions: [(Int, Bool)] = []
    for value in try variant.array("when") {
      guard case .array(let pair) = value, pair.count == 2,
        case .integer(let place) = pair[0], (0..<values).contains(place),
        case .integer(let truth) = pair[1], (0...1).contains(truth)
      else {
        throw RecordingFault("\(variant.title("when")) must be pairs of a value and 0 or 1")
      }
      conditions.append((place, truth == 1))
    }
    var steps: [Step] = []
    var standing: [Bool] = []
    for (index, value) in try variant.array("steps").enumerated() {
      let title = variant.title("steps[\(index)]")
      switch value {
      case .string("outputs") where !steps.contains(.outputs): steps.append(.outputs)
      case .integer(let place)
      where (0..<values).contains(place) && standing.count < RecordedLaws.mostTakes:
        steps.append(.take(place))
        standing.append(true)
      case .integer(let number) where number < 0 && standing.indices.contains(-(number + 1)):
        guard standing[-(number + 1)] else { throw RecordingFault("\(title) releases it again") }
        standing[-(number + 1)] = false
        steps.append(.release(-(number + 1)))
      default:
        throw RecordingFault(
          "\(title) must be a value to take, a take to release, or once \"outputs\"; and "
            + "\(RecordedLaws.mostTakes) takes at the most")
      }
    }
    (self.conditions, self.steps) = (conditions, steps)
  }
}
