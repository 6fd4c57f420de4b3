import Foundation
package import Tensors

extension DecoderConfiguration {
  /// How heads turn in sequences of `length` tokens; nil where positions are learned.
  ///
  /// `theta^(−2i / d_head)` (arXiv 2104.09864, eq. 15) with the scaling of `positions`, rounded to
  /// float32 after every operation, in the order of Hugging Face's `modeling_rope_utils`. A scalar
  /// over a tensor is there a reciprocal and a product, hence two roundings. Scalings that depend
  /// on the length take it as a fresh model does that meets this sequence first.
  package func headRotation(ofLength length: Int) -> HeadRotation? {
    guard case .rotary(let theta, let scaling) = positions else { return nil }
    let base =
      if case .dynamic(let factor, let context) = scaling {
        Self.dynamicBase(theta, dHead: dHead, factor: factor, context: context, length: length)
      } else {
        Float(theta)
      }
    let powers = (0..<dHead / 2).map { pair in
      // The power in double, then rounded once: as good as any `pow`, and the same everywhere.
      Float(pow(Double(base), Double(Float(2 * pair) / Float(dHead))))
    }
    switch scaling {
    case .none, .dynamic:
      return HeadRotation(frequencies: powers.map { 1 / $0 })
    case .llama3(let factor, let low, let high, let original):
      let bands = Llama3Bands(factor: factor, low: low, high: high, original: original)
      return HeadRotation(frequencies: powers.map { bands.scaled(1 / $0) })
    case .linear(let factor):
      return HeadRotation(frequencies: powers.map { (1 / $0) / Float(factor) })
    case .yarn(let yarn):
      return HeadRotation(
        frequencies: yarn.frequencies(powers, theta: theta), factor: Float(yarn.attentionFactor))
    case .longrope(let rope):
      let divisors = length > rope.originalContext ? rope.long : rope.short
      return HeadRotation(
        frequencies: zip(powers, divisors).map { 1 / (Float($1) * $0) },
        factor: Float(rope.attentionFactor))
    }
  }

  /// `theta · (factor · n / context − (factor − 1))^(d / (d − 2))`, for n of at least `context`.
  private static func dynamicBase(
    _ theta: Double, dHead: Int, factor: Double, context: Int, length: Int
  ) -> Float {
    let exponent = Double(dHead) / Double(dHead - 2)
    guard length > context else {
      // Numbers of Python's, in double.
      let growth = factor * Double(context) / Double(context) - (factor - 1)
      return Float(theta * pow(growth, exponent))
    }
    // A tensor without axes, in float32.
    let growth = Float(factor) * Float(length) / Float(context) - Float(factor - 1)
    return Float(theta) * Float(pow(Double(growth), Double(Float(exponent))))
  }
}

/// Llama 3.1's scaling of one frequency; each line is one of the oracle's float32 operations.
private struct Llama3Bands {
  let factor: Double
  let low: Double
  let high: Double
  let original: Int

  func scaled(_ frequency: Float) -> Float {
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

extension DecoderConfiguration.YaRN {
  /// The frequencies of `powers`, `theta^(2i / d_head)` `[d_head / 2]`.
  fileprivate func frequencies(_ powers: [Float], theta: Double) -> [Float] {
    let dHead = 2 * powers.count
    /// The pair that turns so many times within the original context, as a real number.
    func pair(turns: Double) -> Double {
      Double(dHead) * log(Double(originalContext) / (turns * 2 * Double.pi)) / (2 * log(theta))
    }
    var (first, last) = (pair(turns: fastTurns), pair(turns: slowTurns))
    if truncates { (first, last) = (first.rounded(.down), last.rounded(.up)) }
    (first, last) = (max(first, 0), min(last, Double(dHead - 1)))
    if first == last { last += 0.001 }
    return powers.enumerated().map { index, power in
      let ramp = min(max((Float(index) - Float(first)) / Float(last - first), 0), 1)
      let kept = 1 - ramp
      return (1 / (Float(factor) * power)) * (1 - kept) + (1 / power) * kept
    }
  }
}
