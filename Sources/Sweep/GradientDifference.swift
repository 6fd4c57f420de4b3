/// How far one gradient lies from another, over all parameters together.
struct GradientDifference {
  /// `‖g − r‖ / ‖r‖`; nil if the reference is zero.
  let relativeError: Double?
  /// `⟨g, r⟩ / (‖g‖ · ‖r‖)`; nil if either is zero.
  let cosine: Double?

  /// Compares gradients by parameter name, in double precision; an absent one counts as zero.
  ///
  /// - Throws: `MeasurementError` if a parameter has two sizes.
  init(
    of gradient: [String: [Float]], from reference: [String: [Float]]
  ) throws(MeasurementError) {
    var (distance, own, exact, product) = (0.0, 0.0, 0.0, 0.0)
    for name in Set(gradient.keys).union(reference.keys).sorted() {
      let left = gradient[name] ?? []
      let right = reference[name] ?? []
      guard left.isEmpty || right.isEmpty || left.count == right.count else {
        throw MeasurementError("the gradient of \(name) has two sizes")
      }
      for index in 0..<max(left.count, right.count) {
        let g = left.isEmpty ? 0 : Double(left[index])
        let r = right.isEmpty ? 0 : Double(right[index])
        distance += (g - r) * (g - r)
        own += g * g
        exact += r * r
        product += g * r
      }
    }
    relativeError = exact > 0 ? (distance / exact).squareRoot() : nil
    cosine = exact > 0 && own > 0 ? product / (own.squareRoot() * exact.squareRoot()) : nil
  }
}
