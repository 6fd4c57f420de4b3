package import Tensors

extension CPUBackend {
  package func fill(_ tensor: Tensor, with value: Float) {
    switch tensor.dtype {
    case .float32: Elementwise.fill(Rows<Float>(tensor), with: value)
    case .bfloat16: Elementwise.fill(Rows<BFloat16>(tensor), with: value)
    case .uint8: Elementwise.fill(Rows<UInt8>(tensor), with: value)
    }
  }

  package func write(_ values: [Float], to tensor: Tensor) {
    switch tensor.dtype {
    case .float32: Transfer.write(values, to: Rows<Float>(tensor))
    case .bfloat16: Transfer.write(values, to: Rows<BFloat16>(tensor))
    case .uint8: Transfer.write(values, to: Rows<UInt8>(tensor))
    }
  }

  package func read(_ tensor: Tensor) -> [Float] {
    switch tensor.dtype {
    case .float32: Transfer.read(Rows<Float>(tensor))
    case .bfloat16: Transfer.read(Rows<BFloat16>(tensor))
    case .uint8: Transfer.read(Rows<UInt8>(tensor))
    }
  }

  package func isFinite(_ tensor: Tensor) -> Bool {
    switch tensor.dtype {
    case .float32: Transfer.isFinite(Rows<Float>(tensor))
    case .bfloat16: Transfer.isFinite(Rows<BFloat16>(tensor))
    case .uint8: true
    }
  }

  /// `y = x`; any two dtypes of numbers, or two masks.
  package func copy(_ x: Tensor, to y: Tensor) {
    requireEqualExtents(x, y)
    let isFlat = x.isContiguous && y.isContiguous
    switch (x.dtype, y.dtype) {
    case (.float32, .float32):
      Elementwise.copy(rows(Float.self, x, isFlat), to: rows(Float.self, y, isFlat))
    case (.float32, .bfloat16):
      Elementwise.copy(rows(Float.self, x, isFlat), to: rows(BFloat16.self, y, isFlat))
    case (.bfloat16, .float32):
      Elementwise.copy(rows(BFloat16.self, x, isFlat), to: rows(Float.self, y, isFlat))
    case (.bfloat16, .bfloat16):
      Elementwise.copy(rows(BFloat16.self, x, isFlat), to: rows(BFloat16.self, y, isFlat))
    case (.uint8, .uint8):
      Elementwise.copy(rows(UInt8.self, x, isFlat), to: rows(UInt8.self, y, isFlat))
    default: refuseMask()
    }
  }

  /// `y += x`; any two dtypes.
  package func add(_ x: Tensor, to y: Tensor) {
    requireEqualExtents(x, y)
    let isFlat = x.isContiguous && y.isContiguous
    switch (x.dtype, y.dtype) {
    case (.float32, .float32):
      Elementwise.add(rows(Float.self, x, isFlat), to: rows(Float.self, y, isFlat))
    case (.float32, .bfloat16):
      Elementwise.add(rows(Float.self, x, isFlat), to: rows(BFloat16.self, y, isFlat))
    case (.bfloat16, .float32):
      Elementwise.add(rows(BFloat16.self, x, isFlat), to: rows(Float.self, y, isFlat))
    case (.bfloat16, .bfloat16):
      Elementwise.add(rows(BFloat16.self, x, isFlat), to: rows(BFloat16.self, y, isFlat))
    default: refuseMask()
    }
  }

  package func swiGLU(gate: Tensor, up: Tensor, to y: Tensor) {
    requireEqualExtents(y, gate, up)
    switch y.dtype {
    case .float32: swiGLU(Float.self, gate, up, y)
    case .bfloat16: swiGLU(BFloat16.self, gate, up, y)
    case .uint8: refuseMask()
    }
  }

  private func swiGLU<E: KernelElement>(_: E.Type, _ gate: Tensor, _ up: Tensor, _ y: Tensor) {
    let isFlat = gate.isContiguous && up.isContiguous && y.isContiguous
    Elementwise.swiGLU(
      gate: rows(E.self, gate, isFlat), up: rows(E.self, up, isFlat), to: rows(E.self, y, isFlat))
  }

  package func swiGLUBackward(
    _ dy: Tensor, gate: Tensor, up: Tensor, dgate: Tensor, dup: Tensor
  ) {
    requireEqualExtents(dy, gate, up, dgate, dup)
    switch dy.dtype {
    case .float32: swiGLUBackward(Float.self, dy, gate, up, dgate, dup)
    case .bfloat16: swiGLUBackward(BFloat16.self, dy, gate, up, dgate, dup)
    case .uint8: refuseMask()
    }
  }

  private func swiGLUBackward<E: KernelElement>(
    _: E.Type, _ dy: Tensor, _ gate: Tensor, _ up: Tensor, _ dgate: Tensor, _ dup: Tensor
  ) {
    let isFlat = [dy, gate, up, dgate, dup].allSatisfy(\.isContiguous)
    Elementwise.swiGLUBackward(
      rows(E.self, dy, isFlat), gate: rows(E.self, gate, isFlat), up: rows(E.self, up, isFlat),
      dgate: rows(E.self, dgate, isFlat), dup: rows(E.self, dup, isFlat))
  }
}

extension CPUBackend {
  // MARK: GELU

  package func gelu(_ x: Tensor, form: GELU, to y: Tensor) {
    requireEqualExtents(x, y)
    func run<E: KernelElement>(_: E.Type) {
      let isFlat = x.isContiguous && y.isContiguous
      let (x, y) = (rows(E.self, x, isFlat), rows(E.self, y, isFlat))
      switch form {
      case .exact: GELUKernel.exact(x, to: y)
      case .tanh: GELUKernel.tanh(x, to: y)
      }
    }
    switch x.dtype {
    case .float32: run(Float.self)
    case .bfloat16: run(BFloat16.self)
    case .uint8: refuseMask()
    }
  }

  package func geluBackward(_ dy: Tensor, x: Tensor, form: GELU, to dx: Tensor) {
    requireEqualExtents(x, dy, dx)
    func run<E: KernelElement>(_: E.Type) {
      let isFlat = x.isContiguous && dy.isContiguous && dx.isContiguous
      let (dy, x) = (rows(E.self, dy, isFlat), rows(E.self, x, isFlat))
      let dx = rows(E.self, dx, isFlat)
      switch form {
      case .exact: GELUKernel.exactBackward(dy, x: x, to: dx)
      case .tanh: GELUKernel.tanhBackward(dy, x: x, to: dx)
      }
    }
    switch x.dtype {
    case .float32: run(Float.self)
    case .bfloat16: run(BFloat16.self)
    case .uint8: refuseMask()
    }
  }

  // MARK: Dropout

  package func dropout(_ x: Tensor, _ dropout: Dropout, to y: Tensor, mask: Tensor?) {
    requireEqualExtents(x, y)
    if let mask { requireEqualExtents(x, mask) }
    let masking = Masking(dropout, of: x)
    let maskRows = mask.map { Rows<UInt8>($0) }
    switch x.dtype {
    case .float32: masking.apply(Rows<Float>(x), to: Rows<Float>(y), mask: maskRows)
    case .bfloat16: masking.apply(Rows<BFloat16>(x), to: Rows<BFloat16>(y), mask: maskRows)
    case .uint8: refuseMask()
    }
  }

  /// `y = x · scale` where `mask` is not 0, else 0, even where `x` is not finite.
  package func applyMask(_ mask: Tensor, scale: Float, to x: Tensor, into y: Tensor) {
    requireEqualExtents(x, mask, y)
    func run<E: KernelElement>(_: E.Type) {
      let isFlat = x.isContiguous && mask.isContiguous && y.isContiguous
      Masking.apply(
        rows(UInt8.self, mask, isFlat), scale: scale, to: rows(E.self, x, isFlat),
        into: rows(E.self, y, isFlat))
    }
    switch x.dtype {
    case .float32: run(Float.self)
    case .bfloat16: run(BFloat16.self)
    case .uint8: refuseMask()
    }
  }
}

/// The rows of a tensor, or all of it as one where every tensor of the op is contiguous.
private func rows<E: KernelElement>(_: E.Type, _ tensor: Tensor, _ isFlat: Bool) -> Rows<E> {
  isFlat ? Rows(flat: tensor) : Rows(tensor)
}
