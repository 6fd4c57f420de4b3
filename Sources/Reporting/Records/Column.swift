/// One value of a result row.
package enum Cell: Equatable, Sendable {
  case integer(Int)
  /// A whole number that may need more than 64 bits.
  case wide(Int128)
  case real(Double)
  case text(String)
  /// A figure that was not taken; never written as 0.
  case empty

  /// The value as CSV and tables write it, not yet quoted; the shortest that reads back exactly.
  package var text: String {
    switch self {
    case .integer(let value): String(value)
    case .wide(let value): String(value)
    case .real(let value): value.description
    case .text(let value): value
    case .empty: ""
    }
  }

  package static func integer(orEmpty value: Int?) -> Cell { value.map(Cell.integer) ?? .empty }
  package static func wide(orEmpty value: Int128?) -> Cell { value.map(Cell.wide) ?? .empty }
  package static func real(orEmpty value: Double?) -> Cell { value.map(Cell.real) ?? .empty }
  package static func text(orEmpty value: String?) -> Cell { value.map(Cell.text) ?? .empty }
}

/// A column of a result file: its name, and where a row's value comes from.
///
/// Header and rows are both made from one array of columns, so they cannot disagree.
package struct Column<Row>: Sendable {
  package let name: String
  package let cell: @Sendable (Row) -> Cell

  package init(_ name: String, _ cell: @escaping @Sendable (Row) -> Cell) {
    (self.name, self.cell) = (name, cell)
  }

  /// The same column of a larger row that holds this one's.
  package func of<Outer>(_ part: @escaping @Sendable (Outer) -> Row) -> Column<Outer> {
    Column<Outer>(name) { [cell] in cell(part($0)) }
  }
}

/// A kind of row that can be written to a file.
package protocol Record: Sendable {
  /// Every column, in the order of the file.
  static var columns: [Column<Self>] { get }
}

extension Array {
  /// Columns in the order of a file: those of the names, which spaces and line breaks separate, and
  /// then what has come since.
  func arranged<Row>(_ names: String) -> [Column<Row>] where Element == Column<Row> {
    let order = names.split(whereSeparator: \.isWhitespace).map(String.init)
    let known = Set(order)
    return order.compactMap { name in first { $0.name == name } }
      + filter { !known.contains($0.name) }
  }
}
