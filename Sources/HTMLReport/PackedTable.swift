import OrderedCollections
import Reporting
import Spelling

/// A table as JSON, by column: a constant once, numbers as they are, words by their number.
///
/// ```
///   {"rows": 3, "columns": {"batch": {"c": 1}, "n_c": {"n": [4,8,null]},
///                           "mode": {"w": ["full-graph","pruned-graph"], "i": [0,1,0]}}}
/// ```
///
/// A cell that is empty is null among numbers and an empty word among words.
struct PackedTable {
  private let rows: Int
  private var columns: [(name: String, value: JSONText)] = []

  init(rows: Int) { self.rows = rows }

  /// Adds a column of as many cells as there are rows.
  mutating func add(_ name: String, _ cells: [String]) {
    precondition(cells.count == rows, "\(name) has \(cells.count) cells of \(rows)")
    // A whole number that JSON writes otherwise, such as +5, is one all the same.
    let cells =
      name.hasSuffix("_bytes")
      ? cells.map { CSVDocument.wholeNumber($0).map(String.init) ?? $0 } : cells
    columns.append((name, Self.json(of: cells)))
  }

  var json: JSONText {
    .object([("rows", .integer(rows)), ("columns", .object(columns))])
  }

  private static func json(of cells: [String]) -> JSONText {
    let areNumbers = cells.allSatisfy { $0.isEmpty || isNumber($0) }
    func value(_ cell: String) -> JSONText {
      areNumbers ? cell.isEmpty ? .null : .number(cell) : .string(cell)
    }
    var words: OrderedSet<String> = []
    let indices = cells.map { words.append($0).index }
    if words.count == 1 { return .object([("c", value(words[0]))]) }
    if areNumbers { return .object([("n", .array(cells.map(value)))]) }
    return .object([("w", .strings(Array(words))), ("i", .integers(indices))])
  }

  /// Whether a text is a number as JSON writes them.
  static func isNumber(_ text: String) -> Bool {
    var rest = text.utf8[...]
    func digits() -> Int {
      let count = rest.prefix { (48...57).contains($0) }.count
      rest = rest.dropFirst(count)
      return count
    }
    if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
    let startsWithZero = rest.first == UInt8(ascii: "0")
    let whole = digits()
    guard whole > 0, whole == 1 || !startsWithZero else { return false }
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      guard digits() > 0 else { return false }
    }
    if rest.first.map({ $0 | 0x20 }) == UInt8(ascii: "e") {
      rest = rest.dropFirst()
      if let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
        rest = rest.dropFirst()
      }
      guard digits() > 0 else { return false }
    }
    // What overflows a double is no number to a reader.
    return rest.isEmpty && Double(text).map(\.isFinite) ?? false
  }
}
