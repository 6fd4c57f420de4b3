package import Reporting
import Retention

/// Holds a profile's budgets against its measured points.
package struct Judge {
  private let budgets: [Budget]
  /// The profile's name and its path.
  private let profile: String
  private let file: String
  private let baseline: Baseline?
  private let measured: [PointCells: MeasuredPoint]
  private let counterparts: Counterparts

  /// Creates a judge of points that were measured.
  package init(
    _ budgets: [Budget], ofProfile profile: String, file: String, points: [MeasuredPoint],
    baseline: Baseline?
  ) {
    (self.budgets, self.profile, self.file, self.baseline) = (budgets, profile, file, baseline)
    measured = Dictionary(points.map { ($0.cells, $0) }) { first, _ in first }
    counterparts = Counterparts(points.map(\.cells))
  }

  /// Every budget at every point that it is about, in the order of the profile.
  package func judgements(of points: [PointCells]) -> [Judgement] {
    let labels = PointCells.labels(of: points)
    return budgets.flatMap { budget in
      subjects(of: budget, among: points).map { point in
        judgement(of: budget, at: point, label: labels[point] ?? "")
      }
    }
  }

  /// The points of a budget: of a slope one a series, at its longest prefix.
  private func subjects(of budget: Budget, among points: [PointCells]) -> [PointCells] {
    let selected = points.filter { point in
      budget.applies(to: point) && point.mode != budget.relativeTo?.rawValue
    }
    guard budget.figure == .perPrefixToken else { return selected }
    let series = Dictionary(grouping: selected, by: \.seriesKey)
    return selected.filter { point in
      series[point.seriesKey]?.compactMap(\.nC).max() == point.nC
    }
  }

  private func judgement(of budget: Budget, at point: PointCells, label: String) -> Judgement {
    let entry = baseline?.entry(of: point)
    let expected = expected(budget, at: point)
    let isWhole = budget.figure.isBytes && budget.relativeTo == nil
    var judgement = Judgement(
      file: file, line: budget.line, profile: profile, title: budget.title, point: label,
      unit: isWhole ? "bytes" : "ratio", figure: nil,
      upper: budget.upper?.value(baseline: expected, rounding: isWhole ? .down : nil),
      lower: budget.lower?.value(baseline: expected, rounding: isWhole ? .up : nil),
      verdict: .notJudged)
    guard let subject = measured[point] else {
      judgement.reason = "the point was not measured"
      return judgement
    }
    if let reason = failure(of: [subject, whole(budget, subject)], budget) {
      (judgement.verdict, judgement.reason) = (.failed, reason)
      return judgement
    }
    if budget.needsBaseline, expected == nil {
      let reason = "the baseline has no such figure of the point; write it again with --update"
      (judgement.verdict, judgement.reason) = (.failed, reason)
      return judgement
    }
    guard let value = value(of: budget, subject) else {
      judgement.reason = whyMissing(budget, subject)
      return judgement
    }
    judgement.figure = value
    judgement.verdict = Judgement.Verdict(
      of: value, upper: judgement.upper, lower: judgement.lower)
    if judgement.verdict.isExceeded { explain(&judgement, budget, subject, entry) }
    return judgement
  }

  /// The baseline's figure, or its ratio of two points' figures; nil if it lacks one.
  private func expected(_ budget: Budget, at point: PointCells) -> Double? {
    guard let value = baseline?.entry(of: point)?.figures[budget.figure] else { return nil }
    guard let mode = budget.relativeTo else { return value }
    let whole = counterparts.point(point, in: mode).flatMap { baseline?.entry(of: $0) }
    return whole?.figures[budget.figure].flatMap { $0 > 0 ? value / $0 : nil }
  }

  private func value(of budget: Budget, _ subject: MeasuredPoint) -> Double? {
    guard let value = subject.value(of: budget.figure) else { return nil }
    guard budget.relativeTo != nil else { return value }
    let whole = whole(budget, subject)?.value(of: budget.figure)
    return whole.flatMap { $0 > 0 ? value / $0 : nil }
  }

  /// What counts as 1 in a ratio; nil for a budget that is none.
  private func whole(_ budget: Budget, _ subject: MeasuredPoint) -> MeasuredPoint? {
    budget.relativeTo.flatMap { counterparts.point(subject.cells, in: $0) }
      .flatMap { measured[$0] }
  }

  /// Why a point cannot be judged though it should be.
  private func failure(of points: [MeasuredPoint?], _ budget: Budget) -> String? {
    for point in points.compactMap(\.self) {
      if let failure = point.failure { return failure }
      if budget.figure == .perPrefixToken, let reason = point.disagreement { return reason }
    }
    return nil
  }

  /// Why a budget's figure could not be had of a point that was measured.
  private func whyMissing(_ budget: Budget, _ subject: MeasuredPoint) -> String {
    let figure = budget.figure
    guard subject.value(of: figure) != nil, let mode = budget.relativeTo?.rawValue else {
      return subject.whyMissing(figure)
    }
    guard let whole = whole(budget, subject) else { return "its point in \(mode) was not measured" }
    guard whole.value(of: figure) != nil else { return "in \(mode) \(whole.whyMissing(figure))" }
    return "it is 0 in \(mode), and nothing is a fraction of that"
  }

  /// Names the tensors that are responsible.
  private func explain(
    _ judgement: inout Judgement, _ budget: Budget, _ subject: MeasuredPoint,
    _ entry: Baseline.Entry?
  ) {
    let ledger = subject.ledger(of: budget.figure)
    if let entry {
      let difference = LedgerDifference(from: entry.ledger(of: budget.figure), to: ledger)
      judgement.tensors = difference.responsible(forMore: judgement.verdict == .over)
      judgement.isDifference = !judgement.tensors.isEmpty
    }
    if judgement.tensors.isEmpty { judgement.tensors = LedgerDifference.largest(of: ledger) }
  }
}
