import Foundation

extension ReferenceDecoder {
  /// The extents of a decoder.
  package struct Configuration: Sendable {
    package var vocab: Int
    package var dModel: Int
    package var layers: Int
    /// Query heads.
    package var heads: Int
    /// Key and value heads; query head `h` reads head `h / (heads / kvHeads)`.
    package var kvHeads: Int
    /// The width of a head, even; need not be `dModel / heads`.
    package var dHead: Int
    package var dFF: Int
    package var epsilon: Double
    /// Rotary frequencies `[d_head / 2]`, already rounded as the program rounds them.
    package var frequencies: [Double]
    /// Whether the head is the embedding.
    package var tiesEmbeddings: Bool

    package init(
      vocab: Int, dModel: Int, layers: Int, heads: Int, kvHeads: Int, dHead: Int, dFF: Int,
      epsilon: Double = 1e-5, frequencies: [Double]? = nil, tiesEmbeddings: Bool = false
    ) {
      let frequencies = frequencies ?? Self.rotaryFrequencies(theta: 10_000, dHead: dHead)
      precondition(heads % kvHeads == 0, "query heads share key heads evenly")
      precondition(dHead == 2 * frequencies.count, "one frequency a pair")
      self.vocab = vocab
      self.dModel = dModel
      self.layers = layers
      self.heads = heads
      self.kvHeads = kvHeads
      self.dHead = dHead
      self.dFF = dFF
      self.epsilon = epsilon
      self.frequencies = frequencies
      self.tiesEmbeddings = tiesEmbeddings
    }

    /// `theta^(−2i / d_head)` rounded to float32, for `i` in `0 ..< d_head / 2`.
    package static func rotaryFrequencies(theta: Double, dHead: Int) -> [Double] {
      (0..<dHead / 2).map { Double(Float(pow(theta, -2 * Double($0) / Double(dHead)))) }
    }

    /// Every parameter's name and extents, in the order of the forward pass.
    package var parameterShapes: [(name: String, shape: [Int])] {
      let queries = heads * dHead
      let keys = kvHeads * dHead
      var shapes = [(Name.embedding, [vocab, dModel])]
      for layer in 0..<layers {
        shapes += [
          (Name.inputNorm(layer), [dModel]),
          (Name.q(layer), [queries, dModel]),
          (Name.k(layer), [keys, dModel]),
          (Name.v(layer), [keys, dModel]),
          (Name.o(layer), [dModel, queries]),
          (Name.postAttentionNorm(layer), [dModel]),
          (Name.gate(layer), [dFF, dModel]),
          (Name.up(layer), [dFF, dModel]),
          (Name.down(layer), [dModel, dFF]),
        ]
      }
      shapes.append((Name.finalNorm, [dModel]))
      if !tiesEmbeddings { shapes.append((Name.head, [vocab, dModel])) }
      return shapes.map { (name: $0.0, shape: $0.1) }
    }

    /// The parameter that makes logits: its own matrix, or the embedding.
    package var headName: String { tiesEmbeddings ? Name.embedding : Name.head }

    /// Draws parameters: norm weights from `1 ± 0.3`, matrices from `N(0, spread / √fan_in)`.
    ///
    /// With a spread near 1 the scores spread by about 1, so that attention is not uniform.
    package func randomParameters(
      spread: Double = 1, using generator: inout some RandomNumberGenerator
    ) -> [String: [Double]] {
      var parameters: [String: [Double]] = [:]
      for (name, shape) in parameterShapes {
        let count = shape.reduce(1, *)
        let deviation = spread / Double(shape[shape.count - 1]).squareRoot()
        parameters[name] = (0..<count).map { _ in
          shape.count == 1
            ? Double.random(in: 0.7...1.3, using: &generator)
            : deviation * standardNormal(using: &generator)
        }
      }
      return parameters
    }

    /// Draws `batch` sequences of `count` tokens.
    package func randomTokens(
      batch: Int, count: Int, using generator: inout some RandomNumberGenerator
    ) -> [[Int]] {
      (0..<batch).map { _ in
        (0..<count).map { _ in Int.random(in: 0..<vocab, using: &generator) }
      }
    }
  }

  /// Hugging Face's names of a Llama model's parameters.
  package enum Name {
    package static let embedding = "model.embed_tokens.weight"
    package static let finalNorm = "model.norm.weight"
    package static let head = "lm_head.weight"

    package static func inputNorm(_ layer: Int) -> String { at(layer, "input_layernorm") }
    package static func q(_ layer: Int) -> String { at(layer, "self_attn.q_proj") }
    package static func k(_ layer: Int) -> String { at(layer, "self_attn.k_proj") }
    package static func v(_ layer: Int) -> String { at(layer, "self_attn.v_proj") }
    package static func o(_ layer: Int) -> String { at(layer, "self_attn.o_proj") }
    package static func postAttentionNorm(_ layer: Int) -> String {
      at(layer, "post_attention_layernorm")
    }
    package static func gate(_ layer: Int) -> String { at(layer, "mlp.gate_proj") }
    package static func up(_ layer: Int) -> String { at(layer, "mlp.up_proj") }
    package static func down(_ layer: Int) -> String { at(layer, "mlp.down_proj") }

    private static func at(_ layer: Int, _ module: String) -> String {
      "model.layers.\(layer).\(module).weight"
    }
  }
}
