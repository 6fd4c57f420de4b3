/// Training steps of a model, as a loop of transformers' Trainer has them.
package struct TrainedSteps: Sendable {
  package enum Optimizer: Sendable { case none, adamw }

  package var model: TrainedModel
  package var batch: Int
  package var tokens: Int
  package var optimizer: Optimizer
  package var steps: Int

  package init(
    model: TrainedModel, batch: Int, tokens: Int, optimizer: Optimizer, steps: Int
  ) {
    (self.model, self.batch, self.tokens) = (model, batch, tokens)
    (self.optimizer, self.steps) = (optimizer, steps)
  }

  /// Every allocation and release of the steps.
  package func stream() -> StepStream {
    let torch = Torch()
    let modules = Modules(model, on: torch)
    let pass = CausalModel(torch: torch, modules: modules)
    let shape = [batch, tokens]
    let py = Locals(torch, [:])
    py.ids = torch.make("zeros", shape, .int64, role: .input)
    py.labels = torch.make("zeros", shape, .int64, role: .input)
    torch.consume(torch.make("lift_fresh", [], .int64))
    let optimizer = AdamW(modules.parameters, on: torch)
    for step in 0..<steps {
      py.input_ids = torch.make("_to_copy", shape, .int64, role: .input)
      py.batch_labels = torch.make("_to_copy", shape, .int64, role: .input)
      torch.stream.begin(.forward, step: step)
      let outputs = pass(py.input_ids, labels: py.batch_labels)
      torch.stream.begin(.loss)
      py.loss = outputs[0]
      torch.consume(outputs[1])
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

/// `torch.optim.AdamW` with `foreach`.
final class AdamW {
  private let torch: Torch
  private let parameters: [TorchTensor]
  private var states: [TorchTensor] = []

  init(_ parameters: [TorchTensor], on torch: Torch) {
    (self.parameters, self.torch) = (parameters, torch)
  }

  func step() {
    let isFirst = states.isEmpty
    for parameter in parameters where isFirst && parameter.gradient != nil {
      states.append(torch.make("lift_fresh", [], .float32, role: .optimizerState))
      for _ in 0..<2 {
        states.append(
          torch.make(
            "zeros_like", parameter.shape, parameter.dtype, strides: parameter.strides,
            role: .optimizerState))
      }
    }
    if isFirst { for state in states { torch.hold(state) } }
    var last: TorchTensor?
    for parameter in parameters where parameter.gradient != nil {
      let root = torch.make("sqrt", parameter.shape, parameter.dtype)
      let quotient = torch.make("div", parameter.shape, parameter.dtype)
      torch.consume(root)
      torch.consume(last)
      last = quotient
    }
    torch.consume(last)
  }
}
