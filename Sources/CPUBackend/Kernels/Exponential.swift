/// Vectorised elementary functions; no libm, no fused multiply-add (a call on baseline x86-64).
extension Lanes {
  /// Any number whose power of two is 2⁻¹²⁷, which the exponent's bits express as 0.
  @inline(__always) private static var lowest: Float { -88 }
  /// Above this, `exponential` stays at its value here, 2.4e38.
  @inline(__always) private static var highest: Float { 88.37 }

  /// `e^x`, within 2 units in the last place; 0 below −87.68, 2.4e38 above 88.37, NaN for NaN.
  @inline(__always) var exponential: Lanes {
    replacing(
      with: Lanes(repeating: Lanes.highest), where: self .> Lanes(repeating: Lanes.highest)
    ).exponentialOfSmall
  }

  /// `e^x` for `x` ≤ 88.37, as of a score less its row's maximum (Cephes `expf`).
  ///
  /// `x = n · ln 2 + r` with `|r| ≤ ln 2 / 2`, then `2ⁿ · (1 + r + r² · p(r))`.
  @inline(__always) var exponentialOfSmall: Lanes {
    let lowest = Lanes(repeating: Lanes.lowest)
    let x = replacing(with: lowest, where: self .< lowest)
    // Adding 1.5 · 2²³ rounds to an integer and leaves it in the low bits of the pattern.
    let magic = Lanes(repeating: 12_582_912)
    let shifted = x * Lanes(repeating: 1.442_695_04) + magic
    let n = shifted - magic
    let r = x - n * Lanes(repeating: 0.693_359_375) + n * Lanes(repeating: 2.121_944_4e-4)
    var p = Lanes(repeating: 1.987_569_15e-4)
    p = p * r + Lanes(repeating: 1.398_199_95e-3)
    p = p * r + Lanes(repeating: 8.333_451_907e-3)
    p = p * r + Lanes(repeating: 4.166_579_589e-2)
    p = p * r + Lanes(repeating: 1.666_666_546e-1)
    p = p * r + Lanes(repeating: 5.000_000_12e-1)
    p = p * (r * r) + r + Lanes(repeating: 1)
    let power = (shifted.bits &<< LaneBits(repeating: 23)) &+ LaneBits(repeating: 127 << 23)
    return p * Lanes(bits: power)
  }
}
