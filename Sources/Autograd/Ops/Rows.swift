package import Tensors

/// Token numbers of a batch: `ids[sequence · stride + position]`.
package struct TokenIDs: Equatable, Sendable {
  /// Empty where only shapes are wanted.
  package let ids: [Int32]
  /// Sequences.
  package let batch: Int
  /// Tokens of one sequence.
  package let stride: Int

  /// Tokens without numbers, where nothing is computed.
  package init(batch: Int, stride: Int) {
    ids = []
    self.batch = batch
    self.stride = stride
  }

  package init(ids: [Int32], stride: Int) {
    precondition(stride > 0 && ids.count % stride == 0)
    self.ids = ids
    batch = ids.count / stride
    self.stride = stride
  }

  /// The tokens that loss rows are to predict, sequence by sequence; empty without numbers.
  package func labels(of runs: [SequenceLayout.LossRun]) -> [Int32] {
    var labels: [Int32] = []
    for sequence in Swift.stride(from: 0, to: ids.count, by: stride) {
      for run in runs {
        let first = sequence + run.firstTarget
        labels += ids[first..<first + run.rows.count]
      }
    }
    return labels
  }
}

extension Tape {
  /// The rows of the table for the tokens at `positions`: `[batch, tokens, d_model]`.
  ///
  /// Saves nothing of its own: token numbers are the caller's. Rows of `paddingToken` get no
  /// gradient.
  package func embedding(
    _ tokens: TokenIDs, at positions: Range<Int>, table: Parameter, dtype: DType,
    paddingToken: Int? = nil
  ) throws -> Variable {
    try op("embedding") {
      let shape = Shape(
        .plain(tokens.batch), .tokens(positions),
        .plain(table.value.extent(1)))
      let y = try tensors.make("hidden", shape, dtype)
      kernels?.gatherRows(of: table.value, ids: tokens.ids, idStride: tokens.stride, to: y)
      guard records(table.gradient) else { return Variable(y) }
      let slot = GradientSlot("hidden", shape: shape, dtype: dtype)
      record { [tensors, kernels] in
        guard let dy = slot.take() else { return }
        let ids = paddingToken.map { padding in
          tokens.ids.map { $0 == Int32(clamping: padding) ? -1 : $0 }
        }
        let (weight, rows) = (Weight(table), dy.shape[1].rows)
        try weight.accumulate(rows, from: tensors) { rows, sum, accumulates in
          if !accumulates { kernels?.fill(sum, with: 0) }
          kernels?.scatterAddRows(
            dy.at(rows: rows), ids: ids ?? tokens.ids, idStride: tokens.stride, to: sum)
        }
        self.measureRows(of: weight, dy: dy, ids: ids ?? tokens.ids, stride: tokens.stride)
      }
      return Variable(y, gradient: slot)
    }
  }

  /// Adds row `t` of the table to the row at position `t` of every sequence, in place.
  ///
  /// `x` is `[batch, tokens, d_model]`, `table` `[positions, d_model]`; saves nothing.
  package func addPositions(_ x: Variable, table: Parameter) throws -> Variable {
    op("positions") {
      let value = x.value
      for (rows, entries) in positions(of: value, in: table.value) {
        for sequence in 0..<value.extent(0) {
          kernels?.add(entries, to: value.sliced(0, sequence..<sequence + 1).at(rows: rows))
        }
      }
      guard records(x.gradient, table.gradient) else { return Variable(value) }
      let slot = GradientSlot("hidden", shape: value.shape, dtype: value.dtype)
      let inputSlot = x.gradient
      record { [tensors] in
        guard let dy = slot.take() else { return }
        if table.gradient != nil { try self.addPositionSums(of: dy, to: Weight(table)) }
        try inputSlot?.add(dy, from: tensors)
      }
      return Variable(value, gradient: slot)
    }
  }

  /// The rows of `x` in runs, with the entries of a table of positions that each run takes.
  private func positions(of x: Tensor, in table: Tensor) -> [(rows: Range<Int>, entries: Tensor)] {
    tensors.layout.positions(of: x.shape[1].rows).map { run in
      let entries = table.sliced(0, run.first..<run.first + run.rows.count).addingUnitAxis()
      return (run.rows, entries)
    }
  }

  /// Adds `Σ_b dy[b, t, :]` to the table's gradient at the position of row `t`.
  private func addPositionSums(of dy: Tensor, to table: Weight) throws {
    let rows = dy.shape[1].rows
    try table.accumulate(rows, from: tensors) { rows, sum, accumulates in
      if !accumulates { kernels?.fill(sum, with: 0) }
      for (rows, entries) in positions(of: dy.at(rows: rows), in: sum) {
        for sequence in 0..<dy.extent(0) {
          kernels?.add(dy.sliced(0, sequence..<sequence + 1).at(rows: rows), to: entries)
        }
      }
    }
    try measureRows(of: table, at: rows) { row in
      let dy = dy.at(rows: row)
      let partials = try makePartials(rows: dy.extent(0), width: dy.extent(2))
      kernels?.partialSums(dy, to: partials)
      return partials
    }
  }

  /// The rows of `x` at `positions`, as a view: what saves them keeps all of `x`.
  package func rows(_ x: Variable, at positions: Range<Int>) -> Variable {
    guard positions != x.value.shape[1].rows else { return x }
    return op("rows") {
      let y = x.value.at(rows: positions)
      var recomputed = x.recomputed
      recomputed?.rows = positions
      guard records(x.gradient), let inputSlot = x.gradient else {
        return Variable(y, recomputed: recomputed)
      }
      let slot = GradientSlot(inputSlot.name, shape: y.shape, dtype: y.dtype)
      record { [tensors, kernels] in
        guard let dy = slot.take() else { return }
        try inputSlot.accumulate(from: tensors) { sum, accumulates in
          if !accumulates { kernels?.fill(sum, with: 0) }
          kernels?.add(dy, to: sum.at(rows: positions))
        }
      }
      return Variable(y, gradient: slot, recomputed: recomputed)
    }
  }

  /// A copy of the rows at `positions`, so that the other rows need not stay.
  package func selectRows(_ x: Variable, at positions: Range<Int>) throws -> Variable {
    try selectRows([(x, positions)])
  }

  /// A copy of some rows of several tensors, one after the other: rows that follow on one another.
  package func selectRows(_ parts: [(x: Variable, rows: Range<Int>)]) throws -> Variable {
    try op("loss_rows") {
      guard let first = parts.first, let last = parts.last else {
        preconditionFailure("rows of nothing")
      }
      let shape = Shape(
        first.x.value.shape[0], .tokens(first.rows.lowerBound..<last.rows.upperBound),
        first.x.value.shape[2])
      let y = try tensors.make("loss_rows", shape, first.x.value.dtype)
      for part in parts {
        kernels?.copy(part.x.value.at(rows: part.rows), to: y.at(rows: part.rows))
      }
      let slots = parts.map { ($0.x.gradient, $0.rows) }
      guard isRecording, slots.contains(where: { $0.0 != nil }) else { return Variable(y) }
      let slot = GradientSlot("loss_rows", shape: y.shape, dtype: y.dtype)
      record { [tensors, kernels] in
        guard let dy = slot.take() else { return }
        for (inputSlot, positions) in slots {
          try inputSlot?.accumulate(from: tensors) { sum, accumulates in
            if !accumulates { kernels?.fill(sum, with: 0) }
            kernels?.add(dy.at(rows: positions), to: sum.at(rows: positions))
          }
        }
      }
      return Variable(y, gradient: slot)
    }
  }

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
    try op("cross_entropy") {
      let rows = logits.value.at(rows: positions)
      let logSumExp = try tensors.make("log_sum_exp", Shape(rows.shape[0], rows.shape[1]))
      let loss = try tensors.make("loss", Shape(.plain(1)))
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
