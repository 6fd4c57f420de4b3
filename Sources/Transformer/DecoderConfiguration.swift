package import Tensors

/// The sizes and choices that make a pre-norm decoder; names follow the contract's columns.
///
/// The defaults of the initialiser are those of a Llama-type model without biases.
package struct DecoderConfiguration: Hashable, Sendable {
  // MARK: Sizes

  /// Decoder layers, L.
  package var layers: Int
  /// Width of the residual stream.
  package var dModel: Int
  /// Query heads.
  package var heads: Int
  /// Key and value heads; each serves `heads / kvHeads` query heads.
  package var kvHeads: Int
  /// Width of one head, which need not be `dModel / heads`; even for rotary positions.
  package var dHead: Int
  /// Inner width of the MLP.
  package var dFF: Int
  /// Tokens in the vocabulary.
  package var vocab: Int

  // MARK: Choices

  /// Whose parameter names and whose order of operations.
  package var family: Family
  /// What stands before attention, before the MLP and before the head.
  package var normalization: Normalization
  /// Added to the variance, or to the mean square, in a norm.
  package var normEpsilon: Float
  /// How a row learns where it stands.
  package var positions: Positions
  /// The kind of MLP.
  package var mlp: MLP
  /// Hugging Face's name of the activation: `gelu_new` and `gelu_pytorch_tanh` are one function
  /// (`MLP.gelu(.tanh)`) made of different ops.
  package var activationName: String
  /// Whether the projections to q, k and v have biases.
  package var queryKeyValueBias: Bool
  /// Whether the projection out of attention has a bias.
  package var outputBias: Bool
  /// Whether the MLP's projections have biases.
  package var mlpBias: Bool
  /// Whether each head of q and k goes through an RMSNorm of width `dHead` before its rotation.
  package var queryKeyNorm: Bool
  /// The most keys that a row sees, itself included, in the layers of `slidingLayers`; nil for all.
  package var slidingWindow: Int?
  /// The layers that `slidingWindow` binds.
  package var slidingLayers: SlidingLayers
  /// Whether the head uses the embedding's weight.
  package var tiedEmbeddings: Bool
  /// The token whose embedding gets no gradient where it is looked up (`padding_idx` of PyTorch's
  /// `nn.Embedding`; the head's gradient of a tied embedding stays).
  package var paddingToken: Int?
  /// Dropout that the configuration trains with; a measurement's own `dropout` decides.
  package var dropout: DropoutProbabilities
  /// The dtype that the configuration names, if it is one that is built.
  package var dtype: DType?
  /// The longest sequence that the model was made for; only learned positions enforce it.
  package var contextLength: Int?
  /// Low-rank adapters on the layers' linear maps; nil for none.
  package var adapter: AdapterConfiguration?

  package init(
    layers: Int = 1, dModel: Int, heads: Int, kvHeads: Int? = nil, dHead: Int? = nil, dFF: Int,
    vocab: Int, normEpsilon: Float = 1e-5, ropeTheta: Double = 10_000,
    tiedEmbeddings: Bool = false, family: Family = .llama, normalization: Normalization = .rms,
    positions: Positions? = nil, mlp: MLP = .swiGLU, activationName: String? = nil,
    queryKeyValueBias: Bool = false, outputBias: Bool = false, mlpBias: Bool = false,
    queryKeyNorm: Bool = false, slidingWindow: Int? = nil, slidingLayers: SlidingLayers = .all,
    paddingToken: Int? = nil, dropout: DropoutProbabilities = DropoutProbabilities(),
    dtype: DType? = nil, contextLength: Int? = nil
  ) {
    self.layers = layers
    self.dModel = dModel
    self.heads = heads
    self.kvHeads = kvHeads ?? heads
    self.dHead = dHead ?? (heads > 0 ? dModel / heads : 0)
    self.dFF = dFF
    self.vocab = vocab
    self.family = family
    self.normalization = normalization
    self.normEpsilon = normEpsilon
    self.positions = positions ?? .rotary(theta: ropeTheta, scaling: .none)
    self.mlp = mlp
    self.activationName = activationName ?? mlp.defaultActivationName
    self.queryKeyValueBias = queryKeyValueBias
    self.outputBias = outputBias
    self.mlpBias = mlpBias
    self.queryKeyNorm = queryKeyNorm
    self.slidingWindow = slidingWindow
    self.slidingLayers = slidingLayers
    self.tiedEmbeddings = tiedEmbeddings
    self.paddingToken = paddingToken
    self.dropout = dropout
    self.dtype = dtype
    self.contextLength = contextLength
  }

  /// Width of all query heads together.
  package var queryWidth: Int { heads * dHead }
  /// Width of all key heads together.
  package var keyWidth: Int { kvHeads * dHead }
  /// Query heads for each KV head.
  package var groupSize: Int { heads / kvHeads }

  /// The base of the rotary frequencies; 1 where positions are learned.
  package var ropeTheta: Double {
    get {
      if case .rotary(let theta, _) = positions { theta } else { 1 }
    }
    set {
      if case .rotary(_, let scaling) = positions {
        positions = .rotary(theta: newValue, scaling: scaling)
      }
    }
  }

  /// The most keys that a row of `layer` sees, itself included; nil for all.
  package func slidingWindow(ofLayer layer: Int) -> Int? {
    slidingLayers.contains(layer) ? slidingWindow : nil
  }
}

extension DecoderConfiguration {
  /// Hugging Face's `model_type`.
  package enum Family: String, CaseIterable, Sendable {
    case gpt2
    case llama
    case mistral
    case qwen2
    case qwen3
  }

  /// The norms of a layer.
  package enum Normalization: Hashable, Sendable {
    /// RMSNorm with a weight (arXiv 1910.07467).
    case rms
    /// LayerNorm with a weight and a bias (arXiv 1607.06450).
    case layer
  }

  /// How positions enter.
  package enum Positions: Hashable, Sendable {
    /// Rotations of q and k (arXiv 2104.09864).
    case rotary(theta: Double, scaling: RotaryScaling)
    /// A table of `maximum` rows, added to the embeddings.
    case learned(maximum: Int)
  }

  /// The MLP of a layer.
  package enum MLP: Hashable, Sendable {
    /// `W_down (silu(W_gate x) · W_up x)` (arXiv 2002.05202).
    case swiGLU
    /// `W_down gelu(W_up x)`.
    case gelu(GELU)

    fileprivate var defaultActivationName: String {
      switch self {
      case .swiGLU: "silu"
      case .gelu(.tanh): "gelu_new"
      case .gelu(.exact): "gelu"
      }
    }
  }

  /// Which layers look through a sliding window.
  package enum SlidingLayers: Hashable, Sendable {
    case all
    /// This layer and all that follow it.
    case from(Int)
    /// Said layer by layer.
    case listed([Bool])

    package func contains(_ layer: Int) -> Bool {
      switch self {
      case .all: true
      case .from(let first): layer >= first
      case .listed(let list): list.indices.contains(layer) && list[layer]
      }
    }
  }

  /// Probabilities of GPT-2's dropout.
  package struct DropoutProbabilities: Hashable, Sendable {
    /// On the sum of embeddings and positions (`embd_pdrop`).
    package var embedding: Double
    /// On attention probabilities (`attn_pdrop`).
    package var attention: Double
    /// On both branches before they join the residual stream (`resid_pdrop`).
    package var residual: Double

    package init(embedding: Double = 0, attention: Double = 0, residual: Double = 0) {
      self.embedding = embedding
      self.attention = attention
      self.residual = residual
    }
  }
}
