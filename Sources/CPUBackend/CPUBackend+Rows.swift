package import Tensors

extension CPUBackend {
  // MARK: Embedding

  /// `y[b, t, :] = table[ids[b · stride + t], :]`; any two dtypes.
  package func gatherRows(of table: Tensor, ids: [Int32], idStride: Int, to y: Tensor) {
    let rows = tableRows(table, ids, idStride, y)
    switch (table.dtype, y.dtype) {
    case (.float32, .float32):
      Embedding.gather(Rows<Float>(table), rows, to: Rows<Float>(y))
    case (.float32, .bfloat16):
      Embedding.gather(Rows<Float>(table), rows, to: Rows<BFloat16>(y))
    case (.bfloat16, .float32):
      Embedding.gather(Rows<BFloat16>(table), rows, to: Rows<Float>(y))
    case (.bfloat16, .bfloat16):
      Embedding.gather(Rows<BFloat16>(table), rows, to: Rows<BFloat16>(y))
    }
  }

  /// `table[ids[b · stride + t], :] += dy[b, t, :]`; any two dtypes.
  package func scatterAddRows(_ dy: Tensor, ids: [Int32], idStride: Int, to table: Tensor) {
    let rows = tableRows(table, ids, idStride, dy)
    switch (dy.dtype, table.dtype) {
    case (.float32, .float32):
      Embedding.scatterAdd(Rows<Float>(dy), rows, to: Rows<Float>(table))
    case (.float32, .bfloat16):
      Embedding.scatterAdd(Rows<Float>(dy), rows, to: Rows<BFloat16>(table))
    case (.bfloat16, .float32):
      Embedding.scatterAdd(Rows<BFloat16>(dy), rows, to: Rows<Float>(table))
    case (.bfloat16, .bfloat16):
      Embedding.scatterAdd(Rows<BFloat16>(dy), rows, to: Rows<BFloat16>(table))
    }
  }

  private func tableRows(_ table: Tensor, _ ids: [Int32], _ stride: Int, _ y: Tensor) -> TableRows {
    precondition(table.shape.rank == 2, "a table is [vocab, width]")
    precondition(table.extent(1) == y.extent(y.shape.rank - 1), "widths of table and rows differ")
    return TableRows(ids: ids, stride: stride, of: y, tableRows: table.extent(0))
  }

  // MARK: Normalization

  /// `y = x · rstd · weight`; `weight` of any dtype.
  package func rmsNorm(
    _ x: Tensor, weight: Tensor, epsilon: Float, to y: Tensor, rstd: Tensor
  ) {
    requireEqualExtents(x, y)
    requireWidth(of: x, weight: weight)
    requireCells(of: x, rstd)
    func run<E: KernelElement, W: KernelElement>(_: E.Type, _: W.Type) {
      Normalization.rmsNorm(
        Rows<E>(x), weight: Rows<W>(weight), epsilon: epsilon, to: Rows<E>(y),
        rstd: Rows(cells: rstd))
    }
    switch (x.dtype, weight.dtype) {
    case (.float32, .float32): run(Float.self, Float.self)
    case (.float32, .bfloat16): run(Float.self, BFloat16.self)
    case (.bfloat16, .float32): run(BFloat16.self, Float.self)
    case (.bfloat16, .bfloat16): run(BFloat16.self, BFloat16.self)
    }
  }

  /// The gradients of `rmsNorm`; `weight` of any dtype. `dx` may be `dy` itself.
  package func rmsNormBackward(
    _ dy: Tensor, x: Tensor, rstd: Tensor, weight: Tensor, to dx: Tensor?, accumulates: Bool,
    partials: Tensor?
  ) {
    requireEqualExtents(x, dy)
    if let dx { requireEqualExtents(x, dx) }
    requireWidth(of: x, weight: weight)
    requireCells(of: x, rstd)
    func run<E: KernelElement, W: KernelElement>(_: E.Type, _: W.Type) {
      let sums = partials.map { Rows<Float>($0) }
      let rows = Rows<E>(x)
      if let sums {
        precondition(
          sums.count == RowBlock.count(for: rows.count) && sums.width == rows.width,
          "partial sums are [⌈rows / \(RowBlock.size)⌉, width]")
      }
      Normalization.rmsNormBackward(
        Rows<E>(dy), x: rows, rstd: Rows(cells: rstd), weight: Rows<W>(weight),
        to: dx.map { Rows<E>($0) }, accumulates: accumulates, partials: sums)
    }
    switch (x.dtype, weight.dtype) {
    case (.float32, .float32): run(Float.self, Float.self)
    case (.float32, .bfloat16): run(Float.self, BFloat16.self)
    case (.bfloat16, .float32): run(BFloat16.self, Float.self)
    case (.bfloat16, .bfloat16): run(BFloat16.self, BFloat16.self)
    }
  }

  private func requireWidth(of x: Tensor, weight: Tensor) {
    precondition(
      weight.shape.rank == 1 && weight.extent(0) == x.extent(x.shape.rank - 1),
      "the weight is not as wide as the rows")
  }

  /// Checks that `cells` has one entry for each row of `x`.
  private func requireCells(of x: Tensor, _ cells: Tensor) {
    precondition(cells.shape.rank == x.shape.rank - 1, "a statistic has one entry a row")
    for axis in 0..<cells.shape.rank {
      precondition(cells.extent(axis) == x.extent(axis), "a statistic has one entry a row")
    }
  }

  /// `y[j] = Σ_i x[i, j]`; any two dtypes, summed in float32.
  package func sumRows(_ x: Tensor, to y: Tensor, accumulates: Bool) {
    requireWidth(of: x, weight: y)
    switch (x.dtype, y.dtype) {
    case (.float32, .float32):
      Normalization.sumRows(Rows<Float>(x), to: Rows<Float>(y), accumulates: accumulates)
    case (.float32, .bfloat16):
      Normalization.sumRows(Rows<Float>(x), to: Rows<BFloat16>(y), accumulates: accumulates)
    case (.bfloat16, .float32):
      Normalization.sumRows(Rows<BFloat16>(x), to: Rows<Float>(y), accumulates: accumulates)
    case (.bfloat16, .bfloat16):
      Normalization.sumRows(Rows<BFloat16>(x), to: Rows<BFloat16>(y), accumulates: accumulates)
    }
  }

  // MARK: Loss

  package func crossEntropy(
    _ logits: Tensor, labels: [Int32], logSumExp: Tensor, loss: Tensor
  ) {
    requireLabels(labels, logits, logSumExp)
    precondition(loss.count == 1, "the loss is one number")
    func run<E: KernelElement>(_: E.Type) {
      let (logits, statistics) = (Rows<E>(logits), Rows<Float>(cells: logSumExp))
      CrossEntropy.logSumExp(logits, to: statistics)
      let mean = CrossEntropy.meanLoss(logits, labels: labels, logSumExp: statistics)
      Elementwise.fill(Rows<Float>(cells: loss), with: mean)
    }
    switch logits.dtype {
    case .float32: run(Float.self)
    case .bfloat16: run(BFloat16.self)
    }
  }

  package func crossEntropyBackward(_ logits: Tensor, labels: [Int32], logSumExp: Tensor) {
    requireLabels(labels, logits, logSumExp)
    let statistics = Rows<Float>(cells: logSumExp)
    switch logits.dtype {
    case .float32:
      CrossEntropy.backward(Rows<Float>(logits), labels: labels, logSumExp: statistics)
    case .bfloat16:
      CrossEntropy.backward(Rows<BFloat16>(logits), labels: labels, logSumExp: statistics)
    }
  }

  private func requireLabels(_ labels: [Int32], _ logits: Tensor, _ logSumExp: Tensor) {
    precondition(logits.shape.rank == 3, "logits are [batch, rows, vocab]")
    requireCells(of: logits, logSumExp)
    precondition(labels.count == logits.extent(0) * logits.extent(1), "one label a row")
    let vocab = logits.extent(2)
    precondition(labels.allSatisfy { $0 >= 0 && $0 < vocab }, "a label is outside the vocabulary")
  }
}
