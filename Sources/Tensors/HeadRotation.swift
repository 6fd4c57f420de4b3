/// How heads turn with their position (Su et al., arXiv 2104.09864).
package struct HeadRotation: Hashable, Sendable {
  /// The angle a position of each pair `i < d_head / 2`, `[d_head / 2]`.
  package let frequencies: [Float]
  /// What cosines and sines are multiplied by (YaRN's `√(1/t)`, arXiv 2309.00071, section 3.4).
  package let factor: Float

  package init(frequencies: [Float], factor: Float = 1) {
    (self.frequencies, self.factor) = (frequencies, factor)
  }
}
