import Autograd
import Foundation
package import Ledger
package import Reporting
import Retention
import Tensors
import Transformer

/// What one point gave: its row, the storages that backward needed, and its gradients' errors.
package struct PointOutcome: Sendable {
  package var record: PointRecord
  package var saved: [SavedStorage]
  /// Every trained parameter, in the model's order; empty on shapes.
  package var gradients: [ParameterGradient] = []

  package init(record: PointRecord, saved: [SavedStorage]) {
    self.record = record
    self.saved = saved
  }
}

/// A measurement that contradicts itself, as one sentence.
package struct MeasurementError: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }

  /// Refuses a loss of which no gradient can come.
  static func requireFinite(loss: Double?) throws(MeasurementError) {
    guard let loss, !loss.isFinite else { return }
    throw MeasurementError(
      "the loss is \(loss), which is no number to differentiate; do the weights hold NaN or "
        + "infinity?")
  }

  /// Refuses a gradient that is no number.
  static func requireFinite(gradientOf parameter: String?) throws(MeasurementError) {
    guard let parameter else { return }
    throw MeasurementError(
      "the gradient of \(parameter) is not finite; are the weights too large, or not numbers?")
  }
}

/// Runs points: predicts each from shapes, computes it, and holds the two against each other.
///
/// Whatever goes wrong with a point ends in its row; `run` does not throw.
package final class PointRunner {
  /// The most bytes that a step may use.
  private let limit: Int?
  /// Points whose exact gradients some biased point is compared with.
  private let wanted: Set<PlannedPoint>
  private var reference: Reference?
  private let listsGradients: Bool
  /// The tokens of all points; nil: drawn from each point's seed.
  private let tokens: TokenFile?
  private let takesTimes: Bool
  private let comparesGradients: Bool
  private let models: ModelStore
  private let predictor: Predictor

  /// Exact gradients, and the point that gave them.
  private struct Reference {
    let point: PlannedPoint
    let gradients: [String: [Float]]
  }

  /// Creates a runner.
  ///
  /// - Parameters:
  ///   - engine: What computes.
  ///   - limit: The most bytes of parameters, gradients, activations and workspace together.
  ///   - points: Everything that will run, so that the right gradients are kept.
  ///   - tokens: What the points read in place of tokens drawn from their seeds.
  ///   - listsGradients: Whether the gradients' norms are wanted where nothing is compared.
  ///   - takesTimes: Whether steps are timed; else the times stay empty.
  ///   - comparesGradients: Whether exact gradients are computed to compare with.
  package init(
    engine: Engine, limit: Int?, points: [PlannedPoint], tokens: TokenFile? = nil,
    listsGradients: Bool = true, takesTimes: Bool = true, comparesGradients: Bool = true
  ) {
    self.limit = limit
    self.tokens = tokens
    self.listsGradients = listsGradients
    self.takesTimes = takesTimes
    self.comparesGradients = comparesGradients
    models = ModelStore(engine: engine)
    predictor = Predictor(engine: engine)
    wanted = Set(
      points.filter { !$0.point.isGradientReference }.compactMap(\.gradientReferences.first))
  }

  /// Runs one point, and writes its gradients if all went well.
  ///
  /// `observers` hear of every event of one more step, which runs when all else is done.
  package func run(
    _ planned: PlannedPoint, profile: String?, gradients: GradientFile? = nil,
    observers: [any LedgerObserver] = []
  ) -> PointOutcome {
    var outcome = PointOutcome(
      record: PointRecord(
        profile: profile, point: planned.point, repetition: planned.repetition,
        version: BallastVersion.current, startedAt: Date.now.formatted(.iso8601)),
      saved: [])
    do {
      try measure(planned, gradients, into: &outcome)
      if !observers.isEmpty { try observe(planned, observers) }
    } catch let error as AllocationError {
      switch error {
      case .refused: outcome.fail(.outOfMemory, error)
      case .overLimit: outcome.fail(.overLimit, error)
      }
    } catch let error as OverLimitError {
      outcome.fail(.overLimit, error)
    } catch {
      outcome.fail(.failed, error)
    }
    return outcome
  }

  private func measure(
    _ planned: PlannedPoint, _ file: GradientFile?, into outcome: inout PointOutcome
  ) throws {
    let point = planned.point
    let predicted = try predictor.predict(point)
    outcome.record.takePrediction(predicted)
    try MemoryNeed(predicted).requireFit(limit, axis: point.largestAxis)
    if point.backend == .shape {
      outcome.take(predicted)
      // Of oneDNN's own scratch, shapes know nothing.
      outcome.record.workspacePeakBytes = nil
      return
    }
    let gradients = try compute(planned, predicted, file, into: &outcome)
    try compareGradients(of: planned, gradients, into: &outcome)
  }

  /// Runs a step that was measured once more, under observation.
  private func observe(_ planned: PlannedPoint, _ observers: [any LedgerObserver]) throws {
    let step =
      planned.point.backend == .shape
      ? try predictor.step(of: planned.point, observers: observers)
      : try makeStep(
        planned, try models.machine(threads: planned.point.threads), observers: observers)
    _ = try step.run()
  }

  // MARK: Computing

  /// Runs a point, holds allocator and prediction against the ledger, and returns its gradients if
  /// they are wanted and there is room for them.
  private func compute(
    _ planned: PlannedPoint, _ predicted: StepResult, _ file: GradientFile?,
    into outcome: inout PointOutcome
  ) throws -> StepGradients? {
    let machine = try models.machine(threads: planned.point.threads)
    let isPeakReset = MachineMemory.resetPeak()
    let step = try makeStep(planned, machine)
    let result = try step.run { ledger in
      try self.requireBoundary(ledger, machine, of: planned.point)
    }
    try MeasurementError.requireFinite(loss: result.loss)
    try MeasurementError.requireFinite(gradientOf: step.parameterWithoutFiniteGradient())
    outcome.record.processPeakRSSBytes = isPeakReset ? MachineMemory.peakResidentBytes() : nil
    outcome.take(result)
    if let left = try machine.allocatedBytes?(.activation), left != 0 {
      throw MeasurementError(
        "\(left) bytes of activations are still allocated after the step; this is a bug")
    }
    let timed = takesTimes ? try timeAgain(step, after: result) : nil
    outcome.record.forwardSeconds = timed?.forwardSeconds
    outcome.record.backwardSeconds = timed?.backwardSeconds
    try requireEqual(predicted, result)
    try file?.write(step)
    outcome.gradients = StepGradients.names(of: step).map { ParameterGradient($0) }
    // The point's own gradients and the exact ones are held as copies, in plain memory.
    let isCompared =
      comparesGradients && (!planned.point.isGradientReference || isWanted(planned))
    let copies = isCompared ? 2 : 1
    guard isCompared || listsGradients, MemoryNeed(predicted, gradientCopies: copies).fits(limit)
    else { return nil }
    return StepGradients(step)
  }

  /// Whether another point is compared with this one.
  private func isWanted(_ planned: PlannedPoint) -> Bool {
    planned.point.isGradientReference
      && planned.gradientReferences.first.map(wanted.contains) == true
  }

  /// A step with the point's weights and tokens.
  private func makeStep(
    _ planned: PlannedPoint, _ machine: Machine, observers: [any LedgerObserver] = []
  ) throws -> TrainingStep {
    let model = try models.model(of: planned, on: machine, limit: limit)
    let step = try TrainingStep(planned.point, of: model, observers: observers, limit: limit)
    if let tokens { step.tokens = try tokens.tokens(for: planned.point) }
    return step
  }

  /// Runs a short step a second time for its times, and returns the result that has them.
  ///
  /// A first run compiles products and touches fresh pages, which no later step of a training run
  /// does. A step that takes long enough drowns that, and is not run twice.
  private func timeAgain(_ step: TrainingStep, after first: StepResult) throws -> StepResult {
    let seconds = (first.forwardSeconds ?? 0) + (first.backwardSeconds ?? 0)
    guard seconds < 5 else { return first }
    let second = try step.run()
    guard second.loss?.bitPattern == first.loss?.bitPattern else {
      throw MeasurementError("the step gave another loss when it ran again; this is a bug")
    }
    return second
  }

  /// A2: allocator and ledger agree, and nothing lives at the boundary but saved storages, the
  /// loss, and what suffixes that are done have gathered for their prefix.
  private func requireBoundary(_ ledger: Ledger, _ machine: Machine, of point: Point) throws {
    let counted = ledger.liveAllocatedBytes[.activation]
    if let reported = try machine.allocatedBytes?(.activation), reported != counted {
      throw MeasurementError(
        "the allocator reports \(reported) bytes of activations at the boundary, "
          + "the ledger \(counted); this is a bug")
    }
    let saved = Set(ledger.savedStorages().map(\.id))
    let others = ledger.liveStorages(of: .activation).filter { !saved.contains($0.id) }
    for other in others where !point.waits(other.description) {
      throw MeasurementError(
        "tensor \"\(other.description.tensor)\" is alive at the boundary, "
          + "though backward does not need it; this is a bug")
    }
  }

  /// A3: shapes alone predict what was measured, to the byte.
  private func requireEqual(_ predicted: StepResult, _ measured: StepResult) throws {
    let figures = [
      ("saved tensors", predicted.saved.count, measured.saved.count),
      ("retained bytes", predicted.retained.total, measured.retained.total),
      (
        "retained allocated bytes", predicted.retainedAllocatedBytes,
        measured.retainedAllocatedBytes
      ),
      ("peak bytes of forward", predicted.peakForwardBytes, measured.peakForwardBytes),
      ("peak bytes of backward", predicted.peakBackwardBytes, measured.peakBackwardBytes),
    ]
    for (name, expected, found) in figures where expected != found {
      throw MeasurementError("\(name): \(found) measured, \(expected) predicted; this is a bug")
    }
    for (expected, found) in zip(predicted.saved, measured.saved)
    where expected.description != found.description || expected.savers != found.savers {
      throw MeasurementError(
        "saved tensor \"\(found.description.tensor)\" is not the one predicted, "
          + "\"\(expected.description.tensor)\"; this is a bug")
    }
  }

  // MARK: Gradients

  /// Enters how far a point's gradients are from the exact ones, in all and one by one.
  ///
  /// Of a point without an exact gradient only the norms are known.
  private func compareGradients(
    of planned: PlannedPoint, _ gradients: StepGradients?, into outcome: inout PointOutcome
  ) throws {
    if planned.point.isGradientReference {
      outcome.record.gradientRelativeError = 0
      outcome.record.gradientCosine = 1
      outcome.record.gradientReference = .fullGraph
      guard let gradients else { return }
      if isWanted(planned), let key = planned.gradientReferences.first {
        reference = Reference(point: key, gradients: gradients.values)
      }
      outcome.gradients =
        try GradientComparison(of: gradients, from: gradients.values, of: .fullGraph).parameters
      return
    }
    guard let gradients else { return }
    guard comparesGradients, let exact = try exactGradients(for: planned) else {
      outcome.gradients = try gradients.norms
      return
    }
    let mode = exact.point.point.mode.name
    let comparison = try GradientComparison(of: gradients, from: exact.gradients, of: mode)
    outcome.gradients = comparison.parameters
    outcome.record.gradientRelativeError = comparison.whole.relativeError
    outcome.record.gradientCosine = comparison.whole.cosine
    outcome.record.gradientReference = mode
  }

  /// The exact gradients for a point: kept from before, or computed now.
  ///
  /// They are `full-graph`'s, or `replayed-prefix`'s where that does not fit; nil if neither does,
  /// or if they would take more than `mostWork` times the point's own products.
  private func exactGradients(for planned: PlannedPoint) throws -> Reference? {
    let candidates = planned.gradientReferences
    if let reference, candidates.contains(reference.point) { return reference }
    reference = nil
    let most = try Self.mostWork * predictor.totals(of: planned.point).matmulFlops
    for candidate in candidates {
      if let gradients = try gradientsIfTheyFit(of: candidate, atMost: most) {
        reference = Reference(point: candidate, gradients: gradients)
        return reference
      }
    }
    return nil
  }

  /// A detached million of tokens takes seconds, a full graph of it more than ten minutes that
  /// nobody asked for.
  private static let mostWork: Int128 = 100

  /// The gradients of a point beside a copy of another's; nil if there is no room for them, or they
  /// take more products than `flops`.
  private func gradientsIfTheyFit(
    of planned: PlannedPoint, atMost flops: Int128
  ) throws -> [String: [Float]]? {
    do {
      let predicted = try predictor.totals(of: planned.point)
      guard MemoryNeed(predicted, gradientCopies: 2).fits(limit), predicted.matmulFlops <= flops
      else { return nil }
      let step = try makeStep(planned, models.machine(threads: planned.point.threads))
      _ = try step.run()
      return step.gradients()
    } catch is AllocationError {
      return nil
    }
  }
}

extension PointOutcome {
  fileprivate mutating func fail(_ status: PointStatus, _ error: any Error) {
    record.status = status
    record.error = "\(error)"
  }

  /// Enters what a step gave.
  fileprivate mutating func take(_ result: StepResult) {
    saved = result.saved
    record.take(result)
  }
}
