package import Files
package import Reporting
package import Results
import Spelling

/// Two results, point by point.
package struct Comparison: Sendable {
  /// The points that both have, in the order of the first.
  package let points: [PointComparison]
  /// Labels of the points that one side alone has.
  package let onlyBefore: [String]
  package let onlyAfter: [String]

  /// Matches the points of two results by every axis that both have, but for the `ignored` columns.
  ///
  /// - Throws: `FileError` if the two are not of one kind, have two rows of one point, or have no
  ///   point in common.
  package init(
    _ before: ResultPoints, _ after: ResultPoints, ignoring ignored: [String] = []
  ) throws(FileError) {
    guard before.kind == after.kind else {
      throw FileError(
        "\(before.path) and \(after.path) cannot be compared: one is a ledger alone, the other "
          + "has points")
    }
    let shared = Self.columns(before.points).intersection(Self.columns(after.points))
      .subtracting(ignored)
    let old = try Self.keyed(before, shared)
    let new = try Self.keyed(after, shared)
    let varying = Self.varying(old.map(\.key) + new.map(\.key))
    let label = { (key: [String: String]) in Self.label(key, varying) }
    let later = Dictionary(uniqueKeysWithValues: new.map { ($0.key, $0.point) })
    let earlier = Set(old.map(\.key))
    points = old.compactMap { key, point in
      later[key].map { Self.compared(point, $0, label: label(key)) }
    }
    onlyBefore = old.filter { later[$0.key] == nil }.map { label($0.key) }
    onlyAfter = new.filter { !earlier.contains($0.key) }.map { label($0.key) }
    guard points.isEmpty else { return }
    var sentence = "\(before.path) and \(after.path) have no point in common"
    if let one = old.first?.key, let other = new.first?.key {
      let columns = one.keys.filter { one[$0] != other[$0] }.sorted()
      sentence +=
        "; their first ones differ in \(columns.joined(separator: ", ")) (see --ignore)"
    }
    throw FileError(sentence)
  }

  /// The names that may be ignored.
  package static let columns = ResultColumns.point

  /// What grew by more than so many percent, or is measured no more; one sentence each.
  package func increases(beyond percent: Double) -> [String] {
    points.flatMap { point -> [String] in
      if let statuses = point.statuses, statuses.before == "ok" {
        return ["\(point.label) was measured before and is \(statuses.after) now"]
      }
      return point.bytes.compactMap { figure, pair in
        guard let increase = pair.increasePercent, increase > percent,
          let before = pair.before, let after = pair.after
        else { return nil }
        return "\(figure.shortName) of \(point.label) grew from \(Units.wholeBytes(before)) to "
          + Units.wholeBytes(after)
      }
    }
  }

  /// What the first result has and the second has no more, points and figures; one sentence each.
  package var losses: [String] {
    onlyBefore.map { "\($0) is in A and not in B" }
      + points.filter { $0.statuses == nil }.flatMap { point in
        point.bytes.filter { $0.pair.before != nil && $0.pair.after == nil }.map {
          "\($0.figure.shortName) of \(point.label) is in A and empty in B"
        }
      }
  }

  /// Figures that only the second result has, so that nothing could be held: one sentence each.
  package var unheld: [String] {
    points.filter { $0.statuses == nil }.flatMap { point in
      point.bytes.filter { $0.pair.before == nil && $0.pair.after != nil }.map {
        "\($0.figure.shortName) of \(point.label) is empty in A, and B's was held against nothing"
      }
    }
  }

  /// Whether some point has bytes on both sides.
  package var comparesBytes: Bool {
    points.contains { $0.bytes.contains { $0.pair.difference != nil } }
  }

  // MARK: Matching

  private static func columns(_ points: [ResultPoint]) -> Set<String> {
    points.reduce(into: []) { $0.formUnion($1.key.keys) }
  }

  private static func keyed(
    _ results: ResultPoints, _ columns: Set<String>
  ) throws(FileError) -> [(key: [String: String], point: ResultPoint)] {
    var seen: Set<[String: String]> = []
    var keyed: [(key: [String: String], point: ResultPoint)] = []
    for point in results.points {
      let key = point.key.filter { columns.contains($0.key) }
      guard seen.insert(key).inserted else {
        throw FileError(
          "\(results.path): has two rows of one point, \(label(key, ["mode", "n_c", "repeat"]))")
      }
      keyed.append((key, point))
    }
    return keyed
  }

  private static func compared(
    _ before: ResultPoint, _ after: ResultPoint, label: String
  ) -> PointComparison {
    func pair(_ figure: PointFigure) -> FigurePair {
      FigurePair(before: before.value(of: figure), after: after.value(of: figure))
    }
    let isOK = before.status == "ok" && after.status == "ok"
    var point = PointComparison(label: label)
    point.bytes = PointFigure.budgetedBytes.map { ($0, pair($0)) }
    point.seconds = FigurePair(before: before.seconds, after: after.seconds)
    point.statuses = isOK ? nil : (before.status, after.status)
    if let old = before.tensors, let new = after.tensors {
      point.tensors = LedgerDifference(from: old, to: new).changes
    }
    return point
  }

  // MARK: Labels

  /// The columns that tell points apart, in the order of the file.
  private static func varying(_ keys: [[String: String]]) -> [String] {
    (ResultColumns.point + ["number"]).filter { column in
      column != "mode" && column != "n_c" && Set(keys.map { $0[column] }).count > 1
    }
  }

  private static func label(_ key: [String: String], _ columns: [String]) -> String {
    let others = columns.filter { $0 != "mode" && $0 != "n_c" }
      .compactMap { name in key[name].map { "\(name)=\($0)" } }
    let words = [key["mode"] ?? ""] + (key["n_c"].map { ["n_c=\($0)"] } ?? []) + others
    return printable(words.filter { !$0.isEmpty }.joined(separator: " ").unicodeScalars)
  }
}
