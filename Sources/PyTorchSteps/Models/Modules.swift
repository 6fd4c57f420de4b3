/// The modules of a model, made in the order in which transformers makes them.
final class Modules {
  let model: TrainedModel
  private let torch: Torch
  /// All parameters, in the order of `model.parameters()`.
  private(set) var parameters: [TorchTensor] = []
  private(set) var embedding: TorchTensor
  private(set) var positions: TorchTensor?
  private(set) var layers: [LayerModules] = []
  private(set) var norm: NormModule
  private(set) var head: LinearMap
  private(set) var frequencies: [TorchTensor] = []

  init(_ model: TrainedModel, on torch: Torch) {
    (self.model, self.torch) = (model, torch)
    let made = Builder(model, torch)
    let isGPT2 = model.family == .gpt2
    let body = isGPT2 ? "transformer" : "model"
    embedding = made.parameter(
      isGPT2 ? "transformer.wte" : "model.embed_tokens", "weight", [model.vocab, model.width])
    if isGPT2 {
      positions = made.parameter("transformer.wpe", "weight", [model.positions, model.width])
    }
    for layer in 0..<model.layers {
      layers.append(
        isGPT2
          ? made.gpt2Layer("transformer.h.\(layer)") : made.llamaLayer("model.layers.\(layer)"))
    }
    norm = made.norm("\(body).\(isGPT2 ? "ln_f" : "norm")", model.width)
    if !isGPT2 { frequencies = made.rotaryFrequencies() }
    head = LinearMap(
      weight: model.isTied
        ? made.tied(to: embedding) : made.parameter("lm_head", "weight", embedding.shape),
      bias: nil, isTransposed: false)
    made.addAdapters()
    parameters = made.trainable
  }
}

/// Makes parameters, and remembers which are trained.
private final class Builder {
  private let model: TrainedModel
  private let torch: Torch
  private var listed: [(name: String, tensor: TorchTensor)] = []
  private var maps: [(name: String, map: LinearMap)] = []
  private var adapted: [ObjectIdentifier: [TorchTensor]] = [:]

  init(_ model: TrainedModel, _ torch: Torch) { (self.model, self.torch) = (model, torch) }

  /// Trained parameters in the order of modules, an adapter's behind those of its linear map.
  var trainable: [TorchTensor] {
    listed.flatMap { name, tensor -> [TorchTensor] in
      (model.isTrained(name) ? [tensor] : [])
        + (adapted[ObjectIdentifier(tensor)] ?? [])
    }
  }

  func parameter(
    _ module: String, _ name: String, _ shape: [Int], op: String = "empty",
    dtype: ElementType? = nil, isListed: Bool = true
  ) -> TorchTensor {
    let x = torch.inModules(module.isEmpty ? [] : [module]) {
      torch.make(
        torch.device.isCUDA ? "_to_copy" : op, shape, dtype ?? model.dtype, role: .parameter)
    }
    torch.hold(x)
    x.isParameter = true
    if isListed {
      listed.append(("\(module).\(name)", x))
      x.requiresGradient = model.isTrained("\(module).\(name)")
    }
    return x
  }

  /// A head's weight, which on a CPU was made before it was tied.
  func tied(to embedding: TorchTensor) -> TorchTensor {
    if !torch.device.isCUDA { torch.consume(torch.make("empty", embedding.shape, model.dtype)) }
    return embedding
  }

  func norm(_ module: String, _ width: Int) -> NormModule {
    let isGPT2 = model.family == .gpt2
    let weight = parameter(module, "weight", [width], op: isGPT2 ? "empty" : "ones")
    return NormModule(weight: weight, bias: isGPT2 ? parameter(module, "bias", [width]) : nil)
  }

  func linear(_ module: String, _ width: Int, _ out: Int, bias: Bool) -> LinearMap {
    let weight = parameter(module, "weight", [out, width])
    let map = LinearMap(
      weight: weight, bias: bias ? parameter(module, "bias", [out]) : nil, isTransposed: false)
    maps.append((module, map))
    return map
  }

  private func convolution(_ module: String, _ width: Int, _ out: Int) -> LinearMap {
    let weight = parameter(module, "weight", [width, out])
    let map = LinearMap(
      weight: weight, bias: parameter(module, "bias", [out], op: "zeros"), isTransposed: true)
    maps.append((module, map))
    return map
  }

  func gpt2Layer(_ base: String) -> LayerModules {
    let (width, inner) = (model.width, model.innerWidth)
    let first = norm("\(base).ln_1", width)
    let joint = convolution("\(base).attn.c_attn", width, 3 * width)
    let output = convolution("\(base).attn.c_proj", width, width)
    let second = norm("\(base).ln_2", width)
    let up = convolution("\(base).mlp.c_fc", width, inner)
    let down = convolution("\(base).mlp.c_proj", inner, width)
    return LayerModules(
      firstNorm: first, projections: [joint], headNorms: [], output: output, secondNorm: second,
      inner: [up, down])
  }

  func llamaLayer(_ base: String) -> LayerModules {
    let m = model
    let (queries, keys) = (m.heads * m.headWidth, m.kvHeads * m.headWidth)
    func map(_ name: String, _ width: Int, _ out: Int, _ bias: Bool) -> LinearMap {
      linear("\(base).\(name)", width, out, bias: bias)
    }
    let projections = [
      map("self_attn.q_proj", m.width, queries, m.hasQueryBias),
      map("self_attn.k_proj", m.width, keys, m.hasQueryBias),
      map("self_attn.v_proj", m.width, keys, m.hasQueryBias),
    ]
    let output = map("self_attn.o_proj", queries, m.width, m.hasOutputBias)
    let headNorms =
      m.family == .qwen3
      ? ["q_norm", "k_norm"].map { norm("\(base).self_attn.\($0)", m.headWidth) } : []
    let inner = [
      map("mlp.gate_proj", m.width, m.innerWidth, m.hasInnerBias),
      map("mlp.up_proj", m.width, m.innerWidth, m.hasInnerBias),
      map("mlp.down_proj", m.innerWidth, m.width, m.hasInnerBias),
    ]
    return LayerModules(
      firstNorm: norm("\(base).input_layernorm", m.width), projections: projections,
      headNorms: headNorms, output: output,
      secondNorm: norm("\(base).post_attention_layernorm", m.width), inner: inner)
  }

  /// `1.0 / (base ** (torch.arange(0, dim, 2) / dim))`, and the buffer that keeps a copy.
  func rotaryFrequencies() -> [TorchTensor] {
    let shape = [model.headWidth / 2]
    if torch.device.isCUDA {
      return torch.inModules(["model.rotary_emb"]) {
        (0..<2).map { _ in
          let buffer = torch.make("_to_copy", shape, .float32, role: .buffer)
          torch.hold(buffer)
          return buffer
        }
      }
    }
    func number(_ op: String, of x: TorchTensor) -> TorchTensor {
      torch.unary(op, x, node: "") { $1.gradient }
    }
    let isPlain = model.rotary == .plain
    let counts =
      isPlain
      ? torch.make("arange", shape, .float32)
      : torch.to(torch.make("arange", shape, .int64), .float32)
    let power = number("pow", of: number("div", of: counts))
    let inverse = torch.elementwise("reciprocal", [power])
    let plain = torch.inModules(isPlain ? ["model.rotary_emb"] : []) {
      torch.make("mul", shape, .float32, role: .buffer)
    }
    torch.hold(plain)
    torch.consume(inverse)
    torch.consume(power)
    let own = isPlain ? plain : scaledFrequencies(plain)
    return torch.inModules(["model.rotary_emb"]) {
      let original = torch.make("clone", shape, .float32, role: .buffer)
      torch.hold(original)
      return [own, original]
    }
  }

  /// `_compute_llama3_parameters`, from the frequencies on.
  private func scaledFrequencies(_ plain: TorchTensor) -> TorchTensor {
    let py = Locals(torch, ["inv_freq": plain])
    torch.drop(plain)
    let shape = plain.shape
    func make(_ op: String, _ operands: TorchTensor..., dtype: ElementType = .float32)
      -> TorchTensor
    {
      let y = torch.make(op, shape, dtype)
      torch.consume(operands)
      return y
    }
    py.wavelen = make("mul", make("reciprocal"))
    let isLong = make("gt", dtype: .bool)
    py.inv_freq_llama = make("where", isLong, make("div"))
    py.smooth_factor = make("div", make("sub", make("mul", make("reciprocal"))))
    let slow = make("div", make("mul", make("rsub")))
    py.smoothed_inv_freq = make("add", slow, make("mul"))
    let isNotShort = make("bitwise_not", make("lt", dtype: .bool), dtype: .bool)
    py.is_medium_freq = make(
      "mul", isNotShort, make("bitwise_not", make("gt", dtype: .bool), dtype: .bool), dtype: .bool)
    let result = torch.inModules(["model.rotary_emb"]) {
      torch.make("where", shape, .float32, role: .buffer)
    }
    torch.hold(result)
    py.leaveInOrder(["inv_freq_llama", "inv_freq", "wavelen"])
    return result
  }

  /// PEFT's adapters: made in float32, taken into the model's type, and back into float32.
  func addAdapters() {
    for (name, map) in maps {
      guard let rank = model.adapters[name] else { continue }
      let shape = map.isTransposed ? map.weight.shape.reversed() : map.weight.shape
      let made = [[rank, shape[1]], [shape[0], rank]].map { shape in
        parameter(
          "", "", shape, dtype: torch.device.isCUDA ? model.dtype : .float32, isListed: false)
      }
      adapted[map.place] =
        made[0].dtype == model.dtype ? made : made.map { recast($0, to: model.dtype, in: []) }
    }
    for (name, map) in maps {
      guard var pair = adapted[map.place] else { continue }
      if model.dtype != .float32 {
        pair = zip(pair, ["lora_A", "lora_B"]).map {
          recast($0, to: .float32, in: ["\(name).\($1).default"])
        }
        adapted[map.place] = pair
      }
      for each in pair { each.requiresGradient = true }
      map.adapter = (pair[0], pair[1])
    }
  }

  /// `parameter.data = parameter.data.to(dtype)`.
  private func recast(_ x: TorchTensor, to dtype: ElementType, in modules: [String])
    -> TorchTensor
  {
    let y = torch.inModules(modules) {
      torch.make("_to_copy", x.shape, dtype, role: .parameter)
    }
    torch.hold(y)
    y.isParameter = true
    torch.drop(x)
    return y
  }
}
