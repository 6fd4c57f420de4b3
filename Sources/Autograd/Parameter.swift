import Ledger
package import Tensors

/// A weight: a tensor that outlives the step, with its names.
package final class Parameter {
  /// The Hugging Face name.
  package let name: String
  /// The formula's name: `W_Q`, `norm`, `E` …
  package let symbol: String
  package let layer: Int?
  package let value: Tensor
  /// Where its gradient gathers; nil if the parameter is frozen.
  package private(set) var gradient: GradientSlot?
  /// Whether it has a gradient; setting it drops that of an earlier step.
  package var isTrained: Bool {
    get { gradient != nil }
    set {
      gradient =
        newValue
        ? GradientSlot(symbol, shape: value.shape, dtype: .float32, category: .gradient) : nil
    }
  }
  /// What gathers in place of the gradient; nil, as in any training step, for the gradient itself.
  package var parts: GradientParts?

  package init(name: String, symbol: String, layer: Int?, value: Tensor) {
    self.name = name
    self.symbol = symbol
    self.layer = layer
    self.value = value
    isTrained = true
  }

  /// Drops the gradient of an earlier step.
  package func clearGradient() { _ = gradient?.take() }
}
