/// Text in aligned columns for a terminal.
package struct TextTable {
  /// Where a column's text stands.
  package enum Alignment: Sendable {
    case left
    case right
  }

  private let header: [String]
  private let alignments: [Alignment]
  private let blank: String?
  private var rows: [[String]] = []

  /// Creates a table; a header of empty strings is not shown, nor a column of nothing but `blank`.
  package init(_ columns: [(String, Alignment)], hiding blank: String? = nil) {
    header = columns.map(\.0)
    alignments = columns.map(\.1)
    self.blank = blank
  }

  /// Adds a row with as many cells as the table has columns.
  package mutating func add(_ cells: [String]) {
    precondition(cells.count == header.count, "a row has one cell a column")
    rows.append(cells)
  }

  /// The table, a line a row, without spaces at line ends.
  package var text: String {
    let shown = header.contains { !$0.isEmpty } ? [header] + rows : rows
    let widths = header.indices.map { column in shown.map { $0[column].count }.max() ?? 0 }
    return shown.map { line($0, widths) + "\n" }.joined()
  }

  private func isBlank(_ column: Int) -> Bool {
    blank != nil && !rows.isEmpty && rows.allSatisfy { $0[column] == blank }
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    let padded = cells.indices.filter { !isBlank($0) }.map { column in
      let space = String(repeating: " ", count: widths[column] - cells[column].count)
      return alignments[column] == .left ? cells[column] + space : space + cells[column]
    }
    var line = padded.joined(separator: "  ")
    while line.last == " " { line.removeLast() }
    return line
  }
}
