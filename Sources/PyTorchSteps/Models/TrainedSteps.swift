/// The rows of which a step makes logits.
package enum StepHead: Hashable, Sendable {
  case allRows
  /// The last rows of each sequence: `logits_to_keep` of transformers, with as many labels.
  case lastRows(Int)
  /// None: the loss in pieces, of so many rows of each sequence, as TRL's fused head has it.
  case pieces(rows: Int)
}

/// Training steps of a model, as a loop of transformers' Trainer has them.
package struct TrainedSteps: Sendable {
  /// Whether and how parameters are stepped.
  package enum StepOptimizer: Sendable { case none, adamw }

  package var model: TrainedModel
  package var batch: Int
  package var tokens: Int
  package var optimizer: StepOptimizer
  package var steps: Int
  package var head: StepHead
  package var device: StepDevice

  package init(
    model: TrainedModel, batch: Int, tokens: Int, optimizer: StepOptimizer, steps: Int,
    head: StepHead = .allRows, on device: StepDevice = .cpu
  ) {
    (self.model, self.batch, self.tokens) = (model, batch, tokens)
    (self.optimizer, self.steps, self.device) = (optimizer, steps, device)
    self.head = head
  }

  /// Whether the kernels of attention that the device would take are known here.
  package var isKnown: Bool {
    guard model.attention == .sdpa else { return true }
    return Set(model.windows).allSatisfy { window in
      let isMasked = window.map { tokens >= $0 } ?? false
      return device.kernel(
        model.dtype, width: model.headWidth, isMasked: isMasked,
        isGrouped: model.groups > 1 && !isMasked) != nil
    }
  }

  /// Every allocation and release of the steps.
  ///
  /// - Parameters:
  ///   - isDetailed: Whether allocations say in which module they are made.
  ///   - hasState: Whether a step has run before, so that the optimizer's state stands and cuBLAS's
  ///     workspaces do.
  /// - Returns: The stream, which begins with the making of the model.
  package func stream(isDetailed: Bool = true, hasState: Bool = false) -> StepStream {
    let torch = Torch(device, isDetailed: isDetailed)
    let modules = Modules(model, on: torch)
    let pass = CausalModel(torch: torch, modules: modules, head: head)
    let shape = [batch, tokens]
    var labels = shape
    if case .lastRows(let rows) = head { labels[1] = min(rows, tokens) }
    let py = Locals(torch, [:])
    if !device.isCUDA {
      // The caller's own, and the -100 that goes into the prefix's labels.
      py.ids = torch.make("zeros", shape, .int64, role: .other)
      py.labels = torch.make("zeros", shape, .int64, role: .other)
      torch.consume(torch.make("lift_fresh", [], .int64))
    }
    let optimizer = AdamW(modules.parameters, on: torch)
    if hasState {
      // As after a first step, in which both threads have multiplied.
      torch.takeWorkspaces()
      if self.optimizer == .adamw { optimizer.makeStates() }
    }
    for step in 0..<steps {
      py.input_ids = torch.make("_to_copy", shape, .int64, role: .other)
      py.batch_labels = torch.make("_to_copy", labels, .int64, role: .other)
      torch.stream.begin(.forward, step: step)
      let outputs = pass(py.input_ids, labels: py.batch_labels)
      torch.stream.begin(.loss)
      py.loss = outputs[0]
      pass.drop(outputs)
      py.delete("input_ids")
      py.delete("batch_labels")
      torch.backward(from: py.loss)
      torch.endGraph()
      py.delete("loss")
      if self.optimizer == .adamw {
        torch.stream.begin(.optimizer)
        optimizer.step()
      }
      torch.stream.begin(.zero)
      for parameter in modules.parameters {
        guard let gradient = parameter.gradient else { continue }
        parameter.gradient = nil
        torch.drop(gradient)
      }
      torch.stream.begin(.other)
    }
    py.leave()
    return torch.stream
  }
}

extension TrainedSteps {
  /// What a step holds at the most, of many; a GPU's allocator gives blocks of 512 bytes.
  package func peaks() -> StepPeaks {
    var one = self
    one.steps = 1
    return StepPeaks(
      of: one.stream(isDetailed: false, hasState: true), block: device.isCUDA ? 512 : 1)
  }
}

/// `torch.optim.AdamW`: on a GPU with `foreach`, on a CPU parameter by parameter.
final class AdamW {
  private let torch: Torch
  private let parameters: [TorchTensor]
  private var hasStates = false

  init(_ parameters: [TorchTensor], on torch: Torch) {
    (self.parameters, self.torch) = (parameters, torch)
  }

  /// States of all parameters, as after a first step.
  func makeStates() {
    for parameter in parameters { makeState(of: parameter) }
    hasStates = true
  }

  func step() {
    let stepped = parameters.filter { $0.gradient != nil }
    if !hasStates { for parameter in stepped { makeState(of: parameter) } }
    hasStates = true
    if torch.device.isCUDA {
      // Types one after the other, the one that comes last first, as in PyTorch's map of them.
      var types: [ElementType] = []
      for parameter in stepped where !types.contains(parameter.dtype) {
        types.append(parameter.dtype)
      }
      var last: [TorchTensor] = []
      for type in types.reversed() {
        // The name of the list before stands for it until this one is there.
        let roots = stepped.filter { $0.dtype == type }.map {
          torch.make("_foreach_sqrt", $0.shape, $0.dtype)
        }
        torch.consume(last.reversed())
        last = roots
      }
      torch.consume(last.reversed())
    } else {
      takeOneByOne(stepped)
    }
  }

  /// A count of steps, which on a GPU's side lies on the host, and two moments.
  private func makeState(of parameter: TorchTensor) {
    if !torch.device.isCUDA {
      torch.hold(torch.make("lift_fresh", [], .float32, role: .optimizerState))
    }
    for _ in 0..<2 {
      torch.hold(
        torch.make(
          "zeros_like", parameter.shape, parameter.dtype, strides: parameter.strides,
          role: .optimizerState))
    }
  }

  /// The root and the denominator of one, beside the denominator of the one before.
  private func takeOneByOne(_ stepped: [TorchTensor]) {
    var last: TorchTensor?
    for parameter in stepped {
      let root = torch.make("sqrt", parameter.shape, parameter.dtype)
      let quotient = torch.make("div", parameter.shape, parameter.dtype)
      torch.consume(root)
      torch.consume(last)
      last = quotient
    }
    torch.consume(last)
  }
}
