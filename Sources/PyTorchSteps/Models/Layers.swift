/// A decoder layer of transformers' model code.
extension CausalModel {
  /// `GradientCheckpointingLayer.__call__`.
  func layer(
    _ index: Int, _ x: TorchTensor, mask: TorchTensor?, constants: [TorchTensor]
  ) -> TorchTensor {
    let name = isGPT2 ? "h.\(index)" : "layers.\(index)"
    return torch.module(name, x) {
      guard model.isCheckpointed else {
        return forward(index, x, mask: mask, constants: constants)
      }
      let mine = self
      // Of a call's closure by name, then its arguments, the last first.
      let masks = mask.map { [$0] } ?? []
      let held =
        switch model.family {
        case .gpt2: constants + masks
        case .mistral: masks + [constants[2], constants[1], constants[0]]
        default: masks + [constants[1], constants[0], constants[2]]
        }
      return torch.checkpoint(holding: held + [x]) { _ in
        mine.forward(index, x, mask: mask, constants: constants)
      }
    }
  }

  private func forward(
    _ index: Int, _ x: TorchTensor, mask: TorchTensor?, constants: [TorchTensor]
  ) -> TorchTensor {
    let layer = modules.layers[index]
    return isGPT2
      ? gpt2Layer(layer, x, mask: mask)
      : llamaLayer(layer, x, mask: mask, cos: constants[0], sin: constants[1])
  }

  /// `LlamaDecoderLayer.forward`.
  private func llamaLayer(
    _ layer: LayerModules, _ x: TorchTensor, mask: TorchTensor?, cos: TorchTensor,
    sin: TorchTensor
  ) -> TorchTensor {
    let py = Locals(torch, ["hidden_states": x, "attention_mask": mask])
    py.residual = py.hidden_states
    py.hidden_states = rmsNorm("input_layernorm", py.hidden_states, layer.firstNorm)
    takeFirst(
      torch.module("self_attn", py.hidden_states) {
        llamaAttention(layer, py.hidden_states, mask: mask, cos: cos, sin: sin)
      }, as: "hidden_states", in: py)
    py.hidden_states = torch.add(py.residual, py.hidden_states)
    py.residual = py.hidden_states
    py.hidden_states = rmsNorm(
      "post_attention_layernorm", py.hidden_states, layer.secondNorm)
    py.hidden_states = torch.module("mlp", py.hidden_states) {
      llamaMLP(layer, py.hidden_states)
    }
    py.hidden_states = torch.add(py.residual, py.hidden_states)
    return py.leave(py.hidden_states)
  }

  /// `name, _ = results`.
  private func takeFirst(_ results: [TorchTensor], as name: String, in py: Locals) {
    py[dynamicMember: name] = results[0]
    if results.count > 1 { py[dynamicMember: "_"] = results[1] }
  }

  private func llamaMLP(_ layer: LayerModules, _ x: TorchTensor) -> TorchTensor {
    let py = Locals(torch, ["x": x])
    let gate = linear("gate_proj", x, layer.inner[0])
    let activated = torch.module("act_fn", gate) { activation(gate) }
    py.down_proj = linear(
      "down_proj", torch.multiply(activated, linear("up_proj", x, layer.inner[1])),
      layer.inner[2])
    return py.leave(py.down_proj)
  }

  private func activation(_ x: TorchTensor) -> TorchTensor {
    switch model.activation {
    case "silu": torch.silu(x)
    case "gelu_new": newGELU(x)
    default: torch.gelu(x)
    }
  }

  /// `0.5 * input * (1.0 + torch.tanh(c * (input + 0.044715 * torch.pow(input, 3.0))))`.
  private func newGELU(_ x: TorchTensor) -> TorchTensor {
    let half = torch.scale(x)
    let inner = torch.add(x, torch.scale(torch.power(x)))
    return torch.multiply(half, torch.addNumber(torch.tanh(torch.scale(inner))))
  }

  /// `GPT2Block.forward`.
  private func gpt2Layer(
    _ layer: LayerModules, _ x: TorchTensor, mask: TorchTensor?
  ) -> TorchTensor {
    let py = Locals(torch, ["hidden_states": x, "attention_mask": mask])
    py.residual = py.hidden_states
    py.hidden_states = torch.module("ln_1", py.hidden_states) {
      layerNorm(py.hidden_states, layer.firstNorm)
    }
    takeFirst(
      torch.module("attn", py.hidden_states) {
        gpt2Attention(layer, py.hidden_states, mask: mask)
      }, as: "attn_output", in: py)
    py.hidden_states = torch.add(py.attn_output, py.residual)
    py.residual = py.hidden_states
    py.hidden_states = torch.module("ln_2", py.hidden_states) {
      layerNorm(py.hidden_states, layer.secondNorm)
    }
    py.feed_forward_hidden_states = torch.module("mlp", py.hidden_states) {
      let inner = Locals(torch, ["hidden_states": py.hidden_states])
      inner.hidden_states = linear("c_fc", inner.hidden_states, layer.inner[0])
      inner.hidden_states = torch.module("act", inner.hidden_states) {
        activation(inner.hidden_states)
      }
      inner.hidden_states = linear("c_proj", inner.hidden_states, layer.inner[1])
      return inner.leave(inner.hidden_states)
    }
    py.hidden_states = torch.add(py.residual, py.feed_forward_hidden_states)
    return py.leave(py.hidden_states)
  }
}
