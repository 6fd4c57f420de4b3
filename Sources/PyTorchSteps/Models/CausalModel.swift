/// The forward pass of transformers' model code, function by function: names are the code's own.
struct CausalModel {
  let torch: Torch
  let modules: Modules
  var head = StepHead.allRows
  var model: TrainedModel { modules.model }
  var isGPT2: Bool { model.family == .gpt2 }
  private var isQwen: Bool { [.qwen2, .qwen3].contains(model.family) }

  /// `LlamaForCausalLM.forward`: the loss, and what else a call returns.
  func callAsFunction(_ ids: TorchTensor, labels: TorchTensor) -> [TorchTensor] {
    if case .pieces(let rows) = head { return fused(ids, labels: labels, rows: rows) }
    let py = Locals(torch, ["input_ids": ids, "labels": labels])
    py.hidden_states = body(ids)
    py.logits = linear("lm_head", kept(py.hidden_states), modules.head)
    py.loss = loss(py.logits, labels)
    return py.leave([py.loss, py.logits])
  }

  /// The model without its head.
  func body(_ ids: TorchTensor) -> TorchTensor {
    torch.module(isGPT2 ? "transformer" : "model", ids) { isGPT2 ? gpt2(ids) : llama(ids) }
  }

  /// `hidden_states[:, -logits_to_keep:, :]`; for all rows another name for the same.
  private func kept(_ x: TorchTensor) -> TorchTensor {
    let tokens = x.shape[1]
    guard case .lastRows(let rows) = head else { return x }
    return torch.slice(x, 1, tokens - rows..<tokens)
  }

  /// `LlamaModel.forward`.
  private func llama(_ ids: TorchTensor) -> TorchTensor {
    // Qwen's `mask_kwargs` holds embeddings and positions behind the masks that are made of them.
    let py = Locals(torch, ["input_ids": ids])
    py.reserve(isQwen ? maskNames : ["position_ids", "inputs_embeds"])
    py.inputs_embeds = embed(ids)
    py.position_ids = positionIds(py.inputs_embeds.shape[1])
    let masks = masks(py)
    py.hidden_states = py.inputs_embeds
    let (cos, sin) = rotation(py.hidden_states, py.position_ids)
    (py.sin, py.cos) = (sin, cos)  // a pair, let go of from its end
    for layer in 0..<model.layers {
      py.hidden_states = self.layer(
        layer, py.hidden_states, mask: masks(layer), constants: [cos, sin, py.position_ids])
    }
    py.hidden_states = rmsNorm("norm", py.hidden_states, modules.norm)
    return py.leave(py.hidden_states)
  }

  /// `GPT2Model.forward`.
  private func gpt2(_ ids: TorchTensor) -> TorchTensor {
    let py = Locals(torch, ["input_ids": ids, "position_ids": nil, "inputs_embeds": nil])
    py.input_ids = torch.view(py.input_ids, ids.shape)
    py.inputs_embeds = embed(py.input_ids)
    py.position_ids = positionIds(py.inputs_embeds.shape[1])
    guard let positions = modules.positions else { preconditionFailure("gpt2 has positions") }
    py.position_embeds = torch.module("wpe", py.position_ids) {
      torch.embedding(positions, py.position_ids)
    }
    py.hidden_states = torch.add(py.inputs_embeds, py.position_embeds)
    let masks = masks(py)
    for layer in 0..<model.layers {
      py.hidden_states = self.layer(
        layer, py.hidden_states, mask: masks(layer), constants: [py.position_ids])
    }
    py.hidden_states = torch.module("ln_f", py.hidden_states) {
      layerNorm(py.hidden_states, modules.norm)
    }
    py.hidden_states = torch.view(py.hidden_states, py.hidden_states.shape)
    return py.leave(py.hidden_states)
  }

  private func embed(_ ids: TorchTensor) -> TorchTensor {
    let x = torch.module(isGPT2 ? "wte" : "embed_tokens", ids) {
      torch.embedding(modules.embedding, ids)
    }
    // What `enable_input_require_grads` hooks in.
    if model.isCheckpointed { x.requiresGradient = true }
    return x
  }

  private func positionIds(_ tokens: Int) -> TorchTensor {
    torch.unsqueeze(torch.addNumber(torch.make("arange", [tokens], .int64)), 0)
  }

  /// `LlamaRotaryEmbedding.forward`: cos and sin, `[1, T, D]`.
  private func rotation(
    _ x: TorchTensor, _ positions: TorchTensor
  ) -> (TorchTensor, TorchTensor) {
    let (tokens, half) = (positions.shape[1], model.headWidth / 2)
    let results: [TorchTensor] = torch.module("rotary_emb", x, positions) {
      let py = Locals(torch, ["x": x, "position_ids": positions])
      let numbers = torch.make("_to_copy", [1, tokens, 1], .float32)
      py.freqs = torch.make("mul", [1, tokens, half], .float32)
      torch.consume(numbers)
      py.emb = torch.cat([py.freqs, py.freqs], 2)
      py.cos = torch.scale(torch.unary("cos", py.emb, node: "") { $1.gradient })
      py.sin = torch.scale(torch.unary("sin", py.emb, node: "") { $1.gradient })
      let results = [torch.to(py.cos, x.dtype), torch.to(py.sin, x.dtype)]
      return py.leave(results)
    }
    return (results[0], results[1])
  }

  /// `ForCausalLMLoss`.
  private func loss(_ logits: TorchTensor, _ labels: TorchTensor) -> TorchTensor {
    let py = Locals(torch, ["logits": logits, "labels": labels])
    let shape = labels.shape
    py.logits = torch.to(py.logits, .float32)
    py.labels = torch.make("constant_pad_nd", [shape[0], shape[1] + 1], .int64)
    py.shift_labels = torch.contiguous(torch.slice(py.labels, 1, 0..<shape[1]))
    py.logits = torch.view(py.logits, [shape[0] * shape[1], model.vocab])
    py.shift_labels = torch.view(py.shift_labels, [shape[0] * shape[1]])
    py.loss = torch.crossEntropy(py.logits, py.shift_labels)
    return py.leave(py.loss)
  }

  // MARK: Modules

  func rmsNorm(_ name: String, _ x: TorchTensor, _ norm: NormModule) -> TorchTensor {
    torch.module(name, x) {
      let py = Locals(torch, ["hidden_states": x])
      py.hidden_states = torch.to(py.hidden_states, .float32)
      py.variance = torch.mean(torch.power(py.hidden_states))
      py.hidden_states = torch.multiply(
        py.hidden_states, torch.reciprocalRoot(torch.addNumber(py.variance)))
      return py.leave(torch.multiply(norm.weight, torch.to(py.hidden_states, x.dtype)))
    }
  }

  func layerNorm(_ x: TorchTensor, _ norm: NormModule) -> TorchTensor {
    guard let bias = norm.bias else { preconditionFailure("a LayerNorm has a bias") }
    return torch.layerNorm(x, norm.weight, bias)
  }

  /// A linear map, and PEFT's `lora.Linear` around it.
  func linear(_ name: String, _ x: TorchTensor, _ map: LinearMap) -> TorchTensor {
    guard let adapter = map.adapter else {
      return torch.module(name, x) { plain(x, map) }
    }
    return torch.module(name, x) {
      let py = Locals(torch, ["x": x])
      py.result = torch.module("base_layer", x) { plain(x, map) }
      let dtype = py.result.dtype
      py.x = torch.to(py.x, .float32)
      let hidden = torch.module("lora_A", py.x) { torch.linear(py.x, adapter.a, nil) }
      let product = torch.module("lora_B", hidden) { torch.linear(hidden, adapter.b, nil) }
      py.result = torch.add(py.result, torch.scale(product))
      py.result = torch.to(py.result, dtype)
      return py.leave(py.result)
    }
  }

  private func plain(_ x: TorchTensor, _ map: LinearMap) -> TorchTensor {
    guard map.isTransposed, let bias = map.bias else {
      return torch.linear(x, map.weight, map.bias)
    }
    // `Conv1D.forward`.
    let py = Locals(torch, ["x": x])
    let shape = Array(x.shape.dropLast()) + [map.weight.shape[1]]
    py.x = torch.addmm(
      bias, torch.view(py.x, [x.count / x.shape[x.shape.count - 1], map.weight.shape[0]]),
      map.weight)
    py.x = torch.view(py.x, shape)
    return py.leave(py.x)
  }
}
