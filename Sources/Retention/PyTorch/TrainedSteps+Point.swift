import Patterns
package import PyTorchSteps
import Transformer

extension TrainedSteps {
  /// The steps of PyTorch's that a point's recipe stands for; nil for Ballast's own layers, and for
  /// what is no plain training step.
  ///
  /// Those that are: whole graphs of sequences of one length, rows that predict the next token.
  ///
  /// - Parameters:
  ///   - point: What is asked.
  ///   - device: Where they run.
  ///   - steps: Steps of the optimizer, from the second of which on its state stands; nil for two
  ///     where it has one, else for one.
  package init?(_ point: Point, on device: StepDevice, steps: Int? = nil) {
    let hasAdapter = point.model.adapter != nil
    let attention: TrainedModel.Attention
    switch point.recipe {
    case .ballast: return nil
    case .transformersEager: attention = .eager
    case .transformersSDPA: attention = .sdpa
    }
    let optimizer: StepOptimizer
    switch point.optimizer {
    // Without momentum, which is what `sgd` is here, a step makes nothing.
    case .none, .sgd: optimizer = .none
    case .adamw: optimizer = .adamw
    case .adamwFP32: return nil
    }
    guard
      let model = TrainedModel(
        point.model, dtype: point.dtype, attention: attention,
        isCheckpointed: point.recompute == .layer,
        isTrained: { name in point.trainable?.isFound(in: name) ?? !hasAdapter }),
      point.mode == .fullGraph, point.lossRows == .nextToken, point.lengths == nil,
      point.sharing == .none, point.dropout == 0
    else { return nil }
    self.init(
      model: model, batch: point.sequences, tokens: point.n, optimizer: optimizer,
      steps: steps ?? (optimizer == .none ? 1 : 2), head: point.stepHead, on: device)
    guard isKnown else { return nil }
  }
}

extension Point {
  /// The head of PyTorch's step: with no prefix all rows are those that carry loss.
  fileprivate var stepHead: StepHead {
    switch head {
    case .allRows: .allRows
    case .lossRows: nC > 0 ? .lastRows(nG + 1) : .allRows
    case .chunked: .pieces(rows: n - max(nC, 1))
    }
  }
}
