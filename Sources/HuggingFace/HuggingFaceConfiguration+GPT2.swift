import Spelling
import Tensors
import Transformer

extension HuggingFaceConfiguration {
  /// `GPT2Config`: LayerNorm, learned positions, GELU, biases everywhere, a tied head.
  static func gpt2(
    _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> DecoderConfiguration {
    let dModel = try aliased("n_embd", "hidden_size", 768, in: Limit.width, &fields)
    let heads = try aliased("n_head", "num_attention_heads", 12, in: Limit.heads, &fields)
    if dModel % heads != 0 {
      throw fields.error("\"n_embd\" \(dModel) is not divisible by \"n_head\" \(heads)")
    }
    let positions = try aliased(
      "n_positions", "max_position_embeddings", 1024, in: 1...(1 << 24), &fields)
    let activation = try fields.optionalString("activation_function") ?? "gelu_new"
    try refuseVariants(&fields)
    return DecoderConfiguration(
      layers: try aliased("n_layer", "num_hidden_layers", 12, in: Limit.layers, &fields),
      dModel: dModel, heads: heads,
      dFF: try fields.optionalInteger("n_inner", in: Limit.inner) ?? 4 * dModel,
      vocab: try fields.integer("vocab_size", default: 50257, in: Limit.vocab),
      normEpsilon: try epsilon("layer_norm_epsilon", default: 1e-5, &fields),
      tiedEmbeddings: try fields.boolean("tie_word_embeddings", default: true),
      family: .gpt2, normalization: .layer, positions: .learned(maximum: positions),
      mlp: .gelu(try gelu(activation, fields)), activationName: activation,
      queryKeyValueBias: true, outputBias: true, mlpBias: true,
      dropout: DecoderConfiguration.DropoutProbabilities(
        embedding: try fields.probability("embd_pdrop", default: 0.1),
        attention: try fields.probability("attn_pdrop", default: 0.1),
        residual: try fields.probability("resid_pdrop", default: 0.1)),
      contextLength: positions)
  }

  private static func gelu(
    _ name: String, _ fields: ConfigurationFields
  ) throws(ConfigurationError) -> GELU {
    switch name {
    case "gelu_new", "gelu_pytorch_tanh": return .tanh
    case "gelu": return .exact
    default:
      throw fields.error(
        "\"activation_function\" \(quoted(name)) is not built for model_type \"gpt2\"; "
          + "Ballast has gelu_new, gelu_pytorch_tanh and gelu")
    }
  }

  /// Ways to scale attention that GPT-2 files may ask for and that are not built.
  private static func refuseVariants(_ fields: inout ConfigurationFields) throws(ConfigurationError)
  {
    let variants = [
      ("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false),
      ("reorder_and_upcast_attn", false),
    ]
    for (name, built) in variants
    where try fields.boolean(name, default: built) != built {
      throw fields.error("\"\(name)\" \(!built) is not built; Ballast scales by 1 / √d_head alone")
    }
  }

  /// An integer under GPT-2's own name or the common one (`attribute_map` of `GPT2Config`).
  private static func aliased(
    _ name: String, _ alias: String, _ fallback: Int, in range: ClosedRange<Int>,
    _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> Int {
    let value = try fields.optionalInteger(name, in: range)
    let other = try fields.optionalInteger(alias, in: range)
    if let value, let other, value != other {
      throw fields.error("\"\(name)\" is \(value) and \"\(alias)\" is \(other); they must agree")
    }
    return value ?? other ?? fallback
  }
}
