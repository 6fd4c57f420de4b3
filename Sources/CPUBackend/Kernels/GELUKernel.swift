import Tensors

/// GELU in its two forms, and their derivatives; all shapes `[rows…, width]`.
///
/// Both forms are `x · s(x)` with an `s` between 0 and 1. Where `s` vanishes before float32 ends,
/// `x` is held at a bound, so that no infinity meets a 0.
enum GELUKernel {
  /// `y = x · Φ(x)`.
  static func exact<E: KernelElement>(_ x: Rows<E>, to y: Rows<E>) {
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      let (x, y) = unsafe (x[row], y[row])
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        let value = unsafe E.load(x + index, lanes)
        let lowest = Lanes(repeating: -Lanes.lastDeviation)
        let held = value.replacing(with: lowest, where: value .< lowest)
        let cumulative = value.clamped(to: Lanes.lastDeviation).gaussian.cumulative
        unsafe E.store(held * cumulative, to: y + index, lanes)
      }
      forEachStep(columns, step)
    }
  }

  /// `dx = dy · (Φ(x) + x · φ(x))`.
  static func exactBackward<E: KernelElement>(_ dy: Rows<E>, x: Rows<E>, to dx: Rows<E>) {
    forEachBlock(rows: dx.count, width: dx.width) { row, columns in
      let (dy, x, dx) = unsafe (dy[row], x[row], dx[row])
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        let value = unsafe E.load(x + index, lanes).clamped(to: Lanes.lastDeviation)
        let (cumulative, exponential) = value.gaussian
        let density = exponential * Lanes(repeating: 0.398_942_28)  // 1 / √(2π)
        let slope = cumulative + value * density
        unsafe E.store(E.load(dy + index, lanes) * slope, to: dx + index, lanes)
      }
      forEachStep(columns, step)
    }
  }

  /// `y = x · σ(2u)`, which is `x / 2 · (1 + tanh u)`, with `u = √(2/π) · (x + 0.044715 x³)`.
  static func tanh<E: KernelElement>(_ x: Rows<E>, to y: Rows<E>) {
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      let (x, y) = unsafe (x[row], y[row])
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        let value = unsafe Lanes(repeating: -bound).maximum(E.load(x + index, lanes))
        let u = value * (Lanes(repeating: a) + Lanes(repeating: b) * (value * value))
        unsafe E.store(value * u.sigmoid, to: y + index, lanes)
      }
      forEachStep(columns, step)
    }
  }

  /// `dx = dy · (σ + x · σ · (1 − σ) · 2u′)` with `σ = σ(2u)`.
  static func tanhBackward<E: KernelElement>(_ dy: Rows<E>, x: Rows<E>, to dx: Rows<E>) {
    forEachBlock(rows: dx.count, width: dx.width) { row, columns in
      let (dy, x, dx) = unsafe (dy[row], x[row], dx[row])
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        let value = unsafe E.load(x + index, lanes).clamped(to: bound)
        let cubic = Lanes(repeating: b) * (value * value)
        let exponential = (-(value * (Lanes(repeating: a) + cubic))).exponentialOfSmall
        let inner = Lanes(repeating: a) + Lanes(repeating: 3) * cubic  // 2u′
        let one = Lanes(repeating: 1)
        let sigma = one / (one + exponential)
        // 1 − σ as a product: the difference would lose what `x · 2u′` then magnifies.
        let slope = sigma * (one + value * (exponential * sigma) * inner)
        unsafe E.store(E.load(dy + index, lanes) * slope, to: dx + index, lanes)
      }
      forEachStep(columns, step)
    }
  }

  /// Where σ(2u) is 0 or 1 to float32's last place: `2u` is 87.3 here, and exp(−2u) still normal.
  @inline(__always) private static var bound: Float { 10 }
  /// `2 √(2/π)`.
  @inline(__always) private static var a: Float { 1.595_769_1 }
  /// `0.044715 · 2 √(2/π)`.
  @inline(__always) private static var b: Float { 0.071_354_814 }
}

extension Lanes {
  /// From here on `exp(−x² / 2)` is 0 in float32.
  @inline(__always) static var lastDeviation: Float { 14 }

  /// The lanes held between `−bound` and `bound`; what is not a number stays so.
  @inline(__always) func clamped(to bound: Float) -> Lanes {
    let upper = replacing(with: Lanes(repeating: bound), where: self .> Lanes(repeating: bound))
    return Lanes(repeating: -bound).maximum(upper)
  }

  /// `Φ(x) = (1 + erf(x / √2)) / 2`, within 1e-7, and `exp(−x² / 2)`.
  ///
  /// Up to 1.3 an odd polynomial; beyond, `Φ(−a) = exp(−a² / 2) · t · q(t)` with `t = 1 / (1 + 0.28
  /// a)`, which keeps its relative accuracy (5e-6) until it vanishes. Both polynomials are minimax
  /// fits (Lawson), of 1.5e-8 and 4.8e-8 relative error.
  @inline(__always) var gaussian: (cumulative: Lanes, exponential: Lanes) {
    let squares = self * self
    let one = Lanes(repeating: 1)
    var p = Lanes(repeating: -6.632_235e-6)
    p = p * squares + Lanes(repeating: 1.103_857e-4)
    p = p * squares + Lanes(repeating: -1.182_996_6e-3)
    p = p * squares + Lanes(repeating: 9.971_848e-3)
    p = p * squares + Lanes(repeating: -6.649_013e-2)
    p = p * squares + Lanes(repeating: 3.989_422_6e-1)
    let middle = Lanes(repeating: 0.5) + self * p

    let magnitude = Lanes(bits: bits & LaneBits(repeating: 0x7FFF_FFFF))
    let exponential = (squares * Lanes(repeating: -0.5)).exponentialOfSmall
    let t = one / (one + Lanes(repeating: 0.28) * magnitude)
    var q = Lanes(repeating: -5.964_581e-2)
    q = q * t + Lanes(repeating: 1.320_185_7e-1)
    q = q * t + Lanes(repeating: -4.434_479_4e-3)
    q = q * t + Lanes(repeating: 1.105_778_4e-1)
    q = q * t + Lanes(repeating: 9.735_376e-2)
    q = q * t + Lanes(repeating: 1.123_760_5e-1)
    q = q * t + Lanes(repeating: 1.116_701e-1)
    let tail = exponential * t * q
    let outer = tail.replacing(with: one - tail, where: self .> Lanes.zero)
    return (outer.replacing(with: middle, where: magnitude .< Lanes(repeating: 1.3)), exponential)
  }
}
