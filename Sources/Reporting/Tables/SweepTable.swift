import Ledger
import Retention
package import Spelling

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
    for series in Self.series(laws: laws, points: points) {
      let label = labels.map { $0.cell(series.law.point).text } + [series.law.law.description]
      guard let end = series.end else {
        table.add(label + Array(repeating: "–", count: isTimed ? 9 : 8))
        continue
      }
      let cells = [
        String(end.nC), Units.bytes(end.bytes), end.bytesPerToken.map(String.init),
        end.saved.map { "\(Units.fixed(100 * $0, 1)) %" },
        end.peakWithWorkspace.map(Units.bytes), end.peakSlope.map(text(ofSlope:)),
        end.products.map { "\(Units.fixed($0, 2)) ×" },
        end.errors.map { text(of: $0, isReplayed: end.isOfReplayed) } ?? "not measured",
      ]
      let seconds = end.seconds.map { "\(Units.significant($0)) s" }
      table.add(label + (cells + (isTimed ? [seconds] : [])).map { $0 ?? "–" })
    }
    return table.text
  }

  /// The same as data: of each series the columns of `laws.csv`, and the table's own behind them.
  package static func json(laws: [LawRecord], points: [PointRecord]) -> JSONText {
    let objects = series(laws: laws, points: points).map { series -> JSONText in
      let end = series.end
      return .object(
        JSONObject.members(of: series.law) + [
          ("n_c", .integer(orNull: end?.nC)), ("retained_bytes", .integer(orNull: end?.bytes)),
          ("retained_bytes_per_token", .integer(orNull: end?.bytesPerToken)),
          ("saved", real(end?.saved)),
          ("peak_with_workspace_bytes", .integer(orNull: end?.peakWithWorkspace)),
          (
            "peak_bytes_per_token",
            real(end?.peakSlope.map { Double($0.bytes) / Double($0.tokens) })
          ),
          ("products", real(end?.products)),
          ("least_gradient_relative_error", real(end?.errors?.lowerBound)),
          ("most_gradient_relative_error", real(end?.errors?.upperBound)),
          ("median_step_seconds", real(end?.seconds)),
        ], .lines(2))
    }
    return .array(objects, .rows)
  }

  private static func real(_ value: Double?) -> JSONText { value.map { .real($0) } ?? .null }

  private static func text(ofSlope slope: (bytes: Int, tokens: Int)) -> String {
    Units.fixed(
      Double(slope.bytes) / Double(slope.tokens), slope.bytes % slope.tokens == 0 ? 0 : 1)
  }

  private static func text(of errors: ClosedRange<Double>, isReplayed: Bool) -> String {
    let (from, to) = (Units.significant(errors.lowerBound), Units.significant(errors.upperBound))
    return (from == to ? from : "\(from) … \(to)") + (isReplayed ? " of replayed-prefix" : "")
  }

  // MARK: Figures

  /// A series, with what is said of it at the largest `n_c` that was measured.
  private struct Series {
    let law: LawRecord
    /// nil where nothing was measured.
    var end: End?
  }

  private struct End {
    let nC: Int
    let bytes: Int
    /// nil with an empty prefix, of which there is no last token.
    let bytesPerToken: Int?
    /// The fraction of the whole graph's bytes.
    let saved: Double?
    let peakWithWorkspace: Int?
    /// What prefix tokens add to peak and workspace, between the two largest `n_c`.
    let peakSlope: (bytes: Int, tokens: Int)?
    /// The flops of products, as a multiple of the whole graph's.
    let products: Double?
    let errors: ClosedRange<Double>?
    let isOfReplayed: Bool
    let seconds: Double?
  }

  private static func series(laws: [LawRecord], points: [PointRecord]) -> [Series] {
    laws.map { record in
      let series = points.filter {
        $0.status == .ok && $0.point.seriesKey == record.point.seriesKey
      }
      guard let nC = series.map(\.point.nC).max(), let bytes = record.law.bytes(at: nC)
      else { return Series(law: record) }
      let errors = errorRange(of: series, upTo: nC)
      let whole = baseline(of: record, among: laws)
      let longest = series.first { $0.point.nC == nC }
      return Series(
        law: record,
        end: End(
          nC: nC, bytes: bytes,
          bytesPerToken: nC > record.law.lowest ? record.law.bytesPerToken(at: nC) : nil,
          saved: errors == nil ? nil : saved(record, than: whole, at: nC),
          peakWithWorkspace: longest?.peakWithWorkspaceBytes, peakSlope: peakSlope(of: series),
          products: products(longest, than: whole, at: nC, among: points), errors: errors,
          isOfReplayed: series.contains {
            $0.gradientRelativeError != nil && $0.gradientReference == .replayedPrefix
          },
          seconds: median(of: series.filter { $0.point.nC == nC }.compactMap(\.stepSeconds))))
    }
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

  private static func saved(_ record: LawRecord, than whole: LawRecord?, at nC: Int) -> Double? {
    guard
      let whole, whole.point.seriesKey != record.point.seriesKey,
      let all = whole.law.bytes(at: nC), all > 0,
      let kept = record.law.bytes(at: nC)
    else { return nil }
    return 1 - Double(kept) / Double(all)
  }

  private static func products(
    _ point: PointRecord?, than whole: LawRecord?, at nC: Int, among points: [PointRecord]
  ) -> Double? {
    let full = points.first { other in
      other.status == .ok && other.point.nC == nC
        && whole.map { $0.point.seriesKey == other.point.seriesKey } ?? false
    }
    guard let flops = point?.matmulFlops, let all = full?.matmulFlops, all > 0 else { return nil }
    return Double(flops) / Double(all)
  }

  private static func peakSlope(of series: [PointRecord]) -> (bytes: Int, tokens: Int)? {
    let peaks = series.reduce(into: [Int: Int]()) {
      $0[$1.point.nC] = $1.peakWithWorkspaceBytes
    }
    let lengths = peaks.keys.sorted().suffix(2)
    guard
      lengths.count == 2, let low = lengths.first.flatMap({ peaks[$0] }),
      let high = lengths.last.flatMap({ peaks[$0] })
    else { return nil }
    return (high - low, (lengths.last ?? 0) - (lengths.first ?? 0))
  }

  /// Over the points that detach something: at an empty prefix nothing is saved and nothing costs.
  ///
  /// nil unless the error is known at `longest`, where the bytes are compared.
  private static func errorRange(
    of series: [PointRecord], upTo longest: Int
  ) -> ClosedRange<Double>? {
    let known = series.filter { $0.gradientRelativeError != nil }
    guard known.contains(where: { $0.point.nC == longest }) else { return nil }
    let detaching = known.filter { $0.point.mode.isExact || $0.point.cut > 0 }
    let errors = (detaching.isEmpty ? known : detaching).compactMap(\.gradientRelativeError)
    guard let low = errors.min(), let high = errors.max() else { return nil }
    return low...high
  }
}
