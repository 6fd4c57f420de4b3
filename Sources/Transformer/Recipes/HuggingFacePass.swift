package import Autograd
import Ledger
import PyTorchOps
package import Tensors

/// The forward pass of Hugging Face's model code (transformers 5.23), as the ops that it runs in
/// PyTorch; nothing is computed.
///
/// ```
///   x = embed(ids)                       cos, sin = rotary(positions)
///   each layer   x = x + o_proj(attention(rotate(q), rotate(k), v)),  q k v of norm(x)
///                x = x + mlp(norm(x))
///   loss = cross_entropy(lm_head(norm(x)).float(), shifted labels)            over all rows
/// ```
package struct HuggingFacePass {
  /// Whose attention.
  package enum Attention: Sendable { case eager, sdpa }

  /// The rows of which logits are made.
  package enum Head: Sendable {
    case allRows
    /// The last of each sequence, at most: `logits_to_keep`.
    case lastRows(Int)
    /// None: TRL's fused head.
    case pieces
  }

  let decoder: Decoder
  let attention: Attention
  let head: Head
  /// Whether each layer is checkpointed, as `gradient_checkpointing_enable()` does it.
  let checkpointsLayers: Bool
  let batch: Int
  let tape: Tape
  /// All token numbers, `[B, n]`: the caller's.
  private let ids: Tensor

  /// The keys and values that a `DynamicCache` holds of one layer, `[B, S, K · D]`.
  package struct Cache {
    let k: Tensor
    let v: Tensor
  }

  var configuration: DecoderConfiguration { decoder.configuration }
  var tensors: TensorFactory { tape.tensors }
  private var isGPT2: Bool { configuration.family == .gpt2 }

  package init(
    _ decoder: Decoder, attention: Attention, head: Head = .allRows, checkpointsLayers: Bool,
    batch: Int, tokens: Int, on tape: Tape
  ) throws {
    (self.decoder, self.attention, self.batch) = (decoder, attention, batch)
    self.head = head
    (self.checkpointsLayers, self.tape) = (checkpointsLayers, tape)
    ids = try tape.tensors.make(
      "input_ids", .indices, Shape(.plain(batch), .tokens(0..<tokens)), .int64, for: .input)
  }

  /// Runs rows without a graph into a cache, as a prompt under `torch.no_grad()`.
  package func prefill(_ rows: Range<Int>, runs: LayerRuns) throws -> [Cache?] {
    var caches: [Cache?] = Array(repeating: nil, count: configuration.layers)
    guard !rows.isEmpty else { return caches }
    try tape.withoutRecording {
      var x = try embed(rows)
      let rotation = try rotation(rows)
      try runs.forEach(in: 0..<configuration.layers, on: tape) { layer in
        x = try inLayer(layer) {
          try self.layer(layer, x, rows: rows, rotation, cache: nil) { caches[layer] = $0 }
        }
      }
    }
    return caches
  }

  /// The loss of rows behind what the caches hold, `[1]`.
  package func loss(_ rows: Range<Int>, caches: [Cache?], runs: LayerRuns) throws -> Tensor {
    var caches = caches
    var x = try embed(rows)
    let rotation = try rotation(rows)
    let mask = try checkpointsLayers ? positionalMask(rows) : nil
    try runs.forEach(in: 0..<configuration.layers, on: tape) { layer in
      let cache = caches[layer]
      caches[layer] = nil
      x = try inLayer(layer) {
        guard checkpointsLayers else {
          return try self.layer(layer, x, rows: rows, rotation, cache: cache)
        }
        return try checkpointed(layer, x, rows: rows, rotation, mask: mask)
      }
    }
    x = try normalize(
      Op(.module(.finalNorm), name: isGPT2 ? "transformer.ln_f" : "model.norm"), x, decoder.norm)
    return try loss(of: x, rows: rows)
  }

  private func inLayer(_ layer: Int, _ body: () throws -> Variable) throws -> Variable {
    tape.layer = layer
    defer { tape.layer = nil }
    return try body()
  }

  // MARK: Ends

  private func embed(_ rows: Range<Int>) throws -> Variable {
    let shape = Shape(.plain(batch), .tokens(rows), .plain(configuration.dModel))
    let x = try tape.pytorchEmbedding(
      Op(.module(.embedding), name: isGPT2 ? "transformer.wte" : "model.embed_tokens"),
      decoder.embedding, indices: ids, view: [batch, rows.count], shape, decoder.dtype,
      addsToHead: decoder.configuration.tiedEmbeddings)
    guard let positions = decoder.positions else { return x }
    let op = Op(.module(.positions), name: "transformer.wpe")
    let numbers = try tape.op(op) {
      try tensors.make("position_ids", .indices, Shape(.plain(1), .tokens(rows)), .int64)
    }
    let learned = try tape.pytorchEmbedding(
      op, positions, indices: numbers, view: [1, rows.count],
      Shape(.plain(1), .tokens(rows), .plain(configuration.dModel)), decoder.dtype)
    return try tape.pytorchAdd(
      Op(.module(.positions), name: "transformer"), x, learned, as: .hidden)
  }

  private func rotation(_ rows: Range<Int>) throws -> PyTorchRotation? {
    guard case .rotary = configuration.positions else { return nil }
    let shape = Shape(.plain(1), .tokens(rows), .plain(configuration.dHead))
    return try tape.op(Op(.rotationTables, name: "model.rotary_emb")) {
      PyTorchRotation(
        cos: try tensors.make("cos", .rotation, shape, decoder.dtype),
        sin: try tensors.make("sin", .rotation, shape, decoder.dtype))
    }
  }

  // MARK: A layer

  /// The mask `[B, 1, T, T]` of eager attention where a layer takes it by position (gpt2), so that
  /// checkpointing saves it; what goes by name is kept by a closure, which no hook sees.
  private func positionalMask(_ rows: Range<Int>) throws -> Tensor? {
    guard isGPT2, attention == .eager else { return nil }
    return try tape.op(Op(.attention, name: "transformer")) {
      try tensors.make(
        "causal_mask", .attentionMask, Shape(.plain(batch), .plain(1), .tokens(rows), .keys(rows)),
        decoder.dtype)
    }
  }

  /// `x` is kept whatever is trained: checkpointing saves it by an op of its own.
  private func checkpointed(
    _ layer: Int, _ x: Variable, rows: Range<Int>, _ rotation: PyTorchRotation?, mask: Tensor?
  ) throws -> Variable {
    let y = try tape.withoutRecording {
      try self.layer(layer, Variable(x.value), rows: rows, rotation, cache: nil).value
    }
    return tape.op(Op(.layer)) {
      let saved = ([x.value] + (mask.map { [$0] } ?? [])).map {
        tape.save(
          $0, view: $0.shape.extents, as: "_NoopSaveInputsBackward.saved_tensors",
          neededFor: ["all gradients of the layer"])
      }
      let isNeeded = x.gradient != nil || decoder.layers[layer].isTrained
      let slot = isNeeded ? GradientSlot("hidden", .hidden, shape: y.shape, dtype: y.dtype) : nil
      tape.record { [tensors] in
        try withExtendedLifetime(saved) {
          guard let dy = slot?.take() else { return }
          let again = try inLayer(layer) {
            try self.layer(
              layer, Variable(x.value, gradient: x.gradient), rows: rows, rotation, cache: nil)
          }
          try again.gradient?.add(dy, from: tensors)
        }
      }
      return Variable(y, gradient: slot)
    }
  }

  private func layer(
    _ index: Int, _ x: Variable, rows: Range<Int>, _ rotation: PyTorchRotation?, cache: Cache?,
    keep: ((Cache) -> Void)? = nil
  ) throws -> Variable {
    let layer = decoder.layers[index]
    let first = Op(.module(.attentionNorm), name: isGPT2 ? "ln_1" : "input_layernorm")
    let second = Op(.module(.mlpNorm), name: isGPT2 ? "ln_2" : "post_attention_layernorm")
    let sum = Op(.residual, name: "layer")
    let branch = try attentionBranch(
      layer, normalize(first, x, layer.attentionNorm), rows: rows, rotation, cache: cache,
      keep: keep)
    let y = try tape.pytorchAdd(sum, x, branch, as: .hidden)
    return try tape.pytorchAdd(
      sum, y, mlp(layer, normalize(second, y, layer.mlpNorm)), as: .hidden)
  }

  private func normalize(_ op: Op, _ x: Variable, _ norm: Norm) throws -> Variable {
    switch norm {
    case .rms(let weight):
      try tape.pytorchRMSNorm(op, x, weight, of: .hidden, as: .normalized)
    case .layer(let weight, let bias): try tape.pytorchLayerNorm(op, x, weight, bias: bias)
    }
  }

  /// A linear map, and what PEFT's `lora.Linear` adds to it:
  /// `lora_B(lora_A(dropout(x))) * scaling`, in the adapter's type.
  private func project(
    _ name: String, _ module: Module, _ x: Variable, _ projection: Projection, width: Int,
    as role: TensorRole
  ) throws -> Variable {
    let op = Op(.module(module), name: name)
    let y = try tape.pytorchLinear(
      op, x, projection.weight.parameter, bias: projection.bias?.parameter, width: width, as: role)
    guard let adapter = projection.adapter else { return y }
    func part(_ part: Place.AdapterPart, _ name: String) -> Op {
      Op(.adapter(part, on: module), name: "\(op.name).\(name)")
    }
    let (a, b) = (adapter.a.parameter, adapter.b.parameter)
    var input = try tape.pytorchCast(op, x, .adapterInput, to: a.value.dtype)
    if adapter.dropout > 0 {
      input = try tape.pytorchDropout(part(.dropout, "lora_dropout"), input)
    }
    let hidden = try tape.pytorchLinear(
      part(.a, "lora_A"), input, a, bias: nil, width: a.value.extent(0), as: .adapterHidden)
    let product = try tape.pytorchLinear(
      part(.b, "lora_B"), hidden, b, bias: nil, width: width, as: .adapterHidden)
    let scaled = try tape.pytorch(
      op, as: "scaled", .adapterHidden, product.value.shape, product.value.dtype, from: [product])
    return try tape.pytorchCast(
      op, tape.pytorchAdd(op, scaled, y, as: role), role, to: y.value.dtype)
  }

  private func mlp(_ layer: DecoderLayer, _ x: Variable) throws -> Variable {
    let c = configuration
    switch layer.mlp {
    case .swiGLU(let gate, let up, let down):
      let gated = try project("mlp.gate_proj", .gate, x, gate, width: c.dFF, as: .inner)
      let activated = try tape.pytorchActivation(
        Op(.activation, name: "mlp.act_fn"), gated, node: "SiluBackward0")
      let factor = try project("mlp.up_proj", .up, x, up, width: c.dFF, as: .inner)
      let inner = try tape.pytorchMultiply(Op(.activation, name: "mlp"), activated, factor)
      return try project("mlp.down_proj", .down, inner, down, width: c.dModel, as: .hidden)
    case .gelu(_, let up, let down):
      let inner = try project("mlp.c_fc", .up, x, up, width: c.dFF, as: .inner)
      let op = Op(.activation, name: "mlp.act")
      let activated =
        c.activationName == "gelu_new"
        ? try tape.pytorchNewGELU(op, inner)
        : try tape.pytorchActivation(op, inner, node: "GeluBackward0")
      return try project("mlp.c_proj", .down, activated, down, width: c.dModel, as: .hidden)
    }
  }

  // MARK: Attention

  private func attentionBranch(
    _ layer: DecoderLayer, _ x: Variable, rows: Range<Int>, _ rotation: PyTorchRotation?,
    cache: Cache?, keep: ((Cache) -> Void)?
  ) throws -> Variable {
    let c = configuration
    let op = Op(.attention, name: isGPT2 ? "attn" : "self_attn")
    let q: PyTorchHeads
    var k: PyTorchHeads
    var v: PyTorchHeads
    (q, k, v) = try isGPT2 ? packedHeads(layer, x) : separateHeads(layer, x, rotation)
    if cache != nil || keep != nil {
      k = try tape.pytorchConcatenate(op, cache?.k, k)
      v = try tape.pytorchConcatenate(op, cache?.v, v)
    }
    let window = c.slidingWindow(ofLayer: layer.index)
    if let keep { keep(Cache(k: held(k, window), v: held(v, window))) }
    let heads = try core(op, q, k, v, window: window)
    return try project(
      isGPT2 ? "attn.c_proj" : "self_attn.o_proj", .attentionOutput, heads, layer.o,
      width: c.dModel, as: .hidden)
  }

  private func core(
    _ op: Op, _ q: PyTorchHeads, _ k: PyTorchHeads, _ v: PyTorchHeads, window: Int?
  ) throws -> Variable {
    let c = configuration
    switch attention {
    case .eager:
      return try tape.pytorchEagerAttention(
        op, q: q, k: tape.pytorchRepeat(op, k, to: c.heads),
        v: tape.pytorchRepeat(op, v, to: c.heads), dHead: c.dHead,
        probabilities: isGPT2 ? decoder.dtype : .float32)
    case .sdpa:
      // Without a mask, is_causal serves, and the kernel takes grouped heads as they are.
      let isMasked =
        (k.tokens != q.tokens && q.tokens > 1) || (window.map { k.tokens >= $0 } ?? false)
      let (k, v) =
        isMasked || c.dHead > 256
        ? (
          try tape.pytorchRepeat(op, k, to: c.heads),
          try tape.pytorchRepeat(op, v, to: c.heads)
        ) : (k, v)
      return try tape.pytorchFlashAttention(
        op, q: q, k: k, v: v, dHead: c.dHead, isMasked: isMasked)
    }
  }

  /// What a cache keeps of keys or values: under a window, a view of the last ones.
  private func held(_ x: PyTorchHeads, _ window: Int?) -> Tensor {
    let tensor = x.x.value
    guard let window, window > 1, x.tokens >= window else { return tensor }
    return tensor.sliced(1, x.tokens - (window - 1)..<x.tokens)
  }

  /// q, k and v of three products; q and k normed by head (Qwen3) and rotated.
  private func separateHeads(
    _ layer: DecoderLayer, _ x: Variable, _ rotation: PyTorchRotation?
  ) throws -> (q: PyTorchHeads, k: PyTorchHeads, v: PyTorchHeads) {
    let c = configuration
    func heads(
      _ name: String, _ module: Module, _ projection: Projection, norm: Parameter?,
      at place: Module,
      _ count: Int, as role: TensorRole
    ) throws -> PyTorchHeads {
      var y = try project(
        "self_attn.\(name)_proj", module, x, projection, width: count * c.dHead, as: role)
      if let norm {
        let split = y.value.splitting(2, inner: c.dHead)
        let view = tape.pytorch(split, as: "heads", role, from: [y], passes: true)
        y = try tape.pytorchRMSNorm(
          Op(.module(place), name: "self_attn.\(name)_norm"), view, norm, of: role, as: role)
        y = tape.pytorch(
          y.value.merging(2) ?? y.value, as: name, role, from: [y], passes: true)
      }
      return PyTorchHeads(x: y, role, heads: count, tokens: y.value.extent(1))
    }
    var q = try heads("q", .query, layer.q, norm: layer.qNorm, at: .queryNorm, c.heads, as: .query)
    var k = try heads("k", .key, layer.k, norm: layer.kNorm, at: .keyNorm, c.kvHeads, as: .key)
    let v = try heads("v", .value, layer.v, norm: nil, at: .value, c.kvHeads, as: .value)
    if let rotation {
      q.x = try tape.pytorchRotate(
        Op(.queryRotation, name: "self_attn"), q.x, as: .query, rotation)
      k.x = try tape.pytorchRotate(Op(.keyRotation, name: "self_attn"), k.x, as: .key, rotation)
    }
    return (q, k, v)
  }

  /// q, k and v as thirds of one product (gpt2): views, which keep all of it.
  private func packedHeads(
    _ layer: DecoderLayer, _ x: Variable
  ) throws -> (q: PyTorchHeads, k: PyTorchHeads, v: PyTorchHeads) {
    let c = configuration
    let all = try project(
      "attn.c_attn", .queryKeyValue, x, layer.q, width: 3 * c.dModel, as: .queryKeyValue)
    func third(_ index: Int, _ name: String, _ role: TensorRole) -> PyTorchHeads {
      let part = all.value.sliced(2, index * c.dModel..<(index + 1) * c.dModel)
      return PyTorchHeads(
        x: tape.pytorch(part, as: name, role, from: [all], passes: false), role,
        heads: c.heads, tokens: all.value.extent(1), isPart: true)
    }
    return (third(0, "q", .query), third(1, "k", .key), third(2, "v", .value))
  }
}
