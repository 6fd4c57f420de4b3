import Files
import Spelling
import Transformer

extension HuggingFaceConfiguration {
  /// Defaults of `LlamaConfig`, `MistralConfig`, `Qwen2Config` and `Qwen3Config`.
  private struct Defaults {
    var vocab = 32000
    var dFF = 11008
    /// Nil: as many as query heads.
    var kvHeads: Int?
    /// Nil: `hidden_size / num_attention_heads`.
    var dHead: Int?
    var contextLength = 2048

    init(_ family: DecoderConfiguration.Family) {
      switch family {
      case .gpt2, .llama: break
      case .mistral: (dFF, kvHeads, contextLength) = (14336, 8, 4096 * 32)
      case .qwen2, .qwen3:
        (vocab, dFF, kvHeads, contextLength) = (151_936, 22016, 32, 32768)
        dHead = family == .qwen3 ? 128 : nil
      }
    }
  }

  /// The families with RMSNorm, rotary positions and SwiGLU.
  static func llamaType(
    _ family: DecoderConfiguration.Family, _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> DecoderConfiguration {
    let defaults = Defaults(family)
    let layers = try fields.integer("num_hidden_layers", default: 32, in: Limit.layers)
    let dModel = try fields.integer("hidden_size", default: 4096, in: Limit.width)
    let context = try fields.integer(
      "max_position_embeddings", default: defaults.contextLength, in: Limit.positions)
    let vocab = try fields.integer("vocab_size", default: defaults.vocab, in: Limit.vocab)
    let (heads, kvHeads, dHead) = try headSizes(family, dModel: dModel, defaults, &fields)
    try requireSiLU(&fields)
    try refuseDropout(&fields)
    let attentionBias =
      family == .llama || family == .qwen3
      ? try fields.boolean("attention_bias", default: false) : false
    let positions = try rotary(contextLength: context, dHead: dHead, &fields)
    let (window, slidingLayers) = try slidingWindow(family, layers: layers, &fields)
    return DecoderConfiguration(
      layers: layers, dModel: dModel, heads: heads, kvHeads: kvHeads, dHead: dHead,
      dFF: try fields.integer("intermediate_size", default: defaults.dFF, in: Limit.inner),
      vocab: vocab, normEpsilon: try epsilon("rms_norm_eps", default: 1e-6, &fields),
      tiedEmbeddings: try fields.boolean("tie_word_embeddings", default: false),
      family: family, positions: positions,
      queryKeyValueBias: attentionBias || family == .qwen2, outputBias: attentionBias,
      mlpBias: family == .llama ? try fields.boolean("mlp_bias", default: false) : false,
      queryKeyNorm: family == .qwen3, slidingWindow: window, slidingLayers: slidingLayers,
      paddingToken: try paddingToken(vocab: vocab, &fields), contextLength: context)
  }

  private static func headSizes(
    _ family: DecoderConfiguration.Family, dModel: Int, _ defaults: Defaults,
    _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> (heads: Int, kvHeads: Int, dHead: Int) {
    let heads = try fields.integer("num_attention_heads", default: 32, in: Limit.heads)
    let kvHeads: Int
    if let given = try fields.optionalInteger("num_key_value_heads", in: Limit.heads) {
      kvHeads = given
    } else {
      // Null means as many as query heads; absence means the family's default.
      kvHeads =
        fields.value("num_key_value_heads") == .null ? heads : defaults.kvHeads ?? heads
    }
    if heads % kvHeads != 0 {
      throw fields.error(
        "\"num_attention_heads\" \(heads) is not divisible by \"num_key_value_heads\" \(kvHeads)")
    }
    // A null head_dim is the default of every family but Qwen3, which cannot run with one.
    if family == .qwen3 { _ = try fields.integer("head_dim", default: 0, in: Limit.heads) }
    var dHead = try fields.optionalInteger("head_dim", in: Limit.heads) ?? defaults.dHead
    if dHead == nil {
      if dModel % heads != 0 {
        throw fields.error(
          "\"hidden_size\" \(dModel) is not divisible by \"num_attention_heads\" \(heads); "
            + "give \"head_dim\"")
      }
      dHead = dModel / heads
    }
    let width = dHead ?? 0
    if width % 2 != 0 {
      throw fields.error("heads of width \(width) cannot rotate; \"head_dim\" must be even")
    }
    // heads and width are at most 2¹⁶ each.
    if heads * width > 1 << 24 {
      throw fields.error("\(heads) heads of width \(width) are wider than \(1 << 24) together")
    }
    return (heads, kvHeads, width)
  }

  private static func requireSiLU(_ fields: inout ConfigurationFields) throws(ConfigurationError) {
    let activation = try fields.optionalString("hidden_act") ?? "silu"
    if activation != "silu" && activation != "swish" {
      throw fields.error(
        "\"hidden_act\" \(quoted(activation)) is not built for model_type "
          + "\(quoted(fields.modelType ?? "")); Ballast has silu")
    }
  }

  private static func refuseDropout(_ fields: inout ConfigurationFields) throws(ConfigurationError)
  {
    guard fields.has("attention_dropout") else { return }
    let dropout = try fields.probability("attention_dropout", default: 0)
    if dropout != 0 {
      throw fields.error(
        "\"attention_dropout\" \(dropout) is not built; only GPT-2 has dropout, set it to 0")
    }
  }

  /// The token whose embedding gets no gradient: `nn.Embedding` counts a negative one from the end.
  private static func paddingToken(
    vocab: Int, _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> Int? {
    guard let token = try fields.optionalInteger("pad_token_id", in: -vocab...(vocab - 1)) else {
      return nil
    }
    return token < 0 ? vocab + token : token
  }

  // MARK: Sliding windows

  private static func slidingWindow(
    _ family: DecoderConfiguration.Family, layers: Int, _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> (Int?, DecoderConfiguration.SlidingLayers) {
    switch family {
    case .gpt2: return (nil, .all)
    case .llama:
      guard let listed = try layerTypes(layers: layers, &fields), listed.contains(true) else {
        return (nil, .all)
      }
      throw fields.error(
        "\"layer_types\" has sliding_attention, and model_type \"llama\" has no window")
    case .mistral:
      // Absent is 4096, null is none (MistralConfig).
      let given = try fields.optionalInteger("sliding_window", in: Limit.positions)
      let window = fields.value("sliding_window") == .null ? nil : given ?? 4096
      if let listed = try layerTypes(layers: layers, &fields),
        listed.contains(where: { $0 != (window != nil) })
      {
        throw fields.error(
          "\"layer_types\" disagrees with \"sliding_window\"; model_type \"mistral\" has one kind")
      }
      return (window, .all)
    case .qwen2, .qwen3:
      let isUsed = try fields.boolean("use_sliding_window", default: false)
      let given = try fields.optionalInteger("sliding_window", in: Limit.positions)
      let isNull = fields.value("sliding_window") == .null
      let window = isUsed && !isNull ? given ?? 4096 : nil
      let first = try fields.integer("max_window_layers", default: 28, in: 0...(1 << 30))
      guard let listed = try layerTypes(layers: layers, &fields) else {
        return (window, window == nil ? .all : .from(first))
      }
      if window == nil && listed.contains(true) {
        throw fields.error(
          "\"layer_types\" has sliding_attention, but \"use_sliding_window\" is false or "
            + "\"sliding_window\" null; they must agree")
      }
      return (window, window == nil ? .all : .listed(listed))
    }
  }

  /// `layer_types`: whether each layer slides; nil where the field is absent or null.
  private static func layerTypes(
    layers: Int, _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> [Bool]? {
    guard let value = fields.value("layer_types"), value != .null else { return nil }
    guard case .array(let types) = value else {
      throw fields.error("\"layer_types\" must be an array, not \(value.kind)")
    }
    if types.count != layers {
      throw fields.error(
        "\"layer_types\" has \(types.count) entries for \(layers) layers (num_hidden_layers)")
    }
    var listed: [Bool] = []
    for type in types {
      switch type {
      case .string("full_attention"): listed.append(false)
      case .string("sliding_attention"): listed.append(true)
      default:
        throw fields.error(
          "\"layer_types\" may hold full_attention and sliding_attention, not \(type.kind)")
      }
    }
    return listed
  }
}
