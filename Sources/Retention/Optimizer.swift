import Autograd
package import Tensors
import Values

/// Whose state is counted beside parameters and gradients; no optimizer runs.
package enum Optimizer: String, AxisWord {
  case none
  /// Without momentum, so without state.
  case sgd
  /// Two moments of every trained element, in its parameter's type, as `torch.optim.AdamW` keeps
  /// them (arXiv 1711.05101); its step counters, a number for each parameter, aside.
  case adamw
  /// Two moments in float32, and a float32 copy of parameters of a narrower type, to which the
  /// steps are added: Megatron-LM, DeepSpeed, FSDP with float32 shards.
  case adamwFP32 = "adamw-fp32"

  /// The bytes of the state; frozen parameters have none.
  package func stateBytes(of trained: TrainedParameters) -> Int {
    switch self {
    case .none, .sgd: 0
    case .adamw: 2 * trained.bytes()
    case .adamwFP32: 2 * trained.bytes(as: .float32) + trained.bytes(copiedTo: .float32)
    }
  }

  /// The most bytes that its step makes and drops again.
  package func momentBytes(of trained: TrainedParameters, by step: OptimizerStep) -> Int {
    guard self == .adamw || self == .adamwFP32 else { return 0 }
    let dtype: DType? = self == .adamw ? nil : .float32
    return switch step {
    case .foreach: trained.bytes(as: dtype)
    case .forLoop: trained.loopBytes(as: dtype)
    case .fused: 0
    }
  }
}

/// How PyTorch's optimizers go over their parameters (`torch/optim/adam.py`, 2.13).
package enum OptimizerStep: String, AxisWord {
  /// All at once, with the denominators of all: the default on a GPU.
  case foreach
  /// One by one: the root and the denominator of one, beside the denominator of the one before.
  case forLoop = "for-loop"
  /// In one kernel, with nothing beside.
  case fused
}

/// What a step trains, as far as this device holds it, in the order of the model.
package struct TrainedParameters: Equatable, Sendable {
  private struct Size: Equatable {
    let elements: Int
    let dtype: DType
  }

  private let sizes: [Size]

  init(of parameters: [Parameter]) {
    sizes = parameters.filter(\.isTrained).map {
      Size(elements: $0.heldElements, dtype: $0.value.dtype)
    }
  }

  /// The elements of all.
  package var elements: Int { sizes.reduce(0) { $0 + $1.elements } }

  /// Their types, each once, in the order of the model.
  package var dtypes: [DType] {
    sizes.reduce(into: []) { if !$0.contains($1.dtype) { $0.append($1.dtype) } }
  }

  /// The bytes of as many elements, in a type or each in its own.
  package func bytes(as dtype: DType? = nil) -> Int {
    sizes.reduce(0) { $0 + $1.elements * (dtype ?? $1.dtype).size }
  }

  /// The bytes of a copy of those that are of another type.
  package func bytes(copiedTo dtype: DType) -> Int {
    sizes.reduce(0) { $0 + ($1.dtype == dtype ? 0 : $1.elements * dtype.size) }
  }

  /// The most that a loop holds: twice one, beside the one before.
  fileprivate func loopBytes(as dtype: DType?) -> Int {
    let bytes = sizes.map { $0.elements * (dtype ?? $0.dtype).size }
    return zip([0] + bytes, bytes).map { $0 + 2 * $1 }.max() ?? 0
  }
}

extension Parameter {
  /// The elements that this device holds: all, unless several share it.
  var heldElements: Int { value.storage.requestedBytes / value.dtype.size }
}
