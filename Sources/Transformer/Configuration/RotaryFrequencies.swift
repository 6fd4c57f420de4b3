import Foundation

extension DecoderConfiguration {
  /// The angle a position of each pair `i < d_head / 2`, `[d_head / 2]`; empty if learned.
  ///
  /// `theta^(−2i / d_head)` (arXiv 2104.09864, eq. 15) with the scaling of `positions`, rounded to
  /// float32 after every operation, in the order of Hugging Face's `modeling_rope_utils`. A scalar
  /// over a tensor is there a reciprocal and a product, hence two roundings.
  package var rotaryFrequencies: [Float] {
    guard case .rotary(let theta, let scaling) = positions else { return [] }
    return (0..<dHead / 2).map { pair in
      let exponent = Float(2 * pair) / Float(dHead)
      // The power in double, then rounded once: as good as any `pow`, and the same everywhere.
      let frequency = 1 / Float(pow(Double(Float(theta)), Double(exponent)))
      return scaling.apply(to: frequency)
    }
  }
}

extension DecoderConfiguration.RotaryScaling {
  /// One frequency after scaling; each line is one of the oracle's float32 operations.
  fileprivate func apply(to frequency: Float) -> Float {
    guard case .llama3(let factor, let low, let high, let original) = self else { return frequency }
    let wavelength = (1 / frequency) * Float(2 * Double.pi)
    let lowWavelength = Float(Double(original) / low)
    let highWavelength = Float(Double(original) / high)
    if wavelength > lowWavelength { return frequency / Float(factor) }
    if wavelength < highWavelength { return frequency }
    let periods = (1 / wavelength) * Float(original)
    let smooth = (periods - Float(low)) / Float(high - low)
    return ((1 - smooth) * frequency) / Float(factor) + smooth * frequency
  }
}
