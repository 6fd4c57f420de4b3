package import PyTorchSteps
package import Retention
package import Tensors
import Values

/// What is held against a memory: which parts of a step, and how large they are.
///
/// Parameters, gradients and optimizer state are thought to stand all through the step, beside the
/// highest moment of the activations: so they do where gradients are accumulated, or lie in one
/// buffer. Of a recipe, whose step is PyTorch's own, all is counted at the moment at which most is
/// held.
package struct MemoryAccount: Hashable, Sendable {
  /// A part that can be counted or left out.
  package enum Part: String, AxisWord {
    case parameters, gradients, optimizer, activations, workspace
  }

  /// Whose memory it is.
  package enum Device: Hashable, Sendable {
    /// Bytes that tensors ask for, summed part by part.
    case any
    /// What `measure` holds against its `--memory` on this machine: the allocator's blocks of all
    /// parts, at the moment at which they are most together.
    case thisMachine
  }

  package var device = Device.any
  package var parts: Set<Part> = [.parameters, .gradients, .optimizer, .activations]
  /// The type of the gradients of parameters; nil: that of the parameters.
  package var gradientDType: DType?
  /// How the optimizer's step is taken; nil where none is.
  package var optimizerStep: OptimizerStep?
  package var sharding = ParameterSharding()
  package var tensorParallelism = TensorParallelism()

  package init() {}

  /// The bytes of a part of a step, of one device; gradients and state go by each parameter's type.
  package func bytes(
    of part: Part, in step: StepResult, optimizer: Optimizer
  ) -> Int {
    switch part {
    case .parameters: sharding.share(of: step.parameterBytes, .parameters)
    case .gradients: sharding.share(of: step.trained.bytes(as: gradientDType), .gradients)
    case .optimizer: sharding.share(of: optimizer.stateBytes(of: step.trained), .optimizer)
    // Activations are gone when the optimizer's step begins.
    case .activations:
      pytorch(in: step, optimizer: optimizer)?.rest
        ?? max(step.peakBytes, moment(of: optimizer, step.trained))
    case .workspace: step.workspacePeakBytes
    }
  }

  /// The moment at which PyTorch's own step holds the most, on a GPU; nil where that is not known,
  /// or not all of it is counted as it stands.
  package func pytorch(in step: StepResult, optimizer: Optimizer) -> StepPeaks.Moment? {
    guard let found = step.pytorch, found.optimizer == optimizer, device == .any,
      parts == [.parameters, .gradients, .optimizer, .activations], gradientDType == nil,
      sharding.devices == 1, tensorParallelism.devices == 1
    else { return nil }
    let peaks = found.peaks
    switch optimizerStep {
    case .foreach, nil: return peaks.most
    case .forLoop, .fused:
      let stepping = StepPeaks.Moment(
        parameters: step.parameterBytes, gradients: step.trained.bytes(),
        states: optimizer.stateBytes(of: step.trained), rest: moment(of: optimizer, step.trained))
      return stepping.total > peaks.step.total ? stepping : peaks.step
    }
  }

  /// All that is counted, with the bytes of each part, in the order of the parts.
  package func counted(
    in step: StepResult, optimizer: Optimizer
  ) -> [(part: Part, bytes: Int)] {
    Part.allCases.filter(parts.contains).map { ($0, bytes(of: $0, in: step, optimizer: optimizer)) }
  }

  /// What the optimizer's step holds for a moment, of one device.
  package func moment(of optimizer: Optimizer, _ trained: TrainedParameters) -> Int {
    guard let optimizerStep else { return 0 }
    return sharding.share(of: optimizer.momentBytes(of: trained, by: optimizerStep), .optimizer)
  }

  /// The bytes that are held against a memory; beyond 64 bits for no step that is possible.
  package func total(of step: StepResult, optimizer: Optimizer) -> Int128 {
    switch device {
    case .any:
      pytorch(in: step, optimizer: optimizer).map { Int128($0.total) }
        ?? counted(in: step, optimizer: optimizer).reduce(0) { $0 + Int128($1.bytes) }
    case .thisMachine:
      Int128(step.peakAllocatedBytes) + Int128(optimizer.stateBytes(of: step.trained))
    }
  }
}

/// Parameters, gradients and optimizer state divided over devices (ZeRO, arXiv 1910.02054; FSDP).
package struct ParameterSharding: Hashable, Sendable {
  /// What is divided at the least: 1 optimizer state, 2 gradients too, 3 parameters too.
  package enum Part: Int, Sendable {
    case optimizer = 1
    case gradients, parameters
  }

  package var devices = 1
  /// ZeRO's stage, 1 to 3.
  package var stage = 3

  package init() {}

  /// One device's share of a part, rounded up.
  func share(of bytes: Int, _ part: Part) -> Int {
    stage >= part.rawValue ? bytes / devices + (bytes % devices == 0 ? 0 : 1) : bytes
  }
}
