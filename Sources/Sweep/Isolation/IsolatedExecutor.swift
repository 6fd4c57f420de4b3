import Foundation
import Measurement
import Profiles
import Reporting

/// Runs points in a worker process, which is kept for the next point as long as it is well.
///
/// A point that ends its worker gets a row that says how. If the worker had run other points
/// before, the point is first tried again in a fresh one, so that no point suffers for another.
final class IsolatedExecutor: PointExecutor {
  private let profile: Profile
  private let digest: String
  private let limits: PointLimits
  private let command: WorkerCommand
  private let memory: MemoryGuard
  private var worker: WorkerProcess?
  /// Whether the worker has run a point.
  private var isUsed = false

  /// Creates an executor; its worker starts with the first point.
  ///
  /// - Parameters:
  ///   - profile: Whose points run.
  ///   - limits: The limits of a step.
  ///   - given: The limit that somebody gave, which binds the whole process.
  ///   - command: What is started.
  init(profile: Profile, limits: PointLimits, given: Int?, command: WorkerCommand) {
    self.profile = profile
    digest = profile.digest
    self.limits = limits
    self.command = command
    memory = MemoryGuard(limit: given)
  }

  /// What came of an attempt.
  private enum Attempt {
    case finished(FinishedPoint)
    case lost(PointFate)
  }

  func run(_ index: Int) throws(SweepError) -> FinishedPoint {
    while true {
      let wasUsed = worker != nil && isUsed
      let startedAt = Date.now.formatted(.iso8601)
      switch try attempt(index, isPrediction: false) {
      case .finished(let point):
        if point.record.status != .outOfMemory { return point }
        // Memory that was refused once may be held by what the worker keeps.
        stop()
        if !wasUsed { return point }
      case .lost(let fate):
        if fate.isInterrupted || !wasUsed { return try lost(index, fate, startedAt) }
      }
    }
  }

  private func stop() {
    _ = worker?.end()
    worker = nil
  }

  /// Runs a point, or only predicts it, in the worker, which is started if there is none.
  private func attempt(_ index: Int, isPrediction: Bool) throws(SweepError) -> Attempt {
    let killsBefore = MachineMemory.outOfMemoryKills()
    func lost(_ worker: WorkerProcess, _ answer: WorkerProcess.Answer) -> Attempt {
      self.worker = nil
      if case .breach(let breach) = answer {
        _ = worker.end()
        return .lost(PointFate(breach))
      }
      guard let end = worker.end(isEnding: true) else {
        preconditionFailure("a worker ends once")
      }
      return .lost(
        PointFate(end, systemKilled: MachineMemory.outOfMemoryKills() != killsBefore))
    }
    let worker: WorkerProcess
    if let running = self.worker {
      worker = running
    } else {
      worker = try WorkerProcess(command)
      self.worker = worker
      isUsed = false
      guard worker.send(WorkerSetup(source: profile.source, limits: limits)) else {
        return lost(worker, .gone)
      }
      let answer = worker.receive(memory)
      guard case .line(let line) = answer else { return lost(worker, answer) }
      try requireSameSweep(line)
    }
    isUsed = true
    let request = WorkerRequest(index: index, isPrediction: isPrediction)
    guard worker.send(request) else { return lost(worker, .gone) }
    let answer = worker.receive(memory)
    guard case .line(let line) = answer else { return lost(worker, answer) }
    return .finished(try finished(index, line))
  }

  private func requireSameSweep(_ line: [UInt8]) throws(SweepError) {
    guard let greeting = JSONLine.value(WorkerGreeting.self, of: line) else {
      throw SweepError("a worker gave no greeting; this is a bug")
    }
    if let error = greeting.error { throw SweepError("a worker cannot read the profile: \(error)") }
    guard greeting.digest == digest else {
      throw SweepError("a file that the profile names has changed while the sweep ran")
    }
  }

  private func finished(_ index: Int, _ line: [UInt8]) throws(SweepError) -> FinishedPoint {
    guard let reply = JSONLine.value(WorkerReply.self, of: line), reply.index == index else {
      throw SweepError("a worker gave no rows; this is a bug")
    }
    do throws(RecordError) {
      return try FinishedPoint(index: index, rows: reply.rows, of: profile.points[index])
    } catch {
      throw SweepError("a worker gave another row: \(error); this is a bug")
    }
  }

  /// The row of a point that has no figures but predictions, which a fresh worker makes.
  private func lost(
    _ index: Int, _ fate: PointFate, _ startedAt: String
  ) throws(SweepError) -> FinishedPoint {
    let planned = profile.points[index]
    var record = PointRecord(
      profile: profile.name, point: planned.point, repetition: planned.repetition,
      version: BallastVersion.current, startedAt: startedAt)
    if !fate.isInterrupted, case .finished(let point) = try attempt(index, isPrediction: true) {
      record = point.record
      record.startedAt = startedAt
    }
    record.status = fate.status
    record.error = fate.sentence
    return FinishedPoint(
      index: index, outcome: PointOutcome(record: record, saved: []),
      isInterrupted: fate.isInterrupted)
  }
}
