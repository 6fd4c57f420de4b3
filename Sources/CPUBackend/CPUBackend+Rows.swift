package import Tensors

extension CPUBackend {
  // MARK: Embedding

  /// `y[b, t, :] = table[ids[b · stride + t], :]`; any two dtypes.
  package func gatherRows(of table: Tensor, ids: [Int32], idStride: Int, to y: Tensor) {
    let ids = tableRows(table, ids, idStride, y, skipsNegative: false)
    func run<T: NumberElement, Y: NumberElement>(_ table: Rows<T>, _ y: Rows<Y>) {
      Embedding.gather(table, ids, to: y)
    }
    dispatch(table, y, run, run, run, run)
  }

  /// `table[ids[b · stride + t], :] += dy[b, t, :]`; any two dtypes.
  package func scatterAddRows(_ dy: Tensor, ids: [Int32], idStride: Int, to table: Tensor) {
    let ids = tableRows(table, ids, idStride, dy, skipsNegative: true)
    func run<D: NumberElement, T: NumberElement>(_ dy: Rows<D>, _ table: Rows<T>) {
      Embedding.scatterAdd(dy, ids, to: table)
    }
    dispatch(dy, table, run, run, run, run)
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
    func run<E: NumberElement, W: NumberElement>(_ x: Rows<E>, _ weight: Rows<W>) {
      Normalization.rmsNorm(
        x, weight: weight, epsilon: epsilon, to: Rows(y), rstd: Rows(cells: rstd))
    }
    dispatch(x, weight, run, run, run, run)
  }

  /// The gradients of `rmsNorm`; `weight` of any dtype. `dx` may be `dy` itself.
  package func rmsNormBackward(
    _ dy: Tensor, x: Tensor, rstd: Tensor, weight: Tensor, to dx: Tensor?, accumulates: Bool,
    partials: Tensor?
  ) {
    normBackward(dy, x, nil, rstd, weight, to: dx, accumulates, partials)
  }

  private func normBackward(
    _ dy: Tensor, _ x: Tensor, _ mean: Tensor?, _ rstd: Tensor, _ weight: Tensor,
    to dx: Tensor?, _ accumulates: Bool, _ partials: Tensor?
  ) {
    requireEqualExtents(x, dy)
    if let dx { requireEqualExtents(x, dx) }
    requireWidth(of: x, weight: weight)
    requireCells(of: x, rstd)
    func run<E: NumberElement, W: NumberElement>(_ x: Rows<E>, _ weight: Rows<W>) {
      Normalization.backward(
        Rows(dy), x: x, mean: mean.map { Rows(cells: $0) }, rstd: Rows(cells: rstd), weight: weight,
        to: dx.map { Rows($0) }, accumulates: accumulates,
        partials: partials.map { partialRows($0, of: x) })
    }
    dispatch(x, weight, run, run, run, run)
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
    func run<E: NumberElement, W: NumberElement>(_ x: Rows<E>, _ weight: Rows<W>) {
      Normalization.layerNorm(
        x, weight: weight, bias: Rows(bias), epsilon: epsilon, to: Rows(y),
        mean: Rows(cells: mean), rstd: Rows(cells: rstd))
    }
    dispatch(x, weight, run, run, run, run)
  }

  /// The gradients of `layerNorm`; `weight` of any dtype. `dx` may be `dy` itself.
  package func layerNormBackward(
    _ dy: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor, to dx: Tensor?,
    accumulates: Bool, partials: Tensor?
  ) {
    requireCells(of: x, mean)
    normBackward(dy, x, mean, rstd, weight, to: dx, accumulates, partials)
  }

  /// `y[…, j] += bias[j]`; any two dtypes.
  package func addBias(_ bias: Tensor, to y: Tensor) {
    requireWidth(of: y, weight: bias)
    func run<B: NumberElement, Y: NumberElement>(_ bias: Rows<B>, _ y: Rows<Y>) {
      Elementwise.add(bias, to: y)
    }
    dispatch(bias, y, run, run, run, run)
  }

  package func partialSums(_ x: Tensor, to partials: Tensor) {
    func run<E: NumberElement>(_ x: Rows<E>) {
      Normalization.partialSums(x, to: partialRows(partials, of: x))
    }
    dispatch(x, run, run)
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
    func run<X: NumberElement, Y: NumberElement>(_ x: Rows<X>, _ y: Rows<Y>) {
      Normalization.sumRows(x, to: y, accumulates: accumulates)
    }
    dispatch(x, y, run, run, run, run)
  }

  // MARK: Loss

  package func crossEntropy(
    _ logits: Tensor, labels: [Int32], logSumExp: Tensor
  ) -> Double {
    requireLabels(labels, logits, logSumExp)
    let statistics = Rows<Float>(cells: logSumExp)
    func run<E: NumberElement>(_ logits: Rows<E>) -> Double {
      CrossEntropy.logSumExp(logits, to: statistics)
      return CrossEntropy.totalLoss(logits, labels: labels, logSumExp: statistics)
    }
    return dispatch(logits, run, run)
  }

  package func crossEntropyBackward(
    _ logits: Tensor, labels: [Int32], logSumExp: Tensor, rows: Int
  ) {
    requireLabels(labels, logits, logSumExp)
    func run<E: NumberElement>(_ logits: Rows<E>) {
      CrossEntropy.backward(
        logits, labels: labels, logSumExp: Rows(cells: logSumExp), rows: Float(rows))
    }
    dispatch(logits, run, run)
  }

  private func requireLabels(_ labels: [Int32], _ logits: Tensor, _ logSumExp: Tensor) {
    precondition(logits.shape.rank == 3, "logits are [batch, rows, vocab]")
    requireCells(of: logits, logSumExp)
    precondition(labels.count == logits.extent(0) * logits.extent(1), "one label a row")
    let vocab = logits.extent(2)
    precondition(labels.allSatisfy { $0 >= -1 && $0 < vocab }, "a label is outside the vocabulary")
  }
}
