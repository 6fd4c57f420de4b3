/// How far a gradient lies from another, over one parameter or several.
///
/// Sums are float64: squares of any finite float32 neither overflow nor vanish in them.
package struct GradientDifference {
  /// `Σ (g − r)²`, `Σ g²`, `Σ r²` and `Σ g · r`.
  private var distance = 0.0
  private var own = 0.0
  private var exact = 0.0
  private var product = 0.0

  /// Compares the values of one parameter; an empty list, a gradient that nothing reached, is zero.
  ///
  /// - Throws: `MeasurementError` if the lists differ in length.
  package init(
    of gradient: [Float], from reference: [Float], parameter: String
  ) throws(MeasurementError) {
    guard gradient.isEmpty || reference.isEmpty || gradient.count == reference.count else {
      throw MeasurementError("the gradient of \(parameter) has two sizes")
    }
    for index in 0..<max(gradient.count, reference.count) {
      let g = gradient.isEmpty ? 0 : Double(gradient[index])
      let r = reference.isEmpty ? 0 : Double(reference[index])
      distance += (g - r) * (g - r)
      own += g * g
      exact += r * r
      product += g * r
    }
  }

  /// Compares several parameters as one vector.
  package init(over parts: [GradientDifference]) {
    for part in parts {
      distance += part.distance
      own += part.own
      exact += part.exact
      product += part.product
    }
  }

  /// `‖g‖`; nil if it is not finite.
  package var norm: Double? { finite(own.squareRoot()) }
  /// `‖r‖`; nil if it is not finite.
  package var referenceNorm: Double? { finite(exact.squareRoot()) }

  /// `‖g − r‖ / ‖r‖`; 0 if both are zero, nil if only `r` is, or if it is not finite.
  package var relativeError: Double? {
    if exact == 0 { return own == 0 ? 0 : nil }
    return finite((distance / exact).squareRoot())
  }

  /// `⟨g, r⟩ / (‖g‖ · ‖r‖)`; nil if either is zero, or if it is not finite.
  package var cosine: Double? {
    exact > 0 && own > 0 ? finite(product / (own * exact).squareRoot()) : nil
  }

  private func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
}
