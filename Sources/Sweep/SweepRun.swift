import Files
import Foundation
package import Measurement
package import Profiles
package import Reporting
import Retention
import Spelling
import Synchronization

/// How a sweep ended.
package struct SweepSummary: Sendable {
  /// A row a point, in the profile's order.
  package let records: [PointRecord]
  package let laws: SeriesLaws

  /// Computes the laws of what a store holds, and ends it with them.
  init(closing store: inout ResultsStore, engine: Engine) throws(FileError) {
    records = store.records
    laws = SeriesLaws(of: records, engine: engine)
    try store.close(laws.records)
  }

  /// A sentence about points without figures, and figures that contradict a law; nil for neither.
  package var complaint: String? {
    let sentences = [
      FailureSummary.sentence(of: records), FailureSummary.sentence(of: laws.disagreements),
    ].compactMap { $0 }
    return sentences.isEmpty ? nil : sentences.joined(separator: "; ")
  }

  /// How many points ended so.
  package func count(of status: PointStatus) -> Int { records.count { $0.status == status } }
}

/// Where the points of a sweep run.
package enum Execution: Sendable {
  /// In this process, where a crash ends the sweep.
  case direct
  /// In worker processes, so many at a time.
  case workers(WorkerCommand, jobs: Int)
}

/// Runs all points of a profile that have no row yet into a results folder.
package final class SweepRun: Sendable {
  private let profile: Profile
  private let directory: String
  private let engine: Engine
  private let limit: MemoryLimit
  private let execution: Execution
  /// How many points the sweep has: the profile's, or those of its shard.
  private let total: Int
  private let state: Mutex<State>

  /// What the measuring threads and the interrupting one share.
  private struct State {
    var store: ResultsStore
    var queue: PointQueue
    let progress: ProgressLine
    var isClosed = false
    /// What ended a thread; the others stop at their next point.
    var failure: (any Error)?
  }

  package init(
    profile: Profile, store: ResultsStore, engine: Engine, limit: MemoryLimit,
    execution: Execution = .direct
  ) {
    (self.profile, self.engine, self.limit, self.execution) = (profile, engine, limit, execution)
    directory = store.directory
    state = Mutex(
      State(
        store: store,
        queue: PointQueue(profile.points, store.part.filter { !store.holds($0) }),
        progress: ProgressLine(total: store.part.count, done: store.records.count)))
    total = store.part.count
  }

  /// Runs every point, and then writes the laws.
  ///
  /// - Throws: `FileError` when results cannot be written, `SweepError` when points cannot be run.
  package func run() throws -> SweepSummary {
    defer { state.withLock { $0.progress.clear() } }
    switch execution {
    case .workers(_, let jobs) where jobs > 1: runBeside(jobs)
    default: work()
    }
    return try state.withLock { state in
      if let failure = state.failure { throw kept(failure, state.store.records.count) }
      state.isClosed = true
      return try SweepSummary(closing: &state.store, engine: engine)
    }
  }

  /// Works in this many threads, and waits for all.
  private func runBeside(_ jobs: Int) {
    let group = DispatchGroup()
    for _ in 0..<jobs {
      group.enter()
      Thread {
        self.work()
        group.leave()
      }.start()
    }
    group.wait()
  }

  /// Takes points from the queue and runs them until there are none, or a thread has failed.
  private func work() {
    let executor = makeExecutor()
    var batch: ArraySlice<Int> = []
    while true {
      let next = state.withLock { state -> Int? in
        guard state.failure == nil else { return nil }
        if batch.isEmpty { batch = state.queue.next() }
        guard let index = batch.popFirst() else { return nil }
        state.progress.show(profile.points[index], done: state.store.records.count)
        return index
      }
      guard let next else { return }
      do {
        let point = try executor.run(next)
        try state.withLock { try $0.store.add(point) }
      } catch {
        state.withLock { $0.failure = $0.failure ?? error }
      }
    }
  }

  private func makeExecutor() -> any PointExecutor {
    switch execution {
    case .direct: DirectExecutor(profile: profile, engine: engine, limits: limit.limits(jobs: 1))
    case .workers(let command, let jobs):
      IsolatedExecutor(
        profile: profile, limits: limit.limits(jobs: jobs), given: limit.given, command: command)
    }
  }

  /// Ends the process in the middle of a sweep, once what was measured is complete on disk.
  ///
  /// Called from another thread than `run`. Does nothing if `run` is finishing by itself.
  package func stop(signal: Int32) {
    state.withLock { state in
      guard !state.isClosed else { return }
      state.progress.clear()
      let done = state.store.records.count
      let place = done == 0 ? "" : "; the rows are in \(directory), and --resume goes on from there"
      var sentence = "stopped after \(done) of \(total) points\(place)"
      do {
        _ = try SweepSummary(closing: &state.store, engine: engine)
      } catch {
        sentence += ", but \(error)"
      }
      StandardError.write("ballast: \(printable(sentence.unicodeScalars))\n")
      // No destructor may run while the other threads compute; workers end with this process.
      _exit(128 + signal)
    }
  }

  /// An error with what became of the rows.
  private func kept(_ failure: any Error, _ done: Int) -> SweepError {
    SweepError(
      "\(failure); the rows of \(done) of \(total) points are kept, "
        + "and --resume goes on from there")
  }
}

/// The points that are still to run, in order.
///
/// Neighbours that are compared with the same exact gradient are handed out together, so that one
/// worker computes it once.
struct PointQueue: Sendable {
  private var batches: ArraySlice<[Int]>

  /// The points at these places of a profile.
  init(_ points: [PlannedPoint], _ indices: [Int]) {
    batches = Self.batches(of: points, indices)[...]
  }

  /// The next points that belong together; empty if there are no more.
  mutating func next() -> ArraySlice<Int> { batches.popFirst()?[...] ?? [] }

  /// The points at these places, neighbours with the same exact gradients together.
  static func batches(of points: [PlannedPoint], _ indices: [Int]) -> [[Int]] {
    var batches: [[Int]] = []
    var reference: PlannedPoint?
    for index in indices {
      let next = points[index].gradientReferences.first
      if next != nil, next == reference, let last = batches.indices.last {
        batches[last].append(index)
      } else {
        batches.append([index])
        reference = next
      }
    }
    return batches
  }
}
