package import PyTorchSteps
package import Tensors

extension TrainedModel {
  /// A configuration as transformers builds it; nil for one whose adapters drop inputs or train
  /// modules as copies.
  ///
  /// - Parameters:
  ///   - c: The configuration, with its adapters.
  ///   - dtype: The type of weights.
  ///   - attention: Whose attention it is.
  ///   - isCheckpointed: Whether layers are made again in backward.
  ///   - isTrained: Whether a parameter of the model's own is trained, by its name.
  package init?(
    _ c: DecoderConfiguration, dtype: DType, attention: Attention, isCheckpointed: Bool,
    isTrained: @escaping @Sendable (String) -> Bool
  ) {
    guard let family = Family(rawValue: c.family.rawValue),
      let dtype = ElementType(rawValue: dtype.rawValue), c.adapter?.saved.isEmpty ?? true,
      c.adapter?.dropout ?? 0 == 0
    else { return nil }
    var adapters: [String: Int] = [:]
    if let adapter = c.adapter {
      for map in c.linearMaps where adapter.isTarget(map.module) {
        adapters[map.module] = adapter.rank
      }
    }
    let positions: Int
    let rotary: Rotary
    switch c.positions {
    case .learned(let most): (positions, rotary) = (most, .plain)
    case .rotary(_, .llama3): (positions, rotary) = (0, .llama3)
    case .rotary: (positions, rotary) = (0, .plain)
    }
    self.init(
      family: family, layers: c.layers, width: c.dModel, heads: c.heads, kvHeads: c.kvHeads,
      headWidth: c.dHead, innerWidth: c.dFF, vocab: c.vocab, positions: positions,
      isTied: c.tiedEmbeddings, hasQueryBias: c.queryKeyValueBias, hasOutputBias: c.outputBias,
      hasInnerBias: c.mlpBias, activation: c.activationName,
      windows: (0..<c.layers).map { c.slidingWindow(ofLayer: $0) }, dtype: dtype, rotary: rotary,
      attention: attention, isCheckpointed: isCheckpointed, adapters: adapters,
      isTrained: isTrained)
  }
}
