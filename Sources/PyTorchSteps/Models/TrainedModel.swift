/// A causal language model of transformers, by the sizes and choices that decide what it allocates.
package struct TrainedModel: Sendable {
  package enum Family: String, Sendable { case gpt2, llama, mistral, qwen2, qwen3 }
  package enum Attention: Sendable { case eager, sdpa }
  /// How rotary frequencies are made; other scalings are counted as plain ones, whose few numbers
  /// are not made in as many ops.
  package enum Rotary: Sendable { case plain, llama3 }

  package var family: Family
  package var layers: Int
  package var width: Int
  package var heads: Int
  package var kvHeads: Int
  package var headWidth: Int
  package var innerWidth: Int
  package var vocab: Int
  /// Rows of the table of learned positions.
  package var positions: Int
  package var isTied: Bool
  package var hasQueryBias: Bool
  package var hasOutputBias: Bool
  package var hasInnerBias: Bool
  /// Hugging Face's name of the activation.
  package var activation: String
  /// The most keys that a row sees, by layer; nil for all.
  package var windows: [Int?]
  package var dtype: ElementType
  package var rotary: Rotary
  package var attention: Attention
  package var isCheckpointed: Bool
  /// The rank of adapters, by the name of the linear map that has one.
  package var adapters: [String: Int]
  /// Which parameters are trained, by their names.
  package var isTrained: @Sendable (String) -> Bool

  package init(
    family: Family, layers: Int, width: Int, heads: Int, kvHeads: Int, headWidth: Int,
    innerWidth: Int, vocab: Int, positions: Int, isTied: Bool, hasQueryBias: Bool,
    hasOutputBias: Bool, hasInnerBias: Bool, activation: String, windows: [Int?],
    dtype: ElementType, rotary: Rotary = .plain, attention: Attention,
    isCheckpointed: Bool, adapters: [String: Int],
    isTrained: @escaping @Sendable (String) -> Bool
  ) {
    self.family = family
    self.layers = layers
    self.width = width
    self.heads = heads
    self.kvHeads = kvHeads
    self.headWidth = headWidth
    self.innerWidth = innerWidth
    self.vocab = vocab
    self.positions = positions
    self.isTied = isTied
    self.hasQueryBias = hasQueryBias
    self.hasOutputBias = hasOutputBias
    self.hasInnerBias = hasInnerBias
    self.activation = activation
    self.windows = windows
    self.dtype = dtype
    self.rotary = rotary
    self.attention = attention
    self.isCheckpointed = isCheckpointed
    self.adapters = adapters
    self.isTrained = isTrained
  }

  var groups: Int { heads / kvHeads }
}

/// A linear map as a module: `nn.Linear`, or gpt2's `Conv1D`, and PEFT's adapter on it.
final class LinearMap {
  let weight: TorchTensor
  let bias: TorchTensor?
  /// Whether the weight is `[in, out]`.
  let isTransposed: Bool
  var adapter: (a: TorchTensor, b: TorchTensor)?
  /// What stands last of its own parameters: adapters come behind it.
  var place: ObjectIdentifier { ObjectIdentifier(bias ?? weight) }

  init(weight: TorchTensor, bias: TorchTensor?, isTransposed: Bool) {
    (self.weight, self.bias, self.isTransposed) = (weight, bias, isTransposed)
  }
}

/// The weight of a norm, and gpt2's bias.
struct NormModule {
  let weight: TorchTensor
  let bias: TorchTensor?
}

/// The modules of a layer.
struct LayerModules {
  let firstNorm: NormModule
  /// q, k and v; gpt2's one for all three.
  let projections: [LinearMap]
  let headNorms: [NormModule]
  let output: LinearMap
  let secondNorm: NormModule
  /// gate, up and down; gpt2's two.
  let inner: [LinearMap]
}
