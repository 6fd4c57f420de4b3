import Foundation

/// Steele, Lea and Flood's SplitMix64: a small seeded generator, the same on every machine.
package struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// A draw from `N(0, 1)` (Box and Muller).
package func standardNormal(using generator: inout some RandomNumberGenerator) -> Double {
  let radius = (-2 * log(1 - Double.random(in: 0..<1, using: &generator))).squareRoot()
  return radius * cos(2 * Double.pi * Double.random(in: 0..<1, using: &generator))
}

/// `‖a − b‖ / ‖b‖`; 0 if both are zero, infinite if only `b` is.
package func relativeL2(_ a: [Double], _ b: [Double]) -> Double {
  precondition(a.count == b.count, "\(a.count) and \(b.count) values")
  let difference = norm(zip(a, b).map { $0 - $1 })
  return difference == 0 ? 0 : difference / norm(b)
}

/// `a · b / (‖a‖ ‖b‖)`; 1 if both are zero, 0 if one is.
package func cosine(_ a: [Double], _ b: [Double]) -> Double {
  precondition(a.count == b.count, "\(a.count) and \(b.count) values")
  let norms = norm(a) * norm(b)
  guard norms > 0 else { return norm(a) == norm(b) ? 1 : 0 }
  return zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } / norms
}

/// The Euclidean norm.
package func norm(_ a: [Double]) -> Double {
  a.reduce(0) { $0 + $1 * $1 }.squareRoot()
}

/// `sqrt(mean(a²))`.
package func rootMeanSquare(_ a: [Double]) -> Double {
  norm(a) / Double(a.count).squareRoot()
}
