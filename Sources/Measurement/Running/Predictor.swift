package import Ledger
package import Retention
package import Tensors
import Transformer

/// Runs points on shapes alone; the last model is kept for the next point that has it.
package final class Predictor {
  private let engine: Engine
  private let share: CountedMemory.Share?
  private var model: Model?
  /// What the model's tensors are counted with.
  private var threads: Int?

  /// - Parameters:
  ///   - engine: What is counted for.
  ///   - share: What one of several devices holds of a tensor; nil for the only one.
  package init(engine: Engine, share: CountedMemory.Share? = nil) {
    self.engine = engine
    self.share = share
  }

  /// Whether it counts what one of several devices holds.
  package var isShared: Bool { share != nil }

  /// A step of a point on shapes, with no memory, no arithmetic and nothing drawn.
  ///
  /// - Throws: `PointError` for an impossible point.
  package func step(
    of point: Point, observers: [any LedgerObserver] = []
  ) throws -> TrainingStep {
    try point.validate()
    return try TrainingStep(point, of: model(of: point), observers: observers)
  }

  private func model(of point: Point) throws -> Model {
    // What a step on the cpu takes includes the scratch of that processor's products.
    let threads = point.backend == .cpu && share == nil ? point.threads : nil
    if let model, model.decoder.configuration == point.model, model.decoder.dtype == point.dtype,
      self.threads == threads
    {
      return model
    }
    let made = try Model(of: point, on: engine.shapes(threads: threads, share))
    model = made
    self.threads = threads
    return made
  }

  /// What a step of a point keeps, at most holds and takes, with every saved tensor.
  ///
  /// - Throws: `PointError` for an impossible point, or one that trains nothing.
  package func predict(_ point: Point) throws -> StepResult {
    let step = try step(of: point)
    try step.requireTrained()
    return try step.run()
  }

  /// The same totals, whether or not anything is trained; of equal layers few are run, and what
  /// those save stands for the others.
  ///
  /// - Throws: `PointError` for an impossible point.
  package func totals(of point: Point) throws -> StepResult {
    let step = try step(of: point)
    step.skips = .chunksAndLayers
    return try step.run()
  }

  /// What each sequence keeps where lengths differ and are packed; nil elsewhere.
  ///
  /// - Throws: `PointError` for an impossible point.
  package func sequences(of point: Point) throws -> [(nC: Int, nG: Int, bytes: Int)]? {
    let sequences = point.sequencePoints
    guard !sequences.isEmpty, point.packing == .packed, point.sharing == .none else { return nil }
    return try sequences.map { ($0.nC, $0.nG, try totals(of: $0).retained.total) }
  }

  /// What the prompt costs once and each completion adds; nil where they do not share it.
  ///
  /// - Throws: `ScalingLawError` where bytes are no such sum, as under a short window.
  package func groupLaw(of point: Point) throws -> GroupLaw? {
    guard point.hasGroupLaw else { return nil }
    return try GroupLaw(of: point) { try totals(of: $0).retained.total }
  }
}
