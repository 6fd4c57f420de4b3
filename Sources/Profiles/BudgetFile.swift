package import Budgets
package import Files
package import Reporting
import Retention

/// The budgets of a profile, and its baseline.
package struct BudgetFile: Sendable {
  /// The profile's name and its path.
  package let profile: String
  package let path: String
  package let budgets: [Budget]
  /// The points that result files must be of; any where the profile gives none.
  package let given: GivenPoints

  init(
    profile: String, path: String, budgets: [Budget], given: GivenPoints = GivenPoints()
  ) throws(ProfileError) {
    guard !budgets.isEmpty else {
      throw ProfileError(
        file: path,
        "has no budgets; add some, such as 'budgets: [{figure: retained, within: 0%}]'")
    }
    (self.profile, self.path, self.budgets) = (profile, path, budgets)
    self.given = given
  }

  /// Reads a profile's name and budgets alone, which are about points of result files.
  ///
  /// Such points may be of a model that only another program knows: the profile need not give one.
  ///
  /// - Throws: `ProfileError` with the file, the line and what to change.
  package init(path: String) throws(ProfileError) {
    let text = try ProfileText.read(path)
    try ProfileText.refuseAliases(text, file: path)
    let root = try ProfileParser.compose(text, file: path)
    var parser = try ProfileParser(root: root, file: path, threads: 1)
    try self.init(
      profile: try parser.name(), path: path, budgets: try parser.budgets(for: nil),
      given: try parser.givenPoints(text))
  }

  /// A profile's name and the points that it gives, whether it has budgets or not.
  ///
  /// - Throws: `ProfileError` as above.
  package static func given(
    path: String
  ) throws(ProfileError) -> (profile: String, given: GivenPoints) {
    let text = try ProfileText.read(path)
    try ProfileText.refuseAliases(text, file: path)
    let root = try ProfileParser.compose(text, file: path)
    var parser = try ProfileParser(root: root, file: path, threads: 1)
    return (try parser.name(), try parser.givenPoints(text))
  }

  /// The points that the profile describes, that budgets are about, and that results lack.
  package func missing(among found: [PointCells]) -> [String] {
    given.missing(among: found) { point in budgets.contains { $0.applies(to: point) } }
  }

  /// The points that some budget needs, those that it is compared with included; sentences name
  /// their `source`.
  ///
  /// - Throws: `ProfileError` for a budget about none of the points, or a ratio whose other mode
  ///   is missing.
  package func needed(
    among points: [PointCells], of source: String
  ) throws(ProfileError) -> Set<PointCells> {
    let counterparts = Counterparts(points)
    var needed: Set<PointCells> = []
    for budget in budgets {
      let meant = points.filter { budget.applies(to: $0) }
      guard !meant.isEmpty else {
        throw error(budget, "the budget is about none of the points of \(source)")
      }
      let subjects = meant.filter { $0["mode"] != budget.relativeTo?.rawValue }
      guard !subjects.isEmpty else {
        throw error(budget, "the budget compares \(budget.title) with itself alone")
      }
      needed.formUnion(subjects)
      guard let mode = budget.relativeTo else { continue }
      for subject in subjects {
        guard let other = counterparts.point(subject, in: mode) else {
          throw error(budget, "\(source) has no point in \(mode.rawValue) to compare with")
        }
        needed.insert(other)
      }
    }
    return needed
  }

  private func error(_ budget: Budget, _ sentence: String) -> ProfileError {
    ProfileError(file: path, line: budget.line, sentence)
  }

  /// Where the committed figures stand.
  package var baselinePath: String { Baseline.path(forProfile: path) }

  /// The committed figures; `update` are the arguments that write them, for the sentence about a
  /// missing file.
  ///
  /// - Throws: `FileError` if the file is no baseline, or if it is missing and a budget needs it.
  package func baseline(update: String) throws(FileError) -> Baseline? {
    if let baseline = try Baseline.read(baselinePath) { return baseline }
    guard budgets.contains(where: \.needsBaseline) else { return nil }
    throw FileError(
      "\(baselinePath): there is no such file; write it with 'ballast check \(update) --update'")
  }

  /// Judges points that were measured, in the order of `points`.
  package func judge(
    _ measured: [MeasuredPoint], of points: [PointCells], against baseline: Baseline?
  ) -> [Judgement] {
    Judge(budgets, ofProfile: profile, file: path, points: measured, baseline: baseline)
      .judgements(of: points)
  }
}
