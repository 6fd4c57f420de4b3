import Measurement
import Profiles
import Reporting
import Retention

/// Something that runs the points of a profile, one at a time.
protocol PointExecutor: AnyObject {
  /// Runs the point at a place of the profile; whatever goes wrong with it ends in its row.
  ///
  /// - Throws: `SweepError` if no point can be run any more.
  func run(_ index: Int) throws(SweepError) -> FinishedPoint
}

/// Why a sweep cannot go on, as one sentence.
package struct SweepError: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// Runs points in this process: what a worker does with them.
final class DirectExecutor: PointExecutor {
  private let profile: Profile
  // One for each, since their limits differ.
  private let computing: PointRunner
  private let counting: PointRunner

  init(profile: Profile, engine: Engine, limits: PointLimits) {
    self.profile = profile
    func runner(_ limit: Int?) -> PointRunner {
      PointRunner(
        engine: engine, limit: limit, points: profile.points, tokens: profile.tokens,
        takesTimes: profile.takesTimes)
    }
    computing = runner(limits.computing)
    counting = runner(limits.counting)
  }

  func run(_ index: Int) -> FinishedPoint {
    let planned = profile.points[index]
    let runner = planned.point.backend == .shape ? counting : computing
    return FinishedPoint(index: index, outcome: runner.run(planned, profile: profile.name))
  }

  /// What shapes alone say of a point, with the point's own row and no figure but predictions.
  func predict(_ index: Int) -> FinishedPoint {
    let planned = profile.points[index]
    var point = planned.point
    point.backend = .shape
    let counted = PlannedPoint(
      point: point, repetition: planned.repetition, weights: planned.weights)
    let runner = PointRunner(
      engine: .cpu, limit: nil, points: [counted], tokens: profile.tokens)
    let found = runner.run(counted, profile: profile.name).record
    var record = PointRecord(
      profile: profile.name, point: planned.point, repetition: planned.repetition,
      version: found.version, startedAt: found.startedAt)
    record.takePredictions(from: found)
    return FinishedPoint(index: index, outcome: PointOutcome(record: record, saved: []))
  }
}
