package import Spelling

/// Writes a record as one JSON object whose keys are the CSV's columns, in their order.
package enum JSONObject {
  /// The object, with one key a line and a line break at its end.
  package static func text<Row: Record>(of record: Row) -> String {
    object(of: record).text + "\n"
  }

  /// An array of such objects, and a line break at its end.
  package static func text<Row: Record>(ofAll records: [Row]) -> String {
    array(of: records).text + "\n"
  }

  /// An array of such objects, as a part of something larger.
  package static func array<Row: Record>(of records: [Row]) -> JSONText {
    .array(records.map(object), .rows)
  }

  /// Its members, to which others may come.
  package static func members<Row: Record>(of record: Row) -> [(name: String, value: JSONText)] {
    Row.columns.map { ($0.name, value($0.cell(record))) }
  }

  private static func object<Row: Record>(of record: Row) -> JSONText {
    .object(members(of: record), .lines(2))
  }

  /// A figure that was not taken is null, and so is a number that JSON cannot write.
  private static func value(_ cell: Cell) -> JSONText {
    switch cell {
    case .integer(let value): .integer(value)
    case .wide(let value): .integer(value)
    case .real(let value): .real(value)
    case .text(let value): .string(value)
    case .empty: .null
    }
  }
}
