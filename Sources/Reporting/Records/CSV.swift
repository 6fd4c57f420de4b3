import Spelling

/// Writes records as RFC 4180 text with one header line.
///
/// Lines end in `\n` rather than `\r\n`: every CSV reader takes both, line-based tools only one.
package enum CSV {
  /// The header line of a kind of record.
  package static func header<Row: Record>(of type: Row.Type) -> String {
    line(type.columns.map { .text($0.name) })
  }

  /// One record as a line.
  package static func line<Row: Record>(of record: Row) -> String {
    line(Row.columns.map { $0.cell(record) })
  }

  /// A whole file: the header and all records.
  package static func document<Row: Record>(_ records: [Row]) -> String {
    header(of: Row.self) + lines(of: records)
  }

  /// All records without the header.
  package static func lines<Row: Record>(of records: [Row]) -> String {
    records.map { line(of: $0) }.joined()
  }

  /// Cells as a line, its end included.
  package static func line(_ cells: [Cell]) -> String {
    cells.map { quoted(field(of: $0)) }.joined(separator: ",") + "\n"
  }

  /// A cell as it stands in the file: a text that a spreadsheet would compute is marked as one.
  private static func field(of cell: Cell) -> String {
    guard case .text(let text) = cell else { return cell.text }
    return Formula.marked(text)
  }

  /// Quotes a field that holds a comma, a quote or a line break.
  private static func quoted(_ field: String) -> String {
    guard field.utf8.contains(where: { ",\"\n\r".utf8.contains($0) }) else { return field }
    var result = "\""
    for scalar in field.unicodeScalars {
      if scalar == "\"" { result.unicodeScalars.append(scalar) }
      result.unicodeScalars.append(scalar)
    }
    return result + "\""
  }
}
