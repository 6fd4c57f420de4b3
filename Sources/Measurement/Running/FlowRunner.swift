import Autograd
import Files
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
    try requireFit(planned.point, measuresPositions: measuresPositions)
    let step = try TrainingStep(
      planned.point, backend: try engine.makeBackend(planned.point.threads), keepsJournal: false,
      limit: limit, weights: try Checkpoints().values(for: planned))
    if let tokens { step.tokens = try tokens.tokens(for: planned.point) }
    let flow = try step.flow(measuresPositions: measuresPositions)
    try MeasurementError.requireFinite(loss: flow.loss)
    return flow
  }

  private func requireFit(_ point: Point, measuresPositions: Bool) throws {
    let shapes = try TrainingStep(
      point, backend: ShapeBackend(sizeClass: engine.sizeClass), keepsJournal: false)
    let parameters = shapes.decoder.parameters
    guard parameters.contains(where: { $0.gradient != nil }) else {
      throw MeasurementError(
        "trainable \(quoted(point.trainable)) is found in no parameter's name, such as "
          + (parameters.dropFirst().first?.name ?? ""))
    }
    let predicted = try shapes.run(inParts: point.flowRows)
    guard var left = limit else { return }
    for bytes in [
      predicted.parameterBytes, predicted.gradientBytes, predicted.peakBytes,
      predicted.workspacePeakBytes,
    ] {
      guard bytes <= left else {
        throw OverLimitError(predicted, limit: limit ?? .max, axis: point.largestAxis)
      }
      left -= bytes
    }
  }
}
