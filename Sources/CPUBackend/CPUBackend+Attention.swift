package import Tensors

extension CPUBackend {
  package func rotate(_ x: Tensor, frequencies: [Float], inverse: Bool) {
    precondition(x.shape.rank == 4, "heads are [batch, tokens, heads, d_head]")
    precondition(2 * frequencies.count == x.extent(3), "one frequency for each pair of a head")
    func run<E: KernelElement>(_: E.Type) {
      Rotation.rotate(
        Rows<E>(x), batch: x.extent(0), tokens: x.extent(1), heads: x.extent(2),
        start: x.shape[1].start, frequencies: frequencies, inverse: inverse)
    }
    switch x.dtype {
    case .float32: run(Float.self)
    case .bfloat16: run(BFloat16.self)
    case .uint8: refuseMask()
    }
  }

  package func causalSoftmax(
    _ scores: Tensor, scale: Float, window: Int?, logSumExp: Tensor?
  ) {
    let softmax = CausalSoftmax(scores, window: window)
    let sums = rowStatistic(logSumExp, of: scores)
    switch scores.dtype {
    case .float32: softmax.forward(Rows<Float>(scores), scale: scale, logSumExp: sums)
    case .bfloat16: softmax.forward(Rows<BFloat16>(scores), scale: scale, logSumExp: sums)
    case .uint8: refuseMask()
    }
  }

  package func causalProbabilities(
    _ scores: Tensor, scale: Float, window: Int?, logSumExp: Tensor
  ) {
    guard let sums = rowStatistic(logSumExp, of: scores) else { return }
    let softmax = CausalSoftmax(scores, window: window)
    switch scores.dtype {
    case .float32: softmax.again(Rows<Float>(scores), scale: scale, logSumExp: sums)
    case .bfloat16: softmax.again(Rows<BFloat16>(scores), scale: scale, logSumExp: sums)
    case .uint8: refuseMask()
    }
  }

  /// `dS = scale · P · (dP − D)`; any two dtypes.
  ///
  /// A key outside the window has `P = 0` and so `dS = 0`, given that its `dP` is finite.
  package func causalSoftmaxBackward(
    _ gradient: Tensor, probabilities: Tensor, scale: Float, rowDots: Tensor?
  ) {
    requireEqualExtents(gradient, probabilities)
    let softmax = CausalSoftmax(gradient, window: nil)
    let dots = rowStatistic(rowDots, of: gradient)
    func run<G: KernelElement, P: KernelElement>(_: G.Type, _: P.Type) {
      softmax.backward(
        Rows<G>(gradient), probabilities: Rows<P>(probabilities), scale: scale, rowDots: dots)
    }
    switch (gradient.dtype, probabilities.dtype) {
    case (.float32, .float32): run(Float.self, Float.self)
    case (.float32, .bfloat16): run(Float.self, BFloat16.self)
    case (.bfloat16, .float32): run(BFloat16.self, Float.self)
    case (.bfloat16, .bfloat16): run(BFloat16.self, BFloat16.self)
    default: refuseMask()
    }
  }

  package func headDots(_ x: Tensor, _ y: Tensor, to dots: Tensor) {
    precondition(x.shape.rank == 4, "heads are [batch, tokens, heads, d_head]")
    requireEqualExtents(x, y)
    let heads = dots.transposed(1, 2)  // [batch, tokens, heads]
    for axis in 0..<3 {
      precondition(heads.extent(axis) == x.extent(axis), "dots are [batch, heads, tokens]")
    }
    switch x.dtype {
    case .float32: rowDots(Rows<Float>(x), Rows<Float>(y), to: Rows<Float>(cells: heads))
    case .bfloat16: rowDots(Rows<BFloat16>(x), Rows<BFloat16>(y), to: Rows<Float>(cells: heads))
    case .uint8: refuseMask()
    }
  }

  /// One float32 for each row of `scores`, `[batch, heads, tokens]`.
  private func rowStatistic(_ cells: Tensor?, of scores: Tensor) -> Rows<Float>? {
    guard let cells else { return nil }
    for axis in 0..<3 {
      precondition(cells.extent(axis) == scores.extent(axis), "a statistic has one entry a row")
    }
    return Rows<Float>(cells: cells)
  }
}
