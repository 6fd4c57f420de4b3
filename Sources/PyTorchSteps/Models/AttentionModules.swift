/// Attention of transformers' model code.
extension CausalModel {
  /// `LlamaAttention.forward`, and Qwen3's with its norms of heads: output, and eager's weights.
  func llamaAttention(
    _ layer: LayerModules, _ x: TorchTensor, mask: TorchTensor?, cos: TorchTensor,
    sin: TorchTensor
  ) -> [TorchTensor] {
    let py = Locals(torch, ["hidden_states": x, "attention_mask": mask])
    let (batch, tokens) = (x.shape[0], x.shape[1])
    func heads(_ name: String, _ place: Int) -> TorchTensor {
      let flat = linear("\(name)_proj", py.hidden_states, layer.projections[place])
      var split = torch.view(
        flat, [batch, tokens, flat.shape[2] / model.headWidth, model.headWidth])
      if layer.headNorms.indices.contains(place) {
        split = rmsNorm("\(name)_norm", split, layer.headNorms[place])
      }
      return torch.transpose(split, 1, 2)
    }
    py.query_states = heads("q", 0)
    py.key_states = heads("k", 1)
    py.value_states = heads("v", 2)
    (py.cos, py.sin) = (cos, sin)
    let (q, k) = rotate(py.query_states, py.key_states, cos, sin)
    torch.hold(k)
    py.query_states = q
    py.key_states = torch.hand(k)
    let results =
      model.attention == .sdpa
      ? sdpa(py.query_states, py.key_states, py.value_states, mask: mask)
      : eager(py.query_states, py.key_states, py.value_states, mask: mask)
    (py.attn_output) = results[0]
    if results.count > 1 { py.attn_weights = results[1] }
    py.attn_output = torch.contiguous(
      torch.reshape(py.attn_output, [batch, tokens, model.heads * model.headWidth]))
    py.attn_output = linear("o_proj", py.attn_output, layer.output)
    return py.leave([py.attn_output] + (results.count > 1 ? [py.attn_weights] : []))
  }

  /// `GPT2Attention.forward`.
  func gpt2Attention(
    _ layer: LayerModules, _ x: TorchTensor, mask: TorchTensor?
  ) -> [TorchTensor] {
    let py = Locals(torch, ["hidden_states": x, "attention_mask": mask])
    let (batch, tokens) = (x.shape[0], x.shape[1])
    func heads(_ part: TorchTensor) -> TorchTensor {
      torch.transpose(
        torch.view(part, [batch, tokens, model.heads, model.headWidth]), 1, 2)
    }
    let parts = torch.split(
      linear("c_attn", py.hidden_states, layer.projections[0]), 2, into: 3)
    for part in parts { torch.hold(part) }
    py.query_states = parts[0]
    py.key_states = parts[1]
    py.value_states = parts[2]
    for part in parts { _ = torch.hand(part) }
    py.key_states = heads(py.key_states)
    py.value_states = heads(py.value_states)
    py.query_states = heads(py.query_states)
    let results =
      model.attention == .sdpa
      ? sdpa(py.query_states, py.key_states, py.value_states, mask: mask)
      : eager(py.query_states, py.key_states, py.value_states, mask: mask)
    py.attn_output = results[0]
    if results.count > 1 { py.attn_weights = results[1] }
    py.attn_output = torch.contiguous(
      torch.reshape(py.attn_output, [batch, tokens, model.heads * model.headWidth]))
    py.attn_output = linear("c_proj", py.attn_output, layer.output)
    return py.leave([py.attn_output] + (results.count > 1 ? [py.attn_weights] : []))
  }

  /// `apply_rotary_pos_emb`.
  private func rotate(
    _ q: TorchTensor, _ k: TorchTensor, _ cos: TorchTensor, _ sin: TorchTensor
  ) -> (TorchTensor, TorchTensor) {
    let py = Locals(torch, ["q": q, "k": k, "cos": cos, "sin": sin])
    py.cos = torch.unsqueeze(py.cos, 1)
    py.sin = torch.unsqueeze(py.sin, 1)
    py.q_embed = torch.add(
      torch.multiply(py.q, py.cos), torch.multiply(rotateHalf(py.q), py.sin))
    py.k_embed = torch.add(
      torch.multiply(py.k, py.cos), torch.multiply(rotateHalf(py.k), py.sin))
    let results = py.leave([py.q_embed, py.k_embed])
    return (results[0], results[1])
  }

  private func rotateHalf(_ x: TorchTensor) -> TorchTensor {
    let py = Locals(torch, ["x": x])
    let (axis, half) = (x.shape.count - 1, model.headWidth / 2)
    py.x1 = torch.slice(x, axis, 0..<half)
    py.x2 = torch.slice(x, axis, half..<2 * half)
    return py.leave(torch.cat([torch.negate(py.x2), py.x1], axis))
  }

  /// `repeat_kv`.
  private func repeated(_ x: TorchTensor) -> TorchTensor {
    guard model.groups > 1 else { return x }
    let py = Locals(torch, ["hidden_states": x])
    let s = x.shape
    py.hidden_states = torch.expand(
      torch.unsqueeze(x, 2), [s[0], s[1], model.groups, s[2], s[3]])
    return py.leave(torch.reshape(py.hidden_states, [s[0], model.heads, s[2], s[3]]))
  }

  /// `sdpa_attention_forward`.
  private func sdpa(
    _ q: TorchTensor, _ k: TorchTensor, _ v: TorchTensor, mask: TorchTensor?
  ) -> [TorchTensor] {
    let py = Locals(torch, ["query": q, "key": k, "value": v, "attention_mask": mask])
    if model.groups > 1, mask != nil || model.headWidth > 256 {
      py.key = repeated(py.key)
      py.value = repeated(py.value)
    }
    py.attn_output = torch.scaledDotProduct(py.query, py.key, py.value, mask: mask)
    py.attn_output = torch.reshape(py.attn_output, py.attn_output.shape)
    py.attn_output = torch.contiguous(torch.transpose(py.attn_output, 1, 2))
    return py.leave([py.attn_output])
  }

  /// `eager_attention_forward`.
  private func eager(
    _ q: TorchTensor, _ k: TorchTensor, _ v: TorchTensor, mask: TorchTensor?
  ) -> [TorchTensor] {
    let py = Locals(torch, ["query": q, "key": k, "value": v, "attention_mask": mask])
    if !isGPT2 {
      py.key_states = repeated(py.key)
      py.value_states = repeated(py.value)
    }
    let (keys, values) = isGPT2 ? (py.key, py.value) : (py.key_states, py.value_states)
    py.attn_weights = torch.scale(torch.matmul(py.query, torch.transpose(keys, 2, 3)))
    if let mask { py.attn_weights = torch.add(py.attn_weights, mask) }
    py.attn_weights = torch.to(
      torch.softmax(py.attn_weights, dtype: isGPT2 ? nil : .float32), q.dtype)
    py.attn_output = torch.matmul(py.attn_weights, values)
    py.attn_output = torch.transpose(py.attn_output, 1, 2)
    if !isGPT2 { py.attn_output = torch.contiguous(py.attn_output) }
    return py.leave([py.attn_output, py.attn_weights])
  }
}
