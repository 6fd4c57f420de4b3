package import Tensors

extension CPUBackend {
  package func fill(_ tensor: Tensor, with value: Float) {
    switch tensor.dtype {
    case .float32: Elementwise.fill(Rows<Float>(tensor), with: value)
    case .bfloat16: Elementwise.fill(Rows<BFloat16>(tensor), with: value)
    }
  }

  package func write(_ values: [Float], to tensor: Tensor) {
    switch tensor.dtype {
    case .float32: Transfer.write(values, to: Rows<Float>(tensor))
    case .bfloat16: Transfer.write(values, to: Rows<BFloat16>(tensor))
    }
  }

  package func read(_ tensor: Tensor) -> [Float] {
    switch tensor.dtype {
    case .float32: Transfer.read(Rows<Float>(tensor))
    case .bfloat16: Transfer.read(Rows<BFloat16>(tensor))
    }
  }

  /// `y = x`; any two dtypes.
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
    }
  }

  package func swiGLU(gate: Tensor, up: Tensor, to y: Tensor) {
    requireEqualExtents(y, gate, up)
    switch y.dtype {
    case .float32: swiGLU(Float.self, gate, up, y)
    case .bfloat16: swiGLU(BFloat16.self, gate, up, y)
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

/// The rows of a tensor, or all of it as one where every tensor of the op is contiguous.
private func rows<E: KernelElement>(_: E.Type, _ tensor: Tensor, _ isFlat: Bool) -> Rows<E> {
  isFlat ? Rows(flat: tensor) : Rows(tensor)
}
