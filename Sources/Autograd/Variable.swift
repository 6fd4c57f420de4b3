package import Tensors

/// A tensor, and the slot for its gradient if it needs one.
package struct Variable {
  package var value: Tensor
  package var gradient: GradientSlot?
  /// How backward can make the tensor again, where the tape's policy has it so.
  package var recomputed: Recomputed?

  package init(
    _ value: Tensor, gradient: GradientSlot? = nil, recomputed: Recomputed? = nil
  ) {
    self.value = value
    self.gradient = gradient
    self.recomputed = recomputed
  }
}
