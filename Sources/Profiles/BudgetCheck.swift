package import Budgets
package import Files
package import Measurement
package import Reporting
package import Retention

/// `ballast check`: measures what a profile's budgets are about, and judges it.
package struct BudgetCheck {
  package let profile: Profile
  /// The profile's path.
  package let file: String
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
    guard !profile.budgets.isEmpty else {
      throw ProfileError(file: file, "has no budgets; see the README's section on them")
    }
    let chosen = Self.distinct(profile.points, on: backend)
    let counterparts = Counterparts(chosen.map(\.point))
    var wanted: Set<Point> = []
    for budget in profile.budgets {
      let subjects = chosen.map(\.point).filter {
        budget.applies(to: $0) && $0.mode.name != budget.relativeTo
      }
      guard !subjects.isEmpty else {
        throw ProfileError(
          file: file, line: budget.line, "the budget compares \(budget.title) with itself alone")
      }
      wanted.formUnion(subjects)
      guard let mode = budget.relativeTo else { continue }
      for subject in subjects {
        guard let other = counterparts.point(subject, in: mode) else {
          throw ProfileError(
            file: file, line: budget.line,
            "the profile has no point in \(mode.rawValue) to compare with")
        }
        wanted.insert(other)
      }
    }
    self.profile = profile
    self.file = file
    self.engine = engine
    self.limit = limit
    points = chosen.filter { wanted.contains($0.point) }
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

  /// The committed figures.
  ///
  /// - Throws: `FileError` if the file is no baseline, or if it is missing and a budget needs it.
  package func baseline() throws(FileError) -> Baseline? {
    let path = Baseline.path(forProfile: file)
    if let baseline = try Baseline.read(path) { return baseline }
    guard profile.budgets.contains(where: \.needsBaseline) else { return nil }
    throw FileError(
      "\(path): there is no such file; write it with 'ballast check \(file) --update'")
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
    Judge(
      profile.budgets, ofProfile: profile.name, file: file, points: measured, baseline: baseline
    )
    .judgements(of: points.map(\.point))
  }
}
