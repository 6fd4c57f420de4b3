package import Transformer

/// Sizes of a model that are given one by one; the others come from a named model.
package struct ModelSizes: Sendable {
  package var layers: Int?
  package var dModel: Int?
  package var heads: Int?
  package var kvHeads: Int?
  package var dHead: Int?
  package var dFF: Int?
  package var vocab: Int?
  package var normEpsilon: Double?
  package var ropeTheta: Double?
  package var tiedEmbeddings: Bool?

  package init() {}

  /// The configuration with these sizes in place of the base's; everything else stays.
  ///
  /// New `d_model` or `heads` without `d_head` or `kv_heads` take the usual ones: `d_model / heads`
  /// and `heads`. A `d_head` of 0 stands for a quotient that is not whole; `Point.validate` says so.
  package func applied(to base: DecoderConfiguration) -> DecoderConfiguration {
    var result = base
    if let layers { result.take(layers: layers) }
    if let dModel { result.dModel = dModel }
    if let heads { (result.heads, result.kvHeads) = (heads, heads) }
    if heads != nil || dModel != nil {
      let isWhole = result.heads > 0 && result.dModel % result.heads == 0
      result.dHead = isWhole ? result.dModel / result.heads : 0
    }
    if let kvHeads { result.kvHeads = kvHeads }
    if let dHead { result.dHead = dHead }
    if let dFF { result.dFF = dFF }
    if let vocab {
      result.vocab = vocab
      if let padding = result.paddingToken, padding >= vocab { result.paddingToken = nil }
    }
    if let normEpsilon { result.normEpsilon = Float(normEpsilon) }
    if let ropeTheta { result.ropeTheta = ropeTheta }
    if let tiedEmbeddings { result.tiedEmbeddings = tiedEmbeddings }
    return result
  }

  /// The names of the sizes without which a model of one's own is not described.
  package var missing: [String] {
    [
      ("layers", layers), ("d_model", dModel), ("heads", heads), ("d_ff", dFF), ("vocab", vocab),
    ].filter { $0.1 == nil }.map(\.0)
  }
}

extension DecoderConfiguration {
  /// Keeps the first layers, and what is said layer by layer of those alone.
  fileprivate mutating func take(layers count: Int) {
    layers = count
    if case .listed(let list) = slidingLayers {
      slidingLayers = .listed(Array(list.prefix(max(count, 0))))
    }
  }
}
