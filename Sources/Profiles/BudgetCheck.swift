package import Budgets
package import Measurement
package import Reporting
package import Retention

/// `ballast check`: measures what a profile's budgets are about.
package struct BudgetCheck {
  package let profile: Profile
  package let budgets: BudgetFile
  /// The points that some budget needs, each once.
  package let points: [PlannedPoint]
  private let engine: Engine
  private let limit: MemoryLimit

  /// Finds out which points to measure.
  ///
  /// - Parameters:
  ///   - profile: The profile, which must have budgets.
  ///   - file: Its path.
  ///   - backend: Where all points run, in place of the profile's own; nil to leave that.
  ///   - engine: What computes.
  ///   - limit: The most bytes of a step.
  /// - Throws: `ProfileError` for a profile without budgets, or a ratio whose other mode is
  ///   missing.
  package init(
    profile: Profile, file: String, backend: BackendKind?, engine: Engine, limit: MemoryLimit
  ) throws(ProfileError) {
    budgets = try BudgetFile(profile: profile.name, path: file, budgets: profile.budgets)
    let chosen = Self.distinct(profile.points, on: backend)
    let cells = chosen.map { PointCells($0.point) }
    let needed = try budgets.needed(among: cells, of: "the profile")
    points = zip(chosen, cells).filter { needed.contains($1) }.map(\.0)
    (self.profile, self.engine, self.limit) = (profile, engine, limit)
  }

  /// The points of a profile without their repetitions, on one backend if one is given.
  private static func distinct(_ points: [PlannedPoint], on backend: BackendKind?) -> [PlannedPoint]
  {
    var seen: Set<Point> = []
    return points.compactMap { planned in
      var point = planned.point
      if let backend { point.backend = backend }
      guard seen.insert(point).inserted else { return nil }
      return PlannedPoint(point: point, weights: planned.weights)
    }
  }

  /// Measures the points, showing progress on a terminal.
  package func measure() -> [MeasuredPoint] {
    let progress = ProgressLine(total: points.count, done: 0)
    defer { progress.clear() }
    return BudgetMeasurement(engine: engine, limit: limit, tokens: profile.tokens)
      .run(points, profile: profile.name) { progress.show($0, done: $1) }
  }

  /// Judges points that were measured.
  package func judge(_ measured: [MeasuredPoint], against baseline: Baseline?) -> [Judgement] {
    budgets.judge(measured, of: points.map { PointCells($0.point) }, against: baseline)
  }
}
