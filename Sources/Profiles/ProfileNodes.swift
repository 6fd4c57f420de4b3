import Measurement
import Retention
import Spelling
import Yams

/// Reads values from YAML nodes; every refusal names the file and the line.
struct ProfileNodes {
  let file: String

  /// The folder in which the profile stands; nil for the working directory.
  var folder: String? { file.lastIndex(of: "/").map { String(file[...$0]) } }

  /// A value and the line on which it stands.
  struct Located<Value> {
    let value: Value
    let line: Int
  }

  /// A key, its line and its value.
  struct Entry {
    let key: String
    let line: Int
    let node: Node
  }

  func error(_ line: Int?, _ sentence: String) -> ProfileError {
    ProfileError(file: file, line: line, sentence)
  }

  func line(of node: Node, in entry: Entry) -> Int { node.mark?.line ?? entry.line }

  /// The entries of a mapping whose keys all come from `known`.
  ///
  /// - Throws: `ProfileError` with the nearest valid key.
  func entries(
    of mapping: Node.Mapping, known: [String], in place: String
  ) throws(ProfileError) -> [String: Entry] {
    var entries: [String: Entry] = [:]
    for (keyNode, node) in mapping {
      let line = keyNode.mark?.line ?? mapping.mark?.line
      guard let key = keyNode.scalar?.string else {
        throw error(line, "a key of \(place) must be a word")
      }
      guard known.contains(key) else {
        let nearest = Words.nearest(to: key, among: known)
        throw error(
          line,
          "unknown key \(quoted(key)); "
            + (nearest.map { "did you mean \"\($0)\"?" }
              ?? "the keys of \(place) are \(known.joined(separator: ", "))"))
      }
      guard entries[key] == nil else {
        throw error(line, "key \(quoted(key)) is given more than once")
      }
      entries[key] = Entry(key: key, line: line ?? 1, node: node)
    }
    return entries
  }

  // MARK: Lists

  /// The values of an axis: one scalar, or a list of scalars.
  func scalars(of entry: Entry) throws(ProfileError) -> [Node] {
    guard case .sequence(let list) = entry.node else { return [entry.node] }
    guard !list.isEmpty else { throw error(entry.line, "\(entry.key) has no values") }
    guard list.count <= Profile.mostPoints else {
      throw error(entry.line, "\(entry.key) has more than \(Profile.mostPoints) values")
    }
    return Array(list)
  }

  /// Every value of an axis, read by `read`.
  func list<Value>(
    _ entry: Entry, _ read: (Node, Entry) throws(ProfileError) -> Value
  ) throws(ProfileError) -> [Located<Value>] {
    var values: [Located<Value>] = []
    for node in try scalars(of: entry) {
      values.append(Located(value: try read(node, entry), line: line(of: node, in: entry)))
    }
    return values
  }

  // MARK: Scalars

  /// The text of a scalar; `plain` is false where it is quoted.
  private func scalar(
    _ node: Node, _ entry: Entry, expected: String
  ) throws(ProfileError) -> (text: String, plain: Bool, line: Int) {
    let line = line(of: node, in: entry)
    switch node {
    case .scalar(let scalar):
      let isPlain = scalar.style == .plain || scalar.style == .any
      let text = scalar.string
      if isPlain, ["", "~", "null", "Null", "NULL"].contains(text) {
        throw error(entry.line, "\(entry.key) has no value; it must be \(expected)")
      }
      return (text, isPlain, line)
    case .mapping: throw error(line, "\(entry.key) must be \(expected), not a mapping")
    case .sequence: throw error(line, "\(entry.key) must be \(expected), not a list")
    case .alias: throw error(line, "\(entry.key) must be \(expected), not an alias")
    }
  }

  /// A text of at least one character, on one line.
  func text(_ node: Node, _ entry: Entry) throws(ProfileError) -> String {
    let (text, _, line) = try scalar(node, entry, expected: "a text")
    guard !text.isEmpty else { throw error(line, "\(entry.key) must not be empty") }
    return text
  }

  /// A value of an axis.
  func value(_ node: Node, _ entry: Entry, of axis: PointAxis) throws(ProfileError) -> AxisValue {
    if axis.kind == .text { return .text(try text(node, entry)) }
    return try read(node, entry, expected: axis.kind.expected) {
      (text, isPlain) throws(ValueError) in
      try axis.kind.value(of: text, for: entry.key, isPlain: isPlain)
    }
  }

  /// A whole number that fits 64 bits.
  func integer(_ node: Node, _ entry: Entry) throws(ProfileError) -> Int {
    try read(node, entry, expected: AxisKind.integer.expected) {
      (text, isPlain) throws(ValueError) in
      try AxisKind.integer(text, of: entry.key, isPlain: isPlain)
    }
  }

  /// A finite number.
  func number(_ node: Node, _ entry: Entry) throws(ProfileError) -> Double {
    try read(node, entry, expected: AxisKind.number.expected) {
      (text, isPlain) throws(ValueError) in
      try AxisKind.number(text, of: entry.key, isPlain: isPlain)
    }
  }

  /// `true` or `false`.
  func flag(_ node: Node, _ entry: Entry) throws(ProfileError) -> Bool {
    try read(node, entry, expected: "true or false") { (text, isPlain) throws(ValueError) in
      guard isPlain, let value = Bool(text) else {
        throw ValueError(
          "\(entry.key) must be true or false, not \(AxisKind.shown(text, isPlain: isPlain))")
      }
      return value
    }
  }

  /// A word.
  func word<Word: AxisWord>(
    _ node: Node, _ entry: Entry, as type: Word.Type
  ) throws(ProfileError) -> Word {
    let expected = "one of \(Word.words.joined(separator: ", "))"
    return try read(node, entry, expected: expected) { (text, _) throws(ValueError) in
      try Word(word: text, axis: entry.key)
    }
  }

  /// A size such as `80GiB`.
  func size(_ node: Node, _ entry: Entry) throws(ProfileError) -> Int {
    try read(node, entry, expected: "a size such as 80GiB") { (text, _) throws(ValueError) in
      try ByteSize.parse(text)
    }
  }

  /// Reads a scalar; errors are given its line.
  private func read<Value>(
    _ node: Node, _ entry: Entry, expected: String,
    _ body: (_ text: String, _ isPlain: Bool) throws(ValueError) -> Value
  ) throws(ProfileError) -> Value {
    let (text, isPlain, line) = try scalar(node, entry, expected: expected)
    return try located(line) { () throws(ValueError) in try body(text, isPlain) }
  }

  /// Gives an error its file and line.
  func located<Value>(
    _ line: Int, _ body: () throws(ValueError) -> Value
  ) throws(ProfileError) -> Value {
    do { return try body() } catch { throw self.error(line, error.description) }
  }
}
