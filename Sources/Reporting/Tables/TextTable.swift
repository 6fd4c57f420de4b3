import Spelling

/// Text in aligned columns for a terminal of a hundred.
///
/// A table that is wider goes on below, its first columns said again.
package struct TextTable {
  /// The widest line.
  static let width = 100

  /// Where a column's text stands.
  package enum Alignment: Sendable {
    case left
    case right
  }

  private let header: [String]
  private let alignments: [Alignment]
  private let keys: Int
  private let starts: Set<Int>
  private let blank: String?
  private var rows: [[String]] = []

  /// Creates a table; a header of empty strings is not shown, nor a column of nothing but `blank`.
  ///
  /// Where lines would be too wide, the first `keys` columns stand in every part of the table, and
  /// columns between two of `starts` stay together if they can.
  package init(
    _ columns: [(String, Alignment)], keys: Int = 1, starts: Set<Int> = [],
    hiding blank: String? = nil
  ) {
    header = columns.map(\.0)
    alignments = columns.map(\.1)
    self.keys = keys
    self.starts = starts
    self.blank = blank
  }

  /// Adds a row with as many cells as the table has columns; what is not visible is escaped.
  package mutating func add(_ cells: [String]) {
    precondition(cells.count == header.count, "a row has one cell a column")
    rows.append(cells.map { printable($0.unicodeScalars) })
  }

  /// The table, a line a row, without spaces at line ends; an empty line between its parts.
  package var text: String {
    let shown = header.contains { !$0.isEmpty } ? [header] + rows : rows
    let widths = header.indices.map { column in shown.map { $0[column].count }.max() ?? 0 }
    return parts(widths).map { columns in
      shown.map { line($0, columns, widths) + "\n" }.joined()
    }.joined(separator: "\n")
  }

  /// The columns of each part of the table: all in one, if a line is wide enough for them.
  private func parts(_ widths: [Int]) -> [[Int]] {
    let visible = header.indices.filter { !isBlank($0) }
    let labels = visible.filter { $0 < keys }
    let fits = { (columns: [Int]) in
      columns.reduce(-2) { $0 + widths[$1] + 2 } <= Self.width
    }
    guard !fits(visible), visible.count > labels.count else { return [visible] }
    var groups: [[Int]] = []
    for column in visible.dropFirst(labels.count) {
      if groups.isEmpty || starts.contains(column) {
        groups.append([column])
      } else {
        groups[groups.count - 1].append(column)
      }
    }
    var parts: [[Int]] = []
    for group in groups {
      // A group that is too wide for a part of its own is divided.
      for columns in fits(labels + group) ? [group] : group.map({ [$0] }) {
        if let last = parts.last, fits(last + columns) {
          parts[parts.count - 1] = last + columns
        } else {
          parts.append(labels + columns)
        }
      }
    }
    return parts
  }

  private func isBlank(_ column: Int) -> Bool {
    blank != nil && !rows.isEmpty && rows.allSatisfy { $0[column] == blank }
  }

  private func line(_ cells: [String], _ columns: [Int], _ widths: [Int]) -> String {
    let padded = columns.map { column in
      let space = String(repeating: " ", count: widths[column] - cells[column].count)
      return alignments[column] == .left ? cells[column] + space : space + cells[column]
    }
    var line = padded.joined(separator: "  ")
    while line.last == " " { line.removeLast() }
    return line
  }
}
