import OrderedCollections

/// A figure of one point in two results; nil where a side has none.
package struct FigurePair: Equatable, Sendable {
  package var before: Double?
  package var after: Double?

  package init(before: Double? = nil, after: Double? = nil) {
    (self.before, self.after) = (before, after)
  }

  /// What the second has more.
  package var difference: Double? {
    guard let before, let after else { return nil }
    return after - before
  }

  /// By how many percent the second is more; nil where a side has no figure.
  package var increasePercent: Double? {
    guard let before, let after else { return nil }
    if after == before { return 0 }
    return before == 0 ? .infinity : 100 * (after - before) / before
  }
}

/// A point that two results have, side by side.
package struct PointComparison: Sendable {
  package var label: String
  /// The figures that are bytes and have a word.
  package var bytes: [(figure: PointFigure, pair: FigurePair)] = []
  /// Forward and backward together.
  package var seconds = FigurePair()
  /// `status` of both sides, where it is not `ok` in both.
  package var statuses: (before: String, after: String)?
  /// The tensors that differ; nil where a side has no ledger.
  package var tensors: [TensorChange]?

  package init(label: String) { self.label = label }

  /// A figure by its word, such as `retained`.
  package subscript(word: String) -> FigurePair {
    bytes.first { $0.figure.word == word }?.pair ?? FigurePair()
  }
}

/// Two results side by side, as a person reads them.
package enum ComparisonTable {
  /// How many tensors are listed.
  private static let mostTensors = 20

  /// A row a point that both have, then the tensors that differ, and the points of one side alone.
  package static func text(
    of points: [PointComparison], onlyBefore: [String], onlyAfter: [String]
  ) -> String {
    var text = figures(of: points)
    if points.contains(where: { $0.tensors != nil }) { text += "\n" + tensors(of: points) }
    for (labels, side) in [(onlyBefore, "A"), (onlyAfter, "B")] where !labels.isEmpty {
      let count = labels.count == 1 ? "1 point" : "\(labels.count) points"
      let shown = labels.prefix(3).joined(separator: "; ")
      text += "\nonly in \(side): \(count): \(shown)\(labels.count > 3 ? "; …" : "")\n"
    }
    return text
  }

  private static func figures(of points: [PointComparison]) -> String {
    let figures = PointFigure.budgetedBytes.filter { figure in
      // Size classes follow what is retained; they are shown where they say something else.
      !figure.isQuiet || points.contains { $0[figure.shortName].increasePercent != 0 }
    }
    let all: [(String, (PointComparison) -> FigurePair, (Double) -> String)] =
      figures.map { figure in (figure.shortName, { $0[figure.shortName] }, bytes) }
      + [("step", { $0.seconds }, seconds)]
    let shown = all.filter { _, pair, _ in
      points.contains { pair($0).before != nil || pair($0).after != nil }
    }
    let hasStatus = points.contains { $0.statuses != nil }
    var table = TextTable(
      [("point", .left)]
        + shown.flatMap { name, _, _ -> [(String, TextTable.Alignment)] in
          [("\(name) A", .right), ("B", .right), ("change", .right)]
        } + (hasStatus ? [("status", .left)] : []),
      starts: Set(stride(from: 1, through: 3 * shown.count + 1, by: 3)))
    for point in points {
      let cells = shown.flatMap { name, pair, write -> [String] in
        let pair = pair(point)
        return [
          pair.before.map(write) ?? "–", pair.after.map(write) ?? "–",
          change(pair, decimals: name == "step" ? 0 : 2),
        ]
      }
      let status = point.statuses.map { "\($0.before) → \($0.after)" } ?? "ok"
      table.add([point.label] + cells + (hasStatus ? [status] : []))
    }
    return table.text
  }

  private static func tensors(of points: [PointComparison]) -> String {
    var worst: OrderedDictionary<String, (change: TensorChange, label: String, points: Int)> = [:]
    for point in points {
      for change in point.tensors ?? [] {
        guard let known = worst[change.name] else {
          worst[change.name] = (change, point.label, 1)
          continue
        }
        let isWorse = change.difference.magnitude > known.change.difference.magnitude
        worst[change.name] = (
          isWorse ? change : known.change, isWorse ? point.label : known.label, known.points + 1
        )
      }
    }
    let rows = worst.values
      .sorted { $0.change.difference.magnitude > $1.change.difference.magnitude }
    guard !rows.isEmpty else { return "The saved tensors are the same.\n" }
    var table = TextTable([
      ("tensor", .left), ("change", .left), ("bytes A", .right), ("B", .right),
      ("difference", .right), ("points", .right), ("most at", .left),
    ])
    for row in rows.prefix(mostTensors) {
      let change = row.change
      table.add([
        change.name, change.kind.rawValue, change.before.map(String.init) ?? "–",
        change.after.map(String.init) ?? "–",
        (change.difference > 0 ? "+" : "") + String(change.difference), String(row.points),
        row.label,
      ])
    }
    let others = rows.count - mostTensors
    return table.text + (others > 0 ? "and \(others) more\n" : "")
  }

  private static func bytes(_ value: Double) -> String {
    Int(exactly: value).map(Units.bytes) ?? value.description
  }

  private static func seconds(_ value: Double) -> String {
    value < 1 ? "\(Units.fixed(value * 1000, 1)) ms" : Units.seconds(value)
  }

  /// `=`, `+12.50 %`, or what cannot be said in percent.
  private static func change(_ pair: FigurePair, decimals: Int) -> String {
    guard let percent = pair.increasePercent else { return "–" }
    if percent == 0 { return "=" }
    guard percent.isFinite else { return "from 0" }
    let sign = percent > 0 ? "+" : "-"
    let size = abs(percent)
    let least = decimals == 0 ? 1.0 : 0.01
    return size < least / 2
      ? "\(sign)<\(Units.fixed(least, decimals)) %" : "\(sign)\(Units.fixed(size, decimals)) %"
  }
}
