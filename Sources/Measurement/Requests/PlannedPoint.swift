package import Retention

/// A point of a profile, and which repetition of it.
package struct PlannedPoint: Hashable, Sendable {
  package let point: Point
  /// From 1.
  package let repetition: Int
  /// Where the values of the parameters come from; nil: drawn from the seed.
  package let weights: StoredWeights?

  package init(point: Point, repetition: Int = 1, weights: StoredWeights? = nil) {
    (self.point, self.repetition, self.weights) = (point, repetition, weights)
  }

  /// The points whose gradients are exact and otherwise the same, weights included, best first.
  package var gradientReferences: [PlannedPoint] {
    point.gradientReferences.map { PlannedPoint(point: $0, weights: weights) }
  }
}
