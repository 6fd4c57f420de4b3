package import Tensors

extension CPUBackend {
  // MARK: Embedding

  /// `y[b, t, :] = table[ids[b · stride + t], :]`; any two dtypes.
  package func gatherRows(of table: Tensor, ids: [Int32], idStride: Int, to y: Tensor) {
    let rows = tableRows(table, ids, idStride, y, skipsNegative: false)
    switch (table.dtype, y.dtype) {
    case (.float32, .float32):
      Embedding.gather(Rows<Float>(table), rows, to: Rows<Float>(y))
    case (.float32, .bfloat16):
      Embedding.gather(Rows<Float>(table), rows, to: Rows<BFloat16>(y))
    case (.bfloat16, .float32):
      Embedding.gather(Rows<BFloat16>(table), rows, to: Rows<Float>(y))
    case (.bfloat16, .bfloat16):
      Embedding.gather(Rows<BFloat16>(table), rows, to: Rows<BFloat16>(y))
    default: refuseMask()
    }
  }

  /// `table[ids[b · stride + t], :] += dy[b, t, :]`; any two dtypes.
  package func scatterAddRows(_ dy: Tensor, ids: [Int32], idStride: Int, to table: Tensor) {
    let rows = tableRows(table, ids, idStride, dy, skipsNegative: true)
    switch (dy.dtype, table.dtype) {
    case (.float32, .float32):
      Embedding.scatterAdd(Rows<Float>(dy), rows, to: Rows<Float>(table))
    case (.float32, .bfloat16):
      Embedding.scatterAdd(Rows<Float>(dy), rows, to: Rows<BFloat16>(table))
    case (.bfloat16, .float32):
      Embedding.scatterAdd(Rows<BFloat16>(dy), rows, to: Rows<Float>(table))
    case (.bfloat16, .bfloat16):
      Embedding.scatterAdd(Rows<BFloat16>(dy), rows, to: Rows<BFloat16>(table))
    default: refuseMask()
    }
  }

  private func tableRows(
    _ table: Tensor, _ ids: [Int32], _ stride: Int, _ y: Tensor, skipsNegative: Bool
  ) -> TableRows {
    precondition(table.shape.rank == 2, "a table is [vocab, width]")
    precondition(table.extent(1) == y.extent(y.shape.rank - 1), "widths of table and rows differ")
    return TableRows(
      ids: ids, stride: stride, of: y, tableRows: table.extent(0), skipsNegative: skipsNegative)
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
    default: refuseMask()
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
      let rows = Rows<E>(x)
      let sums = partials.map { partialRows($0, of: rows) }
      Normalization.rmsNormBackward(
        Rows<E>(dy), x: rows, rstd: Rows(cells: rstd), weight: Rows<W>(weight),
        to: dx.map { Rows<E>($0) }, accumulates: accumulates, partials: sums)
    }
    switch (x.dtype, weight.dtype) {
    case (.float32, .float32): run(Float.self, Float.self)
    case (.float32, .bfloat16): run(Float.self, BFloat16.self)
    case (.bfloat16, .float32): run(BFloat16.self, Float.self)
    case (.bfloat16, .bfloat16): run(BFloat16.self, BFloat16.self)
    default: refuseMask()
    }
  }

  /// `y = (x − mean) · rstd · weight + bias`; `weight` and `bias` of any dtype. `y` may be `x`.
  package func layerNorm(
    _ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Float, to y: Tensor, mean: Tensor,
    rstd: Tensor
  ) {
    requireEqualExtents(x, y)
    requireWidth(of: x, weight: weight)
    requireWidth(of: x, weight: bias)
    requireCells(of: x, mean)
    requireCells(of: x, rstd)
    func run<E: KernelElement, W: KernelElement>(_: E.Type, _: W.Type) {
      LayerNormalization.forward(
        Rows<E>(x), weight: Rows<W>(weight), bias: Rows<W>(bias), epsilon: epsilon,
        to: Rows<E>(y), mean: Rows(cells: mean), rstd: Rows(cells: rstd))
    }
    switch (x.dtype, weight.dtype) {
    case (.float32, .float32): run(Float.self, Float.self)
    case (.float32, .bfloat16): run(Float.self, BFloat16.self)
    case (.bfloat16, .float32): run(BFloat16.self, Float.self)
    case (.bfloat16, .bfloat16): run(BFloat16.self, BFloat16.self)
    default: refuseMask()
    }
  }

  /// The gradients of `layerNorm`; `weight` of any dtype. `dx` may be `dy` itself.
  package func layerNormBackward(
    _ dy: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor, to dx: Tensor?,
    accumulates: Bool, partials: Tensor?
  ) {
    requireEqualExtents(x, dy)
    if let dx { requireEqualExtents(x, dx) }
    requireWidth(of: x, weight: weight)
    requireCells(of: x, mean)
    requireCells(of: x, rstd)
    func run<E: KernelElement, W: KernelElement>(_: E.Type, _: W.Type) {
      let rows = Rows<E>(x)
      LayerNormalization.backward(
        Rows<E>(dy), x: rows, mean: Rows(cells: mean), rstd: Rows(cells: rstd),
        weight: Rows<W>(weight), to: dx.map { Rows<E>($0) }, accumulates: accumulates,
        partials: partials.map { partialRows($0, of: rows) })
    }
    switch (x.dtype, weight.dtype) {
    case (.float32, .float32): run(Float.self, Float.self)
    case (.float32, .bfloat16): run(Float.self, BFloat16.self)
    case (.bfloat16, .float32): run(BFloat16.self, Float.self)
    case (.bfloat16, .bfloat16): run(BFloat16.self, BFloat16.self)
    default: refuseMask()
    }
  }

  /// `y[…, j] += bias[j]`; any two dtypes.
  package func addBias(_ bias: Tensor, to y: Tensor) {
    requireWidth(of: y, weight: bias)
    switch (bias.dtype, y.dtype) {
    case (.float32, .float32): Elementwise.addBias(Rows<Float>(bias), to: Rows<Float>(y))
    case (.float32, .bfloat16): Elementwise.addBias(Rows<Float>(bias), to: Rows<BFloat16>(y))
    case (.bfloat16, .float32): Elementwise.addBias(Rows<BFloat16>(bias), to: Rows<Float>(y))
    case (.bfloat16, .bfloat16):
      Elementwise.addBias(Rows<BFloat16>(bias), to: Rows<BFloat16>(y))
    default: refuseMask()
    }
  }

  package func partialSums(_ x: Tensor, to partials: Tensor) {
    func run<E: KernelElement>(_: E.Type) {
      let rows = Rows<E>(x)
      Normalization.partialSums(rows, to: partialRows(partials, of: rows))
    }
    switch x.dtype {
    case .float32: run(Float.self)
    case .bfloat16: run(BFloat16.self)
    case .uint8: refuseMask()
    }
  }

  /// Checks that `partials` has one row for each row block of `rows`.
  private func partialRows<E: KernelElement>(_ partials: Tensor, of rows: Rows<E>) -> Rows<Float> {
    let sums = Rows<Float>(partials)
    precondition(
      sums.count == RowBlock.count(for: rows.count) && sums.width == rows.width,
      "partial sums are [⌈rows / \(RowBlock.size)⌉, width]")
    return sums
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
    default: refuseMask()
    }
  }

  // MARK: Loss

  package func crossEntropy(
    _ logits: Tensor, labels: [Int32], logSumExp: Tensor
  ) -> Double {
    requireLabels(labels, logits, logSumExp)
    func run<E: KernelElement>(_: E.Type) -> Double {
      let (logits, statistics) = (Rows<E>(logits), Rows<Float>(cells: logSumExp))
      CrossEntropy.logSumExp(logits, to: statistics)
      return CrossEntropy.totalLoss(logits, labels: labels, logSumExp: statistics)
    }
    return switch logits.dtype {
    case .float32: run(Float.self)
    case .bfloat16: run(BFloat16.self)
    case .uint8: refuseMask()
    }
  }

  package func crossEntropyBackward(
    _ logits: Tensor, labels: [Int32], logSumExp: Tensor, rows: Int
  ) {
    requireLabels(labels, logits, logSumExp)
    let statistics = Rows<Float>(cells: logSumExp)
    switch logits.dtype {
    case .float32:
      CrossEntropy.backward(
        Rows<Float>(logits), labels: labels, logSumExp: statistics, rows: Float(rows))
    case .bfloat16:
      CrossEntropy.backward(
        Rows<BFloat16>(logits), labels: labels, logSumExp: statistics, rows: Float(rows))
    case .uint8: refuseMask()
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
