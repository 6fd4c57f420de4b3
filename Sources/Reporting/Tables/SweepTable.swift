import Ledger
import Retention

/// The end of a sweep: what a prefix token costs in each series, and what saving it does.
package enum SweepTable {
  /// A row a series, under the axes in which the series differ.
  ///
  /// "saved" and "products" compare with the `full-graph` series that recomputes nothing and is
  /// otherwise the same, at the largest `n_c` that was measured; the gradient error that it costs
  /// stands beside it. Where the error was not measured at that `n_c`, nothing is said to be saved.
  /// A token's retained bytes are those of the law at that `n_c`, its peak bytes those between the
  /// two largest. Where points are repeated, the median time of a step at that `n_c` is shown. What
  /// no series has, such as a slope of peaks at one `n_c`, has no column.
  package static func text(laws: [LawRecord], points: [PointRecord]) -> String {
    let labels = varyingColumns(of: laws.map(\.point))
    let repetitions = points.map(\.repetition).max() ?? 1
    let isTimed = repetitions > 1 && points.contains { $0.stepSeconds != nil }
    // What is kept, then what the step takes and costs.
    var table = TextTable(
      labels.map { ($0.name, .left) }
        + [
          ("retained bytes", .left), ("at n_c", .right), ("retained", .right),
          ("B/token", .right), ("saved", .right), ("peak + workspace", .right), ("B/token", .right),
          ("products", .right), ("gradient error", .right),
        ] + (isTimed ? [("median step of \(repetitions)", .right)] : []),
      keys: labels.count, starts: [labels.count + 5], hiding: "–")
    for record in laws {
      let series = points.filter {
        $0.status == .ok && $0.point.seriesKey == record.point.seriesKey
      }
      let label = labels.map { $0.cell(record.point).text }
      guard let nC = series.map(\.point.nC).max(), let bytes = record.law.bytes(at: nC)
      else {
        table.add(
          label + [record.law.description] + Array(repeating: "–", count: isTimed ? 9 : 8))
        continue
      }
      // With an empty prefix there is no last token of it.
      let slope = nC > record.law.lowest ? String(record.law.bytesPerToken(at: nC)) : "–"
      let errors = errorRange(of: series, upTo: nC)
      let whole = baseline(of: record, among: laws)
      let longest = series.first { $0.point.nC == nC }
      let seconds = median(of: series.filter { $0.point.nC == nC }.compactMap(\.stepSeconds))
      table.add(
        label + [
          record.law.description, String(nC), Units.bytes(bytes), slope,
          errors == nil ? "–" : saved(record, than: whole, at: nC),
          longest?.peakWithWorkspaceBytes.map(Units.bytes) ?? "–", peakSlope(of: series),
          products(longest, than: whole, at: nC, among: points), errors ?? "not measured",
        ] + (isTimed ? [seconds.map { "\(Units.significant($0)) s" } ?? "–"] : []))
    }
    return table.text
  }

  /// The middle value, or the mean of the two in the middle; nil for none.
  private static func median(of values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  /// `mode`, and every other column whose values are not all the same.
  static func varyingColumns(of points: [Point]) -> [Column<Point>] {
    PointColumns.ofSeries.filter { column in
      column.name == "mode" || Set(points.map { column.cell($0).text }).count > 1
    }
  }

  /// The series that keeps everything: all in the graph, nothing computed again.
  ///
  /// Where the sweep has none that recomputes nothing, that of the same policy.
  private static func baseline(of record: LawRecord, among laws: [LawRecord]) -> LawRecord? {
    let reference = record.point.exactReference.seriesKey
    let whole = laws.filter {
      $0.point.mode == .fullGraph && $0.point.exactReference.seriesKey == reference
    }
    return whole.first { $0.point.recompute == .none }
      ?? whole.first { $0.point.recompute == record.point.recompute }
  }

  private static func saved(_ record: LawRecord, than whole: LawRecord?, at nC: Int) -> String {
    guard
      let whole, whole.point.seriesKey != record.point.seriesKey,
      let all = whole.law.bytes(at: nC), all > 0,
      let kept = record.law.bytes(at: nC)
    else { return "–" }
    return "\(Units.fixed(100 * (1 - Double(kept) / Double(all)), 1)) %"
  }

  /// The flops of products, as a multiple of the whole graph's.
  private static func products(
    _ point: PointRecord?, than whole: LawRecord?, at nC: Int, among points: [PointRecord]
  ) -> String {
    let full = points.first { other in
      other.status == .ok && other.point.nC == nC
        && whole.map { $0.point.seriesKey == other.point.seriesKey } ?? false
    }
    guard let flops = point?.matmulFlops, let all = full?.matmulFlops, all > 0 else { return "–" }
    return "\(Units.fixed(Double(flops) / Double(all), 2)) ×"
  }

  /// What a prefix token adds to peak and workspace, between the two largest `n_c`.
  private static func peakSlope(of series: [PointRecord]) -> String {
    let peaks = series.reduce(into: [Int: Int]()) {
      $0[$1.point.nC] = $1.peakWithWorkspaceBytes
    }
    let lengths = peaks.keys.sorted().suffix(2)
    guard
      lengths.count == 2, let low = lengths.first.flatMap({ peaks[$0] }),
      let high = lengths.last.flatMap({ peaks[$0] })
    else { return "–" }
    let tokens = (lengths.last ?? 0) - (lengths.first ?? 0)
    return Units.fixed(Double(high - low) / Double(tokens), (high - low) % tokens == 0 ? 0 : 1)
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
    let isReplayed = known.contains { $0.gradientReference == .replayedPrefix }
    return (from == to ? from : "\(from) … \(to)") + (isReplayed ? " of replayed-prefix" : "")
  }
}
