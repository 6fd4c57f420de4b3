import Ledger
package import Tensors

extension Tape {
  /// The mean of `−log softmax(logits)[label]` over the rows at `positions`, as `[1]` float32.
  ///
  /// Where these are a part of the loss rows, `total` says how many there are: then the sum over
  /// these, divided by that.
  ///
  /// Saves the logits `[batch, tokens, vocab]`, whose memory becomes their gradient, and the
  /// float32 log-sum-exp `[batch, loss rows]`.
  package func crossEntropy(
    _ logits: Variable, at positions: Range<Int>, labels: [Int32], of total: Int? = nil
  ) throws -> Tensor {
    try op(.loss) {
      let rows = logits.value.at(rows: positions)
      let logSumExp = try tensors.make(
        "log_sum_exp", .lossStatistic, Shape(rows.shape[0], rows.shape[1]))
      let loss = try tensors.make("loss", .loss, Shape(.plain(1)))
      let sum = kernels?.crossEntropy(rows, labels: labels, logSumExp: logSumExp) ?? 0
      let count = total ?? logSumExp.count
      kernels?.fill(loss, with: Float(sum / Double(max(count, 1))))
      guard records(logits.gradient), let logitsSlot = logits.gradient else { return loss }
      let savedLogits = save(logits.value, as: "logits", neededFor: ["dlogits"])
      let savedLogSumExp = save(logSumExp, as: "log_sum_exp", neededFor: ["dlogits"])
      record { [tensors, kernels] in
        let logits = try savedLogits.tensor
        let all = logits.shape[1].rows
        let before = all.lowerBound..<positions.lowerBound
        let after = positions.upperBound..<all.upperBound
        for others in [before, after] where !others.isEmpty {
          kernels?.fill(logits.at(rows: others), with: 0)
        }
        let logSumExp = try savedLogSumExp.tensor
        kernels?.crossEntropyBackward(
          logits.at(rows: positions), labels: labels, logSumExp: logSumExp, rows: count)
        try logitsSlot.add(logits, from: tensors)
      }
      return loss
    }
  }
}
