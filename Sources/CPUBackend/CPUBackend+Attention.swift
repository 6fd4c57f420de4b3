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
    }
  }

  package func causalSoftmax(_ scores: Tensor, scale: Float) {
    let softmax = CausalSoftmax(scores)
    switch scores.dtype {
    case .float32: softmax.forward(Rows<Float>(scores), scale: scale)
    case .bfloat16: softmax.forward(Rows<BFloat16>(scores), scale: scale)
    }
  }

  /// `dS = scale · P · (dP − Σ_keys P · dP)`; any two dtypes.
  package func causalSoftmaxBackward(_ gradient: Tensor, probabilities: Tensor, scale: Float) {
    requireEqualExtents(gradient, probabilities)
    let softmax = CausalSoftmax(gradient)
    func run<G: KernelElement, P: KernelElement>(_: G.Type, _: P.Type) {
      softmax.backward(
        Rows<G>(gradient), probabilities: Rows<P>(probabilities), scale: scale)
    }
    switch (gradient.dtype, probabilities.dtype) {
    case (.float32, .float32): run(Float.self, Float.self)
    case (.float32, .bfloat16): run(Float.self, BFloat16.self)
    case (.bfloat16, .float32): run(BFloat16.self, Float.self)
    case (.bfloat16, .bfloat16): run(BFloat16.self, BFloat16.self)
    }
  }
}
