import Spelling

/// Writes a record as one JSON object whose keys are the CSV's columns, in their order.
package enum JSONObject {
  /// The object, with one key a line and a line break at its end.
  package static func text<Row: Record>(of record: Row) -> String {
    let pairs = Row.columns.map { "  \(jsonString($0.name)): \(value($0.cell(record)))" }
    return "{\n" + pairs.joined(separator: ",\n") + "\n}\n"
  }

  /// An array of such objects.
  package static func array<Row: Record>(of records: [Row]) -> String {
    let objects = records.map { String(text(of: $0).dropLast()) }
    return "[" + objects.joined(separator: ",\n") + "]\n"
  }

  /// A figure that was not taken is null, and so is a number that JSON cannot write.
  private static func value(_ cell: Cell) -> String {
    switch cell {
    case .integer(let value): String(value)
    case .wide(let value): String(value)
    case .real(let value): value.isFinite ? value.description : "null"
    case .text(let value): jsonString(value)
    case .empty: "null"
    }
  }
}
