package import Ledger
package import Safetensors
import Spelling

/// A tensor that a checkpoint of a configuration holds.
package struct ExpectedTensor: Hashable, Sendable {
  /// Its name in `named_parameters()` of the model with its head.
  package let name: String
  /// What the model does with it.
  package let role: ParameterRole
  /// The layer that it stands in.
  package let layer: Int?
  /// Extents as stored: `[out, in]`, but `[in, out]` for GPT-2's `Conv1D`.
  package let shape: [Int]

  package init(name: String, role: ParameterRole, layer: Int? = nil, shape: [Int]) {
    (self.name, self.role, self.layer, self.shape) = (name, role, layer, shape)
  }

  /// Elements; a configuration within the limits of a point cannot overflow it.
  package var count: Int { shape.reduce(1, *) }
}

/// Where a parameter's values are found.
package struct WeightSource: Hashable, Sendable {
  package let parameter: ExpectedTensor
  /// The name in the checkpoint, which may lack `model.` or `transformer.`.
  package let stored: String
}

/// The tensors of a configuration's checkpoint, under Hugging Face's names.
package struct WeightMap: Sendable {
  package let configuration: DecoderConfiguration
  /// Every parameter in the order of the forward pass; a tied head is the embedding.
  package let tensors: [ExpectedTensor]
  /// The head's name; a checkpoint with a tied head may hold it and need not.
  package static let head = "lm_head.weight"
  /// The layers of the checkpoint, of which the configuration may be the first few.
  private let storedLayers: Int

  /// The map of a configuration.
  ///
  /// - Parameters:
  ///   - configuration: What is to be filled.
  ///   - storedLayers: The layers of the checkpoint, if the configuration has fewer.
  package init(_ configuration: DecoderConfiguration, storedLayers: Int? = nil) {
    self.configuration = configuration
    self.storedLayers = max(storedLayers ?? 0, configuration.layers)
    tensors = Self.tensors(of: configuration)
  }

  /// Elements of all parameters together.
  package var parameterCount: Int { tensors.reduce(0) { $0 + $1.count } }

  /// The embedding's name.
  package var embedding: String { configuration.embeddingModule + ".weight" }

  /// What names have in front that a checkpoint of the model without its head lacks.
  private var prefix: String { configuration.family == .gpt2 ? "transformer." : "model." }

  // MARK: Names and shapes

  private static func tensors(of c: DecoderConfiguration) -> [ExpectedTensor] {
    let isGPT2 = c.family == .gpt2
    var tensors: [ExpectedTensor] = []
    var layer: Int?
    func add(_ name: String, _ module: Module, _ kind: ParameterRole.Kind, _ shape: [Int]) {
      tensors.append(
        ExpectedTensor(
          name: name, role: ParameterRole(module, kind), layer: layer, shape: shape))
    }
    /// A module's tensors, and the copies that are trained in their place.
    func addModule(_ name: String, _ module: Module, _ weight: [Int], bias: Bool = false) {
      for prefix in c.adapter?.isSaved(name) == true ? ["", AdapterConfiguration.prefix] : [""] {
        add("\(prefix)\(name).weight", module, .weight, weight)
        if bias { add("\(prefix)\(name).bias", module, .bias, [c.dModel]) }
      }
    }
    func addNorm(_ name: String, _ module: Module) {
      addModule(name, module, [c.dModel], bias: isGPT2)
    }
    func addLinear(_ map: LinearMap) {
      let matrix = isGPT2 ? [map.input, map.output] : [map.output, map.input]
      add("\(map.module).weight", map.kind, .weight, matrix)
      if map.hasBias { add("\(map.module).bias", map.kind, .bias, [map.output]) }
      guard let adapter = c.adapter, adapter.isTarget(map.module) else { return }
      let names = AdapterConfiguration.names(of: map.module)
      add(names.a, map.kind, .adapterA, [adapter.rank, map.input])
      add(names.b, map.kind, .adapterB, [map.output, adapter.rank])
    }
    addModule(c.embeddingModule, .embedding, [c.vocab, c.dModel])
    if case .learned(let most) = c.positions {
      addModule("transformer.wpe", .positions, [most, c.dModel])
    }
    for index in 0..<c.layers {
      layer = index
      let base = isGPT2 ? "transformer.h.\(index)" : "model.layers.\(index)"
      addNorm("\(base).\(isGPT2 ? "ln_1" : "input_layernorm")", .attentionNorm)
      for map in c.linearMaps(ofLayer: index) {
        // Those of heads stand between the projections that make them and the one that joins them.
        if c.queryKeyNorm, map.kind == .attentionOutput {
          addModule("\(base).self_attn.q_norm", .queryNorm, [c.dHead])
          addModule("\(base).self_attn.k_norm", .keyNorm, [c.dHead])
        }
        addLinear(map)
        if map.kind == .attentionOutput {
          addNorm("\(base).\(isGPT2 ? "ln_2" : "post_attention_layernorm")", .mlpNorm)
        }
      }
    }
    layer = nil
    addNorm(isGPT2 ? "transformer.ln_f" : "model.norm", .finalNorm)
    if !c.tiedEmbeddings { addModule("lm_head", .head, [c.vocab, c.dModel]) }
    return tensors
  }

  // MARK: Matching a checkpoint

  /// Finds every parameter in a checkpoint and accounts for everything that the checkpoint holds.
  ///
  /// - Throws: `WeightsError` for a parameter that is missing, of another shape or unreadable, for
  ///   a tensor that the configuration has no use for, or for a tied head that differs.
  package func match(_ weights: ModelWeights) throws(WeightsError) -> [WeightSource] {
    var sources: [WeightSource] = []
    var missing: [String] = []
    for tensor in tensors where !AdapterConfiguration.owns(tensor.name) {
      if let stored = storedName(of: tensor.name, in: weights) {
        try check(stored, against: tensor, in: weights)
        sources.append(WeightSource(parameter: tensor, stored: stored))
      } else {
        missing.append(tensor.name)
      }
    }
    if let first = missing.first {
      throw WrappedName.error(for: first, in: weights)
        ?? missingError(first, missing.count, weights)
    }
    try checkTiedHead(sources, in: weights)
    let used = Set(sources.map(\.stored) + (configuration.tiedEmbeddings ? [Self.head] : []))
    let extra = weights.names.filter { !used.contains($0) && !isIgnored($0) }
    if let first = extra.first {
      throw WeightsError(
        file: weights.path, tensor: first,
        "\(others(extra.count)) not of this configuration (\(configuration.family.rawValue), "
          + "\(storedLayers) layers); do weights and configuration belong together?")
    }
    return sources
  }

  /// Finds every parameter of the adapter in its file and accounts for everything in there.
  ///
  /// - Throws: as above.
  package func match(adapter weights: ModelWeights) throws(WeightsError) -> [WeightSource] {
    let wanted = tensors.filter { AdapterConfiguration.owns($0.name) }
    for tensor in wanted {
      guard weights.tensor(named: tensor.name) != nil else {
        throw WrappedName.error(for: tensor.name, in: weights)
          ?? WeightsError(
            file: weights.path, tensor: tensor.name,
            "is missing, but the adapter's configuration needs it; do file and configuration "
              + "belong together?")
      }
      try check(tensor.name, against: tensor, in: weights)
    }
    let names = Set(wanted.map(\.name))
    let extra = weights.names.filter { !names.contains($0) && !isOfLaterLayer($0) }
    if let first = extra.first {
      throw WeightsError(
        file: weights.path, tensor: first,
        "\(others(extra.count)) not of this adapter's configuration and model")
    }
    return wanted.map { WeightSource(parameter: $0, stored: $0.name) }
  }

  /// Whether a name is of a layer beyond those that were asked for.
  private func isOfLaterLayer(_ name: String) -> Bool {
    let layer = name.split(separator: ".").lazy.compactMap { Int($0) }.first
    return layer.map { $0 >= configuration.layers } ?? false
  }

  /// The name under which a parameter is stored; a tied embedding may be stored as the head.
  private func storedName(of name: String, in weights: ModelWeights) -> String? {
    var candidates = [name]
    if name.hasPrefix(prefix) { candidates.append(String(name.dropFirst(prefix.count))) }
    if name == embedding && configuration.tiedEmbeddings { candidates.append(Self.head) }
    return candidates.first { weights.tensor(named: $0) != nil }
  }

  private func check(
    _ stored: String, against expected: ExpectedTensor, in weights: ModelWeights
  ) throws(WeightsError) {
    guard let tensor = weights.tensor(named: stored) else { return }
    if tensor.shape != expected.shape {
      throw WeightsError(
        file: try weights.file(of: stored).path, tensor: stored,
        "has shape \(list(tensor.shape)), but the configuration makes it \(list(expected.shape))")
    }
    if !tensor.dtype.isReadable {
      throw WeightsError(
        file: try weights.file(of: stored).path, tensor: stored,
        "is stored as \(quoted(tensor.dtype.name)); Ballast reads F32, F16 and BF16")
    }
  }

  private func missingError(
    _ name: String, _ count: Int, _ weights: ModelWeights
  ) -> WeightsError {
    let hint =
      name == Self.head
      ? "set \"tie_word_embeddings\" to true if the head is the embedding"
      : "do weights and configuration belong together?"
    return WeightsError(
      file: weights.path, tensor: name,
      "\(others(count)) missing, but the configuration needs \(count == 1 ? "it" : "them"); \(hint)"
    )
  }

  private func others(_ count: Int) -> String { count == 1 ? "is" : "and \(count - 1) more are" }

  /// A tied head that is stored beside the embedding must hold the same bytes.
  private func checkTiedHead(
    _ sources: [WeightSource], in weights: ModelWeights
  ) throws(WeightsError) {
    guard configuration.tiedEmbeddings, weights.tensor(named: Self.head) != nil,
      let source = sources.first(where: { $0.parameter.name == embedding }),
      source.stored != Self.head
    else { return }
    try check(Self.head, against: source.parameter, in: weights)
    let headFile = try weights.file(of: Self.head)
    let file = try weights.file(of: source.stored)
    let isSame = try headFile.hasSameBytes(Self.head, as: source.stored, in: file)
    if !isSame {
      throw WeightsError(
        file: headFile.path, tensor: Self.head,
        "differs from \(quoted(source.stored)), but the configuration ties them; "
          + "set \"tie_word_embeddings\" to false")
    }
  }

  /// Buffers that old checkpoints hold, and layers beyond those that were asked for.
  private func isIgnored(_ name: String) -> Bool {
    let bare = name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
    let layerPrefix = configuration.family == .gpt2 ? "h." : "layers."
    if bare == "rotary_emb.inv_freq" { return configuration.family != .gpt2 }
    guard bare.hasPrefix(layerPrefix) else { return false }
    let parts = bare.dropFirst(layerPrefix.count).split(
      separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let layer = Int(parts[0]), layer >= 0, layer < storedLayers else {
      return false
    }
    if layer >= configuration.layers { return true }
    return configuration.family == .gpt2
      ? parts[1] == "attn.bias" || parts[1] == "attn.masked_bias"
      : parts[1] == "self_attn.rotary_emb.inv_freq"
  }
}
