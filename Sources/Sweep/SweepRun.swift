import Foundation
package import Reporting
import Retention
import Synchronization

/// How a sweep ended.
package struct SweepSummary: Sendable {
  package let records: [PointRecord]
  package let laws: SeriesLaws

  /// How many points ended so.
  package func count(of status: PointStatus) -> Int {
    records.count { $0.status == status }
  }
}

/// Runs all points of a profile into a results folder.
package final class SweepRun: Sendable {
  private let profile: Profile
  private let store: ResultsStore
  private let engine: Engine
  private let limit: MemoryLimit
  private let state = Mutex(State())

  /// What the measuring thread and the interrupting one share.
  private struct State {
    var records: [PointRecord] = []
    var isClosed = false
  }

  package init(profile: Profile, store: ResultsStore, engine: Engine, limit: MemoryLimit) {
    self.profile = profile
    self.store = store
    self.engine = engine
    self.limit = limit
  }

  /// Runs every point, in order, and then writes the laws.
  ///
  /// - Throws: `FileError` when results cannot be written.
  package func run() throws(FileError) -> SweepSummary {
    func runner(_ backend: BackendKind) -> PointRunner {
      PointRunner(
        engine: engine, limit: limit.bytes(for: backend), points: profile.points,
        tokens: profile.tokens)
    }
    // One for each, since their limits differ.
    let (computing, counting) = (runner(.cpu), runner(.shape))
    let progress = Progress(total: profile.points.count)
    defer { progress.clear() }
    for (index, planned) in profile.points.enumerated() {
      progress.show(planned, done: index)
      let runner = planned.point.backend == .shape ? counting : computing
      let outcome = runner.run(planned, profile: profile.name)
      try state.withLock { (state) throws(FileError) in
        try store.append(outcome)
        state.records.append(outcome.record)
      }
    }
    return try state.withLock { (state) throws(FileError) in
      state.isClosed = true
      return try finish(state.records)
    }
  }

  /// Ends the process in the middle of a sweep, once what was measured is complete on disk.
  ///
  /// Called from another thread than `run`. Does nothing if `run` is finishing by itself.
  package func stop(signal: Int32) {
    state.withLock { state in
      guard !state.isClosed else { return }
      Progress(total: 0).clear()
      let (done, total) = (state.records.count, profile.points.count)
      let place = done == 0 ? "" : "; the rows are in \(store.directory)"
      var sentence = "stopped after \(done) of \(total) points\(place)"
      do {
        _ = try finish(state.records)
      } catch {
        sentence += ", but \(error)"
      }
      StandardError.write("ballast: \(sentence)\n")
      // No destructor may run while the other thread computes.
      _exit(128 + signal)
    }
  }

  private func finish(_ records: [PointRecord]) throws(FileError) -> SweepSummary {
    let laws = SeriesLaws(of: records, engine: engine)
    try store.write(laws.records)
    return SweepSummary(records: records, laws: laws)
  }
}
