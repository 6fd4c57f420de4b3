import Autograd
import Tensors

/// Whose state is counted beside parameters and gradients; no optimizer runs.
package enum Optimizer: String, AxisWord {
  case none
  /// Without momentum, so without state.
  case sgd
  /// Two moments of every trained element (arXiv 1711.05101).
  case adamw

  /// The bytes of the state, in float32; frozen parameters have none.
  ///
  /// Parameters of a narrower type have a copy in float32, to which the steps are added.
  func stateBytes(of parameters: [Parameter]) -> Int {
    guard self == .adamw else { return 0 }
    return parameters.reduce(0) { bytes, parameter in
      guard parameter.gradient != nil else { return bytes }
      return bytes + parameter.heldElements * (parameter.value.dtype == .float32 ? 8 : 12)
    }
  }
}

extension Parameter {
  /// The elements that this device holds: all, unless several share it.
  var heldElements: Int { value.storage.requestedBytes / value.dtype.size }
}
