import Files

/// A pattern's parts.
indirect enum PatternNode {
  /// A place in a name.
  enum Anchor {
    case start, end
    /// Between a letter, digit or underscore and something else; or anywhere but there.
    case wordEdge(Bool)
  }

  /// One scalar.
  case set(ScalarSet)
  case anchor(Anchor)
  /// One after the other; nothing if empty.
  case sequence([PatternNode])
  /// Any one of them.
  case choice([PatternNode])
  /// At least and at most so many times; nil: without end.
  case repeated(PatternNode, least: Int, most: Int?)
}

/// A set of Unicode scalars.
struct ScalarSet {
  private var ranges: [ClosedRange<UInt32>]

  init(_ ranges: [ClosedRange<UInt32>]) { self.ranges = ranges }

  init(_ scalar: Unicode.Scalar) { self.init([scalar.value...scalar.value]) }

  func contains(_ scalar: Unicode.Scalar) -> Bool {
    ranges.contains { $0.contains(scalar.value) }
  }

  mutating func add(_ other: ScalarSet) { ranges += other.ranges }

  var isEmpty: Bool { ranges.isEmpty }

  /// All scalars that are not in the set.
  var opposite: ScalarSet {
    var result: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
      next = max(next, range.upperBound + 1)
    }
    return ScalarSet(result + [next...0x11_0000])
  }

  static let digit = ScalarSet([0x30...0x39])
  static let word = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
  static let space = ScalarSet([0x09...0x0D, 0x20...0x20])
  static let anyButNewline = ScalarSet([0x0A...0x0A]).opposite
}

/// Reads a regular expression into its parts.
struct PatternParser {
  /// Groups within groups; deeper ones are refused.
  private static let mostDepth = 100
  /// The largest number of a quantifier.
  private static let mostTimes = 1_000

  /// What is wrong with a pattern, or not known; the end of a sentence about it.
  private struct Fault: Error {
    let predicate: String

    init(_ predicate: String) { self.predicate = predicate }

    static func syntax(_ reason: String) -> Fault {
      Fault("is not a regular expression: \(reason)")
    }

    static func unknown(_ what: String) -> Fault {
      Fault("has \(what), which patterns of parameter names do without")
    }
  }

  private let scalars: [Unicode.Scalar]
  private var place = 0
  private var depth = 0

  /// Reads a whole pattern.
  ///
  /// - Throws: `PointError` with one sentence.
  static func parse(_ text: String) throws(PointError) -> PatternNode {
    guard text.unicodeScalars.count <= ParameterPattern.mostScalars else {
      throw error(text, "is longer than \(ParameterPattern.mostScalars) characters")
    }
    var parser = PatternParser(scalars: Array(text.unicodeScalars))
    do throws(Fault) {
      let node = try parser.choice()
      guard parser.next == nil else { throw .syntax("a ) closes no group") }
      return node
    } catch {
      throw Self.error(text, error.predicate)
    }
  }

  /// A sentence about a pattern.
  static func error(_ text: String, _ predicate: String) -> PointError {
    PointError("trainable \(quoted(text)) \(predicate)")
  }

  private init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

  private var next: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

  private mutating func take() -> Unicode.Scalar? {
    defer { place += 1 }
    return next
  }

  private mutating func takes(_ scalar: Unicode.Scalar) -> Bool {
    guard next == scalar else { return false }
    place += 1
    return true
  }

  // MARK: Structure

  private mutating func choice() throws(Fault) -> PatternNode {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.mostDepth else {
      throw Fault("has more than \(Self.mostDepth) groups within groups")
    }
    var parts = [try sequence()]
    while takes("|") { parts.append(try sequence()) }
    return parts.count == 1 ? parts[0] : .choice(parts)
  }

  private mutating func sequence() throws(Fault) -> PatternNode {
    var parts: [PatternNode] = []
    while let scalar = next, scalar != "|", scalar != ")" { parts.append(try repeated()) }
    return parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func repeated() throws(Fault) -> PatternNode {
    let part = try atom()
    guard let (least, most) = try quantifier() else { return part }
    // Whether a name is found does not depend on which way is tried first.
    _ = takes("?")
    if next == "+" { throw .unknown("a possessive quantifier") }
    if let scalar = next, "*?{".unicodeScalars.contains(scalar) {
      throw .syntax("one quantifier follows another")
    }
    return .repeated(part, least: least, most: most)
  }

  private mutating func quantifier() throws(Fault) -> (least: Int, most: Int?)? {
    switch next {
    case "*", "+", "?":
      let scalar = take()
      return (scalar == "+" ? 1 : 0, scalar == "?" ? 1 : nil)
    case "{":
      place += 1
      let least = try number()
      let hasComma = takes(",")
      let most = hasComma ? try number() : least
      guard least != nil || most != nil, takes("}") else {
        throw .syntax("a { opens no count; write \\{ for the brace itself")
      }
      if let most, most < least ?? 0 { throw .syntax("a count ends before it begins") }
      return (least ?? 0, most)
    default: return nil
    }
  }

  private mutating func number() throws(Fault) -> Int? {
    var value: Int?
    while let scalar = next, ScalarSet.digit.contains(scalar) {
      place += 1
      let more = (value ?? 0) * 10 + Int(scalar.value - 0x30)
      guard more <= Self.mostTimes else {
        throw Fault("repeats something more than \(Self.mostTimes) times, which is too often")
      }
      value = more
    }
    return value
  }

  private mutating func atom() throws(Fault) -> PatternNode {
    switch take() {
    case "(": return try group()
    case "[": return .set(try bracket())
    case ".": return .set(.anyButNewline)
    case "^": return .anchor(.start)
    case "$": return .anchor(.end)
    case "\\": return try escape()
    case "*", "+", "?", "{": throw .syntax("a quantifier has nothing to repeat")
    case let scalar?: return .set(ScalarSet(scalar))
    case nil: return .sequence([])
    }
  }

  private mutating func group() throws(Fault) -> PatternNode {
    if takes("?") {
      switch take() {
      case ":": break
      case "=", "!": throw .unknown("lookaround")
      case "<" where next == "=" || next == "!": throw .unknown("lookaround")
      case ">": throw .unknown("an atomic group")
      default: throw .unknown("a group with a name or an option")
      }
    }
    let node = try choice()
    guard takes(")") else { throw .syntax("a group is not closed") }
    return node
  }

  // MARK: Scalars

  private mutating func escape() throws(Fault) -> PatternNode {
    switch next {
    case "b", "B": return .anchor(.wordEdge(take() == "b"))
    case "A":
      place += 1
      return .anchor(.start)
    case "z", "Z":
      place += 1
      return .anchor(.end)
    case let scalar? where ("1"..."9").contains(scalar) || scalar == "k":
      throw .unknown("a reference to a group")
    default: return .set(try escapedSet())
    }
  }

  /// What stands after a backslash, in a class or outside.
  private mutating func escapedSet() throws(Fault) -> ScalarSet {
    guard let scalar = take() else { throw .syntax("it ends with a backslash") }
    switch scalar {
    case "d": return .digit
    case "D": return ScalarSet.digit.opposite
    case "w": return .word
    case "W": return ScalarSet.word.opposite
    case "s": return .space
    case "S": return ScalarSet.space.opposite
    case "n": return ScalarSet("\n")
    case "r": return ScalarSet("\r")
    case "t": return ScalarSet("\t")
    case _ where ScalarSet.word.contains(scalar) && scalar != "_":
      throw .unknown("the escape \\\(scalar)")
    default: return ScalarSet(scalar)
    }
  }

  /// A class, after its opening bracket.
  private mutating func bracket() throws(Fault) -> ScalarSet {
    let isOpposite = takes("^")
    var set = ScalarSet([])
    while !takes("]") {
      guard next != nil else { throw .syntax("a class is not closed") }
      if next == "[" { throw .syntax("a [ stands in a class; write \\[ for the bracket itself") }
      let (first, start) = try member()
      guard next == "-", place + 1 < scalars.count, scalars[place + 1] != "]" else {
        set.add(first)
        continue
      }
      place += 1
      let (_, end) = try member()
      guard let low = start, let high = end, low <= high else {
        throw .syntax("a range of a class has no order")
      }
      set.add(ScalarSet([low.value...high.value]))
    }
    guard !set.isEmpty else { throw .syntax("a class is empty; write \\] for the bracket itself") }
    return isOpposite ? set.opposite : set
  }

  /// One member of a class, and the scalar where it is only one.
  private mutating func member() throws(Fault) -> (ScalarSet, Unicode.Scalar?) {
    guard takes("\\") else {
      guard let scalar = take() else { throw .syntax("a class is not closed") }
      return (ScalarSet(scalar), scalar)
    }
    let scalar = next
    let set = try escapedSet()
    let isOne = scalar.map { !ScalarSet.word.contains($0) || $0 == "_" } ?? false
    return (set, isOne ? scalar : nil)
  }
}
