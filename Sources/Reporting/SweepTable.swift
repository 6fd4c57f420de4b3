import Ledger
import Retention

/// The end of a sweep: what a prefix token costs in each series, and what saving it does.
package enum SweepTable {
  /// A row a series, under the axes in which the series differ.
  ///
  /// "saved" compares with the `full-graph` series that is otherwise the same, at the largest `n_c`
  /// that was measured; the gradient error that it costs stands beside it. Where the error was not
  /// measured at that `n_c`, nothing is said to be saved.
  package static func text(laws: [LawRecord], points: [PointRecord]) -> String {
    let labels = varyingColumns(of: laws.map(\.point))
    var table = TextTable(
      labels.map { ($0.name, .left) }
        + [
          ("retained bytes", .left), ("at n_c", .right), ("bytes per prefix token", .right),
          ("retained", .right), ("saved", .right), ("gradient error", .right),
        ])
    for record in laws {
      let series = points.filter { $0.status == .ok && key(of: $0.point) == key(of: record.point) }
      let label = labels.map { $0.cell(record.point).text }
      guard let nC = series.map(\.point.nC).max(), let bytes = record.law.retainedBytes(at: nC)
      else {
        table.add(label + [record.law.description, "–", "–", "–", "–", "–"])
        continue
      }
      // With an empty prefix there is no last token of it.
      let slope = nC > record.law.lowest ? String(record.law.bytesPerToken(at: nC)) : "–"
      let errors = errorRange(of: series, upTo: nC)
      table.add(
        label + [
          record.law.description, String(nC), slope, Units.bytes(bytes),
          errors == nil ? "–" : saved(record, at: nC, among: laws), errors ?? "not measured",
        ])
    }
    return table.text
  }

  /// `mode`, and every other column whose values are not all the same.
  private static func varyingColumns(of points: [Point]) -> [Column<Point>] {
    let columns =
      PointColumns.modelToBatch + [PointColumns.nG, PointColumns.seed] + PointColumns.late
    return columns.filter { column in
      column.name == "mode" || Set(points.map { column.cell($0).text }).count > 1
    }
  }

  private static func key(of point: Point) -> Point {
    var key = point
    key.nC = 0
    return key
  }

  private static func saved(
    _ record: LawRecord, at nC: Int, among laws: [LawRecord]
  ) -> String {
    func alike(_ point: Point) -> Point {
      var alike = key(of: point)
      (alike.mode, alike.keepPrefix, alike.chunk) = (.fullGraph, 0, 0)
      return alike
    }
    guard record.point.mode != .fullGraph else { return "–" }
    let full = laws.first {
      $0.point.mode == .fullGraph && alike($0.point) == alike(record.point)
    }
    guard
      let whole = full?.law.retainedBytes(at: nC), whole > 0,
      let kept = record.law.retainedBytes(at: nC)
    else { return "–" }
    return "\(Units.fixed(100 * (1 - Double(kept) / Double(whole)), 1)) %"
  }

  /// Over the points that detach something: at an empty prefix nothing is saved and nothing costs.
  ///
  /// nil unless the error is known at `longest`, where the bytes are compared.
  private static func errorRange(of series: [PointRecord], upTo longest: Int) -> String? {
    let known = series.filter { $0.gradientRelativeError != nil }
    guard known.contains(where: { $0.point.nC == longest }) else { return nil }
    let detaching = known.filter { $0.point.mode.isExact || $0.point.cut > 0 }
    let errors = (detaching.isEmpty ? known : detaching).compactMap(\.gradientRelativeError)
    guard let low = errors.min(), let high = errors.max() else { return nil }
    let (from, to) = (Units.significant(low), Units.significant(high))
    return from == to ? from : "\(from) … \(to)"
  }
}
