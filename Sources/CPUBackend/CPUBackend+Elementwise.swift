package import Tensors

extension CPUBackend {
  package func fill(_ tensor: Tensor, with value: Float) {
    func run<E: KernelElement>(_ y: Rows<E>) { Elementwise.fill(y, with: value) }
    dispatch(tensor, run, run, run)
  }

  package func draw(_ tensor: Tensor, from random: CounterRandom, deviation: Float) {
    func run<E: NumberElement>(_ y: Rows<E>) {
      Elementwise.draw(y, from: random, deviation: deviation)
    }
    dispatch(tensor, flat: areFlat(tensor), run, run)
  }

  package func write(_ values: [Float], to tensor: Tensor) {
    func run<E: KernelElement>(_ y: Rows<E>) { Transfer.write(values, to: y) }
    dispatch(tensor, run, run, run)
  }

  package func read(_ tensor: Tensor) -> [Float] {
    dispatch(tensor, Transfer.read, Transfer.read, Transfer.read)
  }

  package func isFinite(_ tensor: Tensor) -> Bool {
    dispatch(tensor, Transfer.isFinite, Transfer.isFinite) { _ in true }
  }

  /// `y = x`; any two dtypes of numbers, or two masks.
  package func copy(_ x: Tensor, to y: Tensor) {
    requireEqualExtents(x, y)
    let isFlat = areFlat(x, y)
    func run<X: NumberElement, Y: NumberElement>(_ x: Rows<X>, _ y: Rows<Y>) {
      Elementwise.copy(x, to: y)
    }
    if x.dtype == .uint8 {
      return Elementwise.move(Rows<UInt8>(x, isFlat), to: Rows<UInt8>(y, isFlat))
    }
    dispatch(x, y, flat: isFlat, run, run, run, run)
  }

  /// `y += x`; any two dtypes.
  package func add(_ x: Tensor, to y: Tensor) {
    requireEqualExtents(x, y)
    let isFlat = areFlat(x, y)
    func run<X: NumberElement, Y: NumberElement>(_ x: Rows<X>, _ y: Rows<Y>) {
      Elementwise.add(x, to: y)
    }
    dispatch(x, y, flat: isFlat, run, run, run, run)
  }

  package func scale(_ x: Tensor, by factor: Float) {
    let isFlat = areFlat(x)
    func run<E: KernelElement>(_ x: Rows<E>) { Elementwise.scale(x, by: factor) }
    dispatch(x, flat: isFlat, run, run)
  }

  package func swiGLU(gate: Tensor, up: Tensor, to y: Tensor) {
    requireEqualExtents(y, gate, up)
    let isFlat = areFlat(y, gate, up)
    func run<E: NumberElement>(_ y: Rows<E>) {
      Elementwise.swiGLU(gate: Rows(gate, isFlat), up: Rows(up, isFlat), to: y)
    }
    dispatch(y, flat: isFlat, run, run)
  }

  package func swiGLUBackward(
    _ dy: Tensor, gate: Tensor, up: Tensor, dgate: Tensor, dup: Tensor
  ) {
    requireEqualExtents(dy, gate, up, dgate, dup)
    let isFlat = areFlat(dy, gate, up, dgate, dup)
    func run<E: NumberElement>(_ dy: Rows<E>) {
      Elementwise.swiGLUBackward(
        dy, gate: Rows(gate, isFlat), up: Rows(up, isFlat), dgate: Rows(dgate, isFlat),
        dup: Rows(dup, isFlat))
    }
    dispatch(dy, flat: isFlat, run, run)
  }

  package func gelu(_ x: Tensor, form: GELU, to y: Tensor) {
    requireEqualExtents(x, y)
    let isFlat = areFlat(x, y)
    func run<E: NumberElement>(_ x: Rows<E>) { Elementwise.gelu(x, form, to: Rows(y, isFlat)) }
    dispatch(x, flat: isFlat, run, run)
  }

  package func geluBackward(_ dy: Tensor, x: Tensor, form: GELU, to dx: Tensor) {
    requireEqualExtents(x, dy, dx)
    let isFlat = areFlat(x, dy, dx)
    func run<E: NumberElement>(_ x: Rows<E>) {
      Elementwise.geluBackward(Rows(dy, isFlat), x: x, form, to: Rows(dx, isFlat))
    }
    dispatch(x, flat: isFlat, run, run)
  }

  package func dropout(_ x: Tensor, _ dropout: Dropout, to y: Tensor, mask: Tensor?) {
    requireEqualExtents(x, y)
    if let mask { requireEqualExtents(x, mask) }
    let masking = Masking(dropout, of: x)
    func run<E: NumberElement>(_ x: Rows<E>) {
      masking.apply(x, to: Rows(y), mask: mask.map { Rows($0) })
    }
    dispatch(x, run, run)
  }

  /// `y = x · scale` where `mask` is not 0, else 0, even where `x` is not finite.
  package func applyMask(_ mask: Tensor, scale: Float, to x: Tensor, into y: Tensor) {
    requireEqualExtents(x, mask, y)
    let isFlat = areFlat(x, mask, y)
    func run<E: NumberElement>(_ x: Rows<E>) {
      Masking.apply(Rows(mask, isFlat), scale: scale, to: x, into: Rows(y, isFlat))
    }
    dispatch(x, flat: isFlat, run, run)
  }
}
