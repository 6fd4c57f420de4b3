import Autograd
import Ledger
package import Retention
import Tensors
import Transformer

/// Runs a point for its gradient in parts.
package struct FlowRunner: Sendable {
  private let engine: Engine
  /// The most bytes that a step may use.
  private let limit: Int?
  /// What the point reads in place of tokens drawn from its seed.
  private let tokens: TokenFile?

  package init(engine: Engine, limit: Int?, tokens: TokenFile? = nil) {
    self.engine = engine
    self.limit = limit
    self.tokens = tokens
  }

  /// Measures who gets gradient from where, once it is known to fit.
  ///
  /// - Throws: `MeasurementError` if nothing is trained, `OverLimitError` and `AllocationError` if
  ///   the step does not fit, and what the backend throws.
  package func run(_ planned: PlannedPoint, measuresPositions: Bool) throws -> Flow {
    let counted = try Predictor(engine: engine).step(of: planned.point)
    try counted.requireTrained()
    let predicted = try counted.run(inParts: planned.point.flowRows)
    try MemoryNeed(predicted).requireFit(limit, axis: planned.point.largestAxis)
    let models = ModelStore(engine: engine)
    let machine = try models.machine(threads: planned.point.threads)
    let step = try TrainingStep(
      planned.point, of: try models.model(of: planned, on: machine, limit: limit), limit: limit)
    if let tokens { step.tokens = try tokens.tokens(for: planned.point) }
    let flow = try step.flow(measuresPositions: measuresPositions)
    try MeasurementError.requireFinite(loss: flow.loss)
    try MeasurementError.requireFinite(
      gradientOf: flow.weights.first { !$0.totalNorm.isFinite }?.parameter)
    return flow
  }
}
