package import Ledger
package import Tensors

/// A weight: a tensor that outlives the step, with its names.
package final class Parameter {
  /// The Hugging Face name.
  package let name: String
  /// What it is to the model.
  package let role: ParameterRole
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
        ? GradientSlot(
          symbol, .parameter(role), shape: value.shape, dtype: .float32, category: .gradient) : nil
    }
  }
  /// What gathers in place of the gradient; nil, as in any training step, for the gradient itself.
  package var parts: GradientParts?

  package init(name: String, role: ParameterRole, layer: Int?, value: Tensor) {
    self.name = name
    self.role = role
    self.layer = layer
    self.value = value
    isTrained = true
  }

  /// The formula's name: `W_Q`, `norm`, `E` …
  package var symbol: String { role.symbol }

  /// Drops the gradient of an earlier step.
  package func clearGradient() { _ = gradient?.take() }
}
