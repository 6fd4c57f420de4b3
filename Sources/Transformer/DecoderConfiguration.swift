import Foundation

/// The sizes of a pre-norm decoder; names follow the contract's columns.
package struct DecoderConfiguration: Hashable, Sendable {
  /// Decoder layers, L.
  package var layers: Int
  /// Width of the residual stream.
  package var dModel: Int
  /// Query heads.
  package var heads: Int
  /// Key and value heads; each serves `heads / kvHeads` query heads.
  package var kvHeads: Int
  /// Width of one head; even, for rotary positions.
  package var dHead: Int
  /// Inner width of the MLP.
  package var dFF: Int
  /// Tokens in the vocabulary.
  package var vocab: Int
  /// Added to the mean square in RMSNorm.
  package var normEpsilon: Float
  /// Base of the rotary frequencies.
  package var ropeTheta: Double
  /// Whether the head uses the embedding's weight.
  package var tiedEmbeddings: Bool

  package init(
    layers: Int = 1, dModel: Int, heads: Int, kvHeads: Int? = nil, dHead: Int? = nil, dFF: Int,
    vocab: Int, normEpsilon: Float = 1e-5, ropeTheta: Double = 10_000,
    tiedEmbeddings: Bool = false
  ) {
    self.layers = layers
    self.dModel = dModel
    self.heads = heads
    self.kvHeads = kvHeads ?? heads
    self.dHead = dHead ?? (heads > 0 ? dModel / heads : 0)
    self.dFF = dFF
    self.vocab = vocab
    self.normEpsilon = normEpsilon
    self.ropeTheta = ropeTheta
    self.tiedEmbeddings = tiedEmbeddings
  }

  /// Width of all query heads together.
  package var queryWidth: Int { heads * dHead }
  /// Width of all key heads together.
  package var keyWidth: Int { kvHeads * dHead }
  /// Query heads for each KV head.
  package var groupSize: Int { heads / kvHeads }

  /// `theta^(−2i / d_head)` for the pairs `i < d_head / 2`, in float32 (arXiv 2104.09864, eq. 15).
  package var rotaryFrequencies: [Float] {
    (0..<dHead / 2).map { Float(pow(ropeTheta, -2 * Double($0) / Double(dHead))) }
  }
}
