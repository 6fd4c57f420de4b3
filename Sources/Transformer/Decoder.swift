package import Autograd
import Ledger
package import Tensors

/// A pre-norm decoder: embedding, layers, final norm, head; parameters under Hugging Face names.
package final class Decoder {
  package let configuration: DecoderConfiguration
  package let dtype: DType
  /// All parameters in the order of the model; a tied head is the embedding and stands once.
  package let parameters: [Parameter]
  private let embedding: Parameter
  private let layers: [DecoderLayer]
  private let norm: Parameter
  private let head: Parameter
  private let tensors: TensorFactory

  /// Allocates all parameters, with undefined contents.
  ///
  /// - Throws: `AllocationError` if they do not fit.
  package init(
    _ configuration: DecoderConfiguration, dtype: DType, tensors: TensorFactory
  ) throws {
    self.configuration = configuration
    self.dtype = dtype
    self.tensors = tensors
    var parameters: [Parameter] = []
    func make(_ name: String, _ symbol: String, _ extents: Int..., layer: Int? = nil) throws
      -> Parameter
    {
      let value = try tensors.make(name, Shape(extents.map(Axis.plain)), dtype, for: .parameter)
      let parameter = Parameter(name: name, symbol: symbol, layer: layer, value: value)
      parameters.append(parameter)
      return parameter
    }
    let c = configuration
    embedding = try make("model.embed_tokens.weight", "E", c.vocab, c.dModel)
    layers = try (0..<c.layers).map { layer in
      func weight(_ name: String, _ symbol: String, _ extents: Int...) throws -> Parameter {
        let full = "model.layers.\(layer).\(name).weight"
        return extents.count == 1
          ? try make(full, symbol, extents[0], layer: layer)
          : try make(full, symbol, extents[0], extents[1], layer: layer)
      }
      return DecoderLayer(
        configuration: c, index: layer,
        attentionNorm: try weight("input_layernorm", "norm", c.dModel),
        wQ: try weight("self_attn.q_proj", "W_Q", c.queryWidth, c.dModel),
        wK: try weight("self_attn.k_proj", "W_K", c.keyWidth, c.dModel),
        wV: try weight("self_attn.v_proj", "W_V", c.keyWidth, c.dModel),
        wO: try weight("self_attn.o_proj", "W_O", c.dModel, c.queryWidth),
        mlpNorm: try weight("post_attention_layernorm", "norm", c.dModel),
        wGate: try weight("mlp.gate_proj", "W_gate", c.dFF, c.dModel),
        wUp: try weight("mlp.up_proj", "W_up", c.dFF, c.dModel),
        wDown: try weight("mlp.down_proj", "W_down", c.dModel, c.dFF))
    }
    norm = try make("model.norm.weight", "norm", c.dModel)
    head = c.tiedEmbeddings ? embedding : try make("lm_head.weight", "U", c.vocab, c.dModel)
    self.parameters = parameters
  }

  /// Draws every parameter: norms are 1, embeddings and matrices normal with deviation 0.02.
  package func initialize(seed: UInt64) {
    guard tensors.backend.computes else { return }
    for parameter in parameters {
      if parameter.symbol == "norm" {
        tensors.backend.fill(parameter.value, with: 1)
      } else {
        let random = CounterRandom(seed: seed, stream: parameter.name)
        let values = (0..<parameter.value.count).map { 0.02 * random.normal($0) }
        tensors.backend.write(values, to: parameter.value)
      }
    }
  }

  // MARK: Forward

  /// Room for the keys and values of all `n` rows of one layer.
  package func makeKeyValues(batch: Int, n: Int, layer: Int) throws -> KeyValues {
    let shape = Shape(.plain(batch), .tokens(0..<n), .plain(configuration.keyWidth))
    let outer = tensors.ledger.scope
    defer { tensors.ledger.scope = outer }
    tensors.ledger.scope = Scope(op: "k_proj", layer: layer)
    let k = try tensors.make("k", shape, dtype)
    tensors.ledger.scope = Scope(op: "v_proj", layer: layer)
    return KeyValues(k: k, v: try tensors.make("v", shape, dtype))
  }

  /// The embeddings of the tokens at `positions`, `[batch, tokens, d_model]`.
  package func embed(
    _ tokens: TokenIDs, at positions: Range<Int>, on tape: Tape
  ) throws -> Variable {
    try tape.embedding(tokens, at: positions, table: embedding, dtype: dtype)
  }

  /// One layer over all rows of `x`, with earlier rows' keys and values in `kv`.
  package func apply(
    layer: Int, to x: Variable, kv: KeyValues, memory: AttentionMemory, on tape: Tape
  ) throws -> Variable {
    try layers[layer](x, kv: kv, memory: memory, on: tape)
  }

  /// Writes the keys and values of the rows at `positions` into every layer, and nothing else.
  ///
  /// The last layer stops there: nobody reads its other results.
  package func prefill(
    _ tokens: TokenIDs, at positions: Range<Int>, kv: [KeyValues], memory: AttentionMemory,
    on tape: Tape
  ) throws {
    var x = try embed(tokens, at: positions, on: tape)
    for layer in layers.dropLast() {
      x = try layer(x, kv: kv[layer.index], memory: memory, on: tape)
    }
    try layers[layers.count - 1].writeKeysAndValues(x, into: kv[layers.count - 1], on: tape)
  }

  /// Final norm and head: `[batch, tokens, vocab]`.
  package func logits(_ x: consuming Variable, on tape: Tape) throws -> Variable {
    let normed = try tape.rmsNorm(
      x, norm, epsilon: configuration.normEpsilon, op: "final_norm")
    return try tape.linear(normed, head, op: "head", as: "logits")
  }
}
