import Measurement
import Retention
import Spelling
import Values
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

  /// The text of a scalar.
  private func scalar(
    _ node: Node, _ entry: Entry, expected: String
  ) throws(ProfileError) -> (text: WrittenText, line: Int) {
    let line = line(of: node, in: entry)
    switch node {
    case .scalar(let scalar):
      let isPlain = scalar.style == .plain || scalar.style == .any
      let text = scalar.string
      if isPlain, ["", "~", "null", "Null", "NULL"].contains(text) {
        throw error(entry.line, "\(entry.key) has no value; it must be \(expected)")
      }
      return (WrittenText(text, isPlain: isPlain), line)
    case .mapping: throw error(line, "\(entry.key) must be \(expected), not a mapping")
    case .sequence: throw error(line, "\(entry.key) must be \(expected), not a list")
    case .alias: throw error(line, "\(entry.key) must be \(expected), not an alias")
    }
  }

  /// A text of at least one character, on one line.
  func text(_ node: Node, _ entry: Entry) throws(ProfileError) -> String {
    try value(node, entry, as: String.self)
  }

  /// A value of an axis.
  func value(_ node: Node, _ entry: Entry, of axis: PointAxis) throws(ProfileError) -> AxisValue {
    try read(node, entry, expected: axis.expected, axis.kind, axis.read)
  }

  /// A value of some type.
  func value<Value: WrittenValue>(
    _ node: Node, _ entry: Entry, as type: Value.Type
  ) throws(ProfileError) -> Value {
    try read(node, entry, expected: Value.expected, Value.kind) { (text) throws(ValueError) in
      try Value(text, for: entry.key)
    }
  }

  /// Reads a scalar; errors are given its line.
  private func read<Value>(
    _ node: Node, _ entry: Entry, expected: String, _ kind: ValueKind,
    _ body: (WrittenText) throws(ValueError) -> Value
  ) throws(ProfileError) -> Value {
    let (text, line) = try scalar(node, entry, expected: expected)
    if text.text.isEmpty, kind == .text { throw error(line, "\(entry.key) must not be empty") }
    do { return try body(text) } catch { throw self.error(line, error.description) }
  }
}
