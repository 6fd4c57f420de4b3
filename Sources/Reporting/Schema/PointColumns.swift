package import Retention
import Values

/// The columns that say which point a row is about: every axis is one.
package enum PointColumns {
  /// Everything that says which point a row of `points.csv` is about, but for the repetition, in
  /// that file's order.
  package static let axes: [Column<Point>] = PointRecord.columns.compactMap { column in
    PointAxis.find(column.name)?.column
  }

  /// Every axis that points of a series have in common.
  static let ofSeries = axes.filter { PointAxis.named($0.name).seriesValue == nil }

  /// The columns that say which point a row of `ledger.csv` or `gradients.csv` belongs to.
  static let ledgerKey = [
    "mode", "keep_prefix", "chunk", "recompute", "attention", "head", "loss_rows", "dtype", "batch",
    "n_c", "n_g",
  ].map { PointAxis.named($0).column }
}

extension PointAxis {
  /// The axis as a column of result files.
  package var column: Column<Point> { Column(name) { [value] in Cell(value($0)) } }
}

extension Cell {
  /// A seed that does not fit a signed integer is written as text.
  init(_ value: AxisValue) {
    switch value.base {
    case let number as Int: self = .integer(number)
    case let number as UInt64:
      self = Int(exactly: number).map(Cell.integer) ?? .text(String(number))
    case let number as Double: self = .real(number)
    default: self = .text(value.text)
    }
  }
}
