import Ledger
package import Tensors

extension Tape {
  /// The mean of `−log softmax(x · Wᵀ)[label]` over all rows, as `[1]` float32, with the logits of
  /// a few rows of every sequence at a time: they are never whole.
  ///
  /// `x` is `[batch, rows, d_model]`, the loss rows after the final norm, `weight`
  /// `[vocab, d_model]`, `labels` has `batch · rows` entries. Logits `[batch, rowsAtATime, vocab]`
  /// are float32 whatever the dtype of `x`; backward makes them again and turns them into their
  /// gradient in place. Where these are a part of the loss rows, `total` says how many there are:
  /// then it is the sum over these, divided by that. Saves `x`, the weight and the float32
  /// log-sum-exp `[batch, rows]`.
  package func chunkedCrossEntropy(
    _ x: Variable, _ weight: Weight, labels: [Int32], rowsAtATime: Int, of total: Int? = nil
  ) throws -> Tensor {
    try op(.module(.head)) {
      let head = ChunkedHead(
        tape: self, vocab: weight.value.extent(0), labels: labels,
        batch: x.value.shape[0], rows: x.value.shape[1].rows, rowsAtATime: rowsAtATime,
        total: total)
      let logSumExp = try tensors.make(
        "log_sum_exp", .lossStatistic, Shape(x.value.shape[0], x.value.shape[1]))
      let loss = try tensors.make("loss", .loss, Shape(.plain(1)))
      var sum = 0.0
      for rows in head.chunks {
        let logits = try head.logits(x.value, weight.value, at: rows)
        sum +=
          kernels?.crossEntropy(
            logits, labels: head.labels(at: rows), logSumExp: logSumExp.at(rows: rows)) ?? 0
      }
      kernels?.fill(loss, with: Float(sum / Double(head.count)))
      guard records(x.gradient, weight.gradient) else { return loss }

      let inputSlot = x.gradient
      let needs = ["dlogits"] + (weight.gradient == nil ? [] : [weight.symbol])
      let savedInput = save(
        x.value, as: "input", neededFor: needs, recomputed: x.recomputed)
      let savedWeight = save(
        weight.value, as: "weight",
        neededFor: ["dlogits"] + (inputSlot.map { ["d\($0.name)"] } ?? []))
      let savedLogSumExp = save(logSumExp, as: "log_sum_exp", neededFor: ["dlogits"])
      record { [tensors] in
        func backward(_ dx: Tensor?, _ accumulates: Bool) throws {
          try head.backward(
            savedInput.tensor, savedWeight.tensor, of: weight, logSumExp: savedLogSumExp.tensor,
            to: dx, accumulates: accumulates)
        }
        if let inputSlot {
          try inputSlot.accumulate(from: tensors) { try backward($0, $1) }
        } else {
          try backward(nil, false)
        }
      }
      return loss
    }
  }
}

/// The head over a few loss rows of every sequence at a time.
private struct ChunkedHead {
  let tape: Tape
  let vocab: Int
  /// Sequence by sequence.
  private let labels: [Int32]
  private let batch: Axis
  /// The positions of all loss rows.
  private let rows: Range<Int>
  private let rowsAtATime: Int
  /// Loss rows that the mean is over.
  let count: Int

  init(
    tape: Tape, vocab: Int, labels: [Int32], batch: Axis, rows: Range<Int>, rowsAtATime: Int,
    total: Int?
  ) {
    self.tape = tape
    self.vocab = vocab
    self.labels = labels
    self.batch = batch
    self.rows = rows
    self.rowsAtATime = rowsAtATime
    count = total ?? batch.extent * rows.count
  }

  /// The positions of each chunk.
  var chunks: [Range<Int>] {
    stride(from: rows.lowerBound, to: rows.upperBound, by: rowsAtATime).map {
      $0..<min($0 + rowsAtATime, rows.upperBound)
    }
  }

  /// The labels of one chunk, sequence by sequence.
  func labels(at positions: Range<Int>) -> [Int32] {
    let first = positions.lowerBound - rows.lowerBound
    return stride(from: first, to: labels.count, by: rows.count).flatMap {
      labels[$0..<$0 + positions.count]
    }
  }

  /// The logits of one chunk, `[batch, tokens, vocab]` float32.
  func logits(_ x: Tensor, _ weight: Tensor, at positions: Range<Int>) throws -> Tensor {
    let logits = try tape.tensors.make(
      "logits", .logits, Shape(batch, .tokens(positions), .plain(vocab)))
    try tape.multiplyRows(x.at(rows: positions), weight.transposed(0, 1), into: logits)
    return logits
  }

  /// Adds the weight's gradient to its parameter's, and writes or adds that of `x` to `dx`.
  func backward(
    _ x: Tensor, _ values: Tensor, of weight: Weight, logSumExp: Tensor, to dx: Tensor?,
    accumulates: Bool
  ) throws {
    for rows in chunks {
      var gradient = try logits(x, values, at: rows)
      tape.kernels?.crossEntropyBackward(
        gradient, labels: labels(at: rows), logSumExp: logSumExp.at(rows: rows), rows: count)
      if gradient.dtype != values.dtype {
        gradient = try tape.converted(gradient, .logits, to: values.dtype)
      }
      try tape.backward(
        gradient, x: weight.gradient == nil ? nil : x.at(rows: rows), of: weight, values: values,
        to: dx.map { GradientSink($0.at(rows: rows), accumulates: accumulates) })
    }
  }
}
