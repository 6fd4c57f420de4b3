import Autograd
import Ledger
import PyTorchOps
import Tensors

/// From the final norm to the loss: of all rows, of the last ones, or in pieces.
extension HuggingFacePass {
  func loss(of x: Variable, rows: Range<Int>) throws -> Tensor {
    let op = Op(.module(.head), name: "lm_head")
    func logits(_ x: Variable) throws -> Variable {
      try tape.pytorchLinear(
        op, x, decoder.head, bias: nil, width: configuration.vocab, as: .logits)
    }
    switch head {
    case .allRows: return try crossEntropy(logits(x), rows: rows)
    case .lastRows(let count):
      let kept = max(rows.upperBound - count, rows.lowerBound)..<rows.upperBound
      var last = sliced(x, op, to: kept)
      // Sequences that lie apart are copied for the weight's gradient, and else multiplied apart.
      if batch > 1, kept != rows, decoder.head.gradient != nil { last = try copied(last, op) }
      return try crossEntropy(logits(last), rows: kept)
    case .pieces: return try fused(x, rows: rows)
    }
  }

  private func sliced(_ x: Variable, _ op: Op, to rows: Range<Int>) -> Variable {
    tape.pytorch(
      x.value.at(rows: rows), as: "hidden", .normalized, from: [x], passes: false)
  }

  private func copied(_ x: Variable, _ op: Op) throws -> Variable {
    try tape.pytorch(
      op, as: "hidden", .normalized, x.value.shape, x.value.dtype, from: [x], passes: true)
  }

  /// TRL's `_fused_forward` on a CPU, which scores every row but the last, in tiles of logits.
  ///
  /// What is made of a tile for a moment is here the tile alone; the step of a recipe
  /// (`PyTorchSteps`) has all of it.
  private func fused(_ x: Variable, rows: Range<Int>) throws -> Tensor {
    let op = Op(.loss, name: "model")
    let kept = rows.dropLast()
    var hidden = sliced(x, op, to: kept)
    if batch > 1 { hidden = try copied(hidden, op) }
    let (count, width) = (batch * kept.count, configuration.dModel)
    let numbers = Shape(.plain(batch), .tokens(kept))
    let (rowsAtATime, wordsAtATime) = (4096, 32768)
    return try tape.op(op) {
      func made(_ name: String, _ role: TensorRole, _ dtype: DType) throws -> Tensor {
        try tensors.make(name, role, numbers, dtype)
      }
      func tile() throws -> Tensor {
        try tensors.make(
          "tile", .logits, Shape(.plain(min(count, rowsAtATime)), .plain(wordsAtATime)),
          x.value.dtype)
      }
      let targets = try made("labels", .indices, .int64)
      let statistics = try ["log_z", "entropy"].map { try made($0, .lossStatistic, .float32) }
      let (weight, head) = (decoder.head.value, decoder.head.gradient)
      func kept(_ tensor: Tensor, _ view: [Int], _ node: String = "tensors") -> PyTorchSave {
        PyTorchSave(
          "ChunkedLogProbFunctionBackward.\(node)", tensor, view, for: hidden.gradient, head)
      }
      let products = 2 * Int128(count) * Int128(width) * Int128(configuration.vocab)
      try withExtendedLifetime(tile()) {}
      let scored = try tape.pytorch(
        op, as: "log_probs", .lossStatistic, numbers, .float32,
        from: [hidden, Variable(weight, gradient: head)], work: products,
        keeping: [
          kept(hidden.value, [count, width]), kept(weight, weight.shape.extents),
          kept(targets, [count]),
        ] + statistics.map { kept($0, [count]) })
      tape.record { [tape] in
        tape.count(products)
        try withExtendedLifetime(tile()) {}
      }
      let mask = try made("mask", .indices, .bool)
      let filled = try tape.pytorch(
        op, as: "log_probs", .lossStatistic, numbers, .float32, from: [scored],
        keeping: [
          PyTorchSave(
            "MaskedFillBackward0.mask", mask, numbers.extents, for: scored.gradient)
        ])
      let sum = try tape.pytorch(op, as: "sum", .loss, Shape(.plain(1)), .float32, from: [filled])
      let divisor = try tensors.make("count", .indices, Shape(), .int64)
      let loss = try tape.pytorch(
        op, as: "loss", .loss, Shape(.plain(1)), .float32, from: [sum],
        keeping: [PyTorchSave("DivBackward0.other", divisor, [], for: sum.gradient)])
      start(loss)
      return loss.value
    }
  }

  /// Backward's first gradient.
  private func start(_ loss: Variable) {
    guard let slot = loss.gradient else { return }
    tape.record { [tensors] in try slot.accumulate(from: tensors) { _, _ in } }
  }

  /// `ForCausalLMLoss`: logits of all rows in float32; labels padded by one and shifted, which for
  /// one sequence is a view of the padded ones.
  private func crossEntropy(_ logits: Variable, rows: Range<Int>) throws -> Tensor {
    let op = Op(.loss, name: "model")
    let wide = try tape.pytorchCast(op, logits, .logits, to: .float32)
    let count = batch * rows.count
    let view = [count, configuration.vocab]
    let logProbabilities = try tape.pytorch(
      op, as: "log_softmax", .logits, wide.value.shape, .float32, from: [wide],
      keeping: [PyTorchSave("LogSoftmaxBackward0.result", nil, view, for: wide.gradient)])
    return try tape.op(op) {
      let labels =
        batch == 1
        ? Shape(.tokens(rows.lowerBound..<rows.upperBound + 1))
        : Shape(.plain(batch), .tokens(rows))
      let target = try tensors.make("labels", .indices, labels, .int64)
      let weight = try tensors.make("total_weight", .indices, Shape(), .float32)
      func kept(_ name: String, _ tensor: Tensor, _ view: [Int]) -> PyTorchSave {
        PyTorchSave("NllLossBackward0.\(name)", tensor, view, for: logProbabilities.gradient)
      }
      let loss = try tape.pytorch(
        op, as: "loss", .loss, Shape(.plain(1)), .float32, from: [logProbabilities],
        keeping: [
          kept("self", logProbabilities.value, view), kept("target", target, [count]),
          kept("total_weight", weight, []),
        ])
      start(loss)
      return loss.value
    }
  }
}
