import Ledger
import Retention

/// The end of a sweep over sequences of different lengths.
package enum LengthsTable {
  /// A row a point, under the axes in which points differ; empty where all lengths are alike.
  ///
  /// Of padded sequences it says what part of the retained bytes is padding; the error is that of
  /// the gradient.
  package static func text(_ points: [PointRecord]) -> String {
    let points = shown(points)
    guard !points.isEmpty else { return "" }
    let labels = SweepTable.varyingColumns(of: points.map(\.point)).filter { $0.name != "lengths" }
    var table = TextTable(
      labels.map { ($0.name, .left) } + [
        ("sequences", .right), ("tokens", .right), ("retained", .right), ("padding", .right),
        ("peak + workspace", .right), ("error", .right),
      ], keys: labels.count, hiding: "–")
    for record in points {
      let each = record.point.sequencePoints
      let once = record.point.sharing == .prefix ? (each.count - 1) * record.point.nC : 0
      let retained = record.retained
      let share = retained.map { Double($0[.padding]) / Double(max($0.total, 1)) } ?? 0
      table.add(
        labels.map { $0.cell(record.point).text } + [
          String(each.count), Units.grouped(each.reduce(-once) { $0 + $1.n }),
          retained.map { Units.bytes($0.total) } ?? "–",
          share == 0 ? "–" : "\(Units.fixed(100 * share, 1)) %",
          record.peakWithWorkspaceBytes.map(Units.bytes) ?? "–",
          record.gradientRelativeError.map { Units.significant($0) } ?? "–",
        ])
    }
    return table.text
  }

  /// Of some points those that the table has.
  package static func shown(_ points: [PointRecord]) -> [PointRecord] {
    points.filter { $0.point.lengths != nil && $0.status == .ok }
  }
}
