package import Transformer

/// A model's name and sizes, before anything overrides them.
package struct NamedModel: Sendable {
  package let name: String
  package var configuration: DecoderConfiguration
}

/// Where models come from: for now, the built-in table.
package enum ModelSource {
  /// The built-in models.
  package static let builtIn: [NamedModel] = [
    // The seed's own case: small enough to read every saved tensor.
    NamedModel(
      name: "seed",
      configuration: DecoderConfiguration(dModel: 64, heads: 4, dFF: 172, vocab: 256)),
    // One layer at which the products are large enough to keep two cores busy.
    NamedModel(
      name: "one-layer",
      configuration: DecoderConfiguration(dModel: 512, heads: 8, dFF: 1408, vocab: 8192)),
  ]

  /// The names of the built-in models.
  package static var names: [String] { builtIn.map(\.name) }

  /// Finds a model by name.
  ///
  /// - Throws: `ValueError` with the nearest name.
  package static func resolve(_ name: String) throws(ValueError) -> NamedModel {
    if let model = builtIn.first(where: { $0.name == name }) { return model }
    throw ValueError("unknown model \(quoted(name)); \(Words.advice(for: name, among: names))")
  }
}

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

  /// The configuration with these sizes in place of the base's.
  ///
  /// New `d_model` or `heads` without `d_head` or `kv_heads` take the usual ones: `d_model / heads`
  /// and `heads`. A `d_head` of 0 stands for a quotient that is not whole; `Point.validate` says so.
  package func applied(to base: DecoderConfiguration) -> DecoderConfiguration {
    let newHeads = heads ?? base.heads
    let newModel = dModel ?? base.dModel
    let quotient = newHeads > 0 && newModel % newHeads == 0 ? newModel / newHeads : 0
    let changesHeads = heads != nil || dModel != nil
    return DecoderConfiguration(
      layers: layers ?? base.layers, dModel: newModel, heads: newHeads,
      kvHeads: kvHeads ?? (heads == nil ? base.kvHeads : newHeads),
      dHead: dHead ?? (changesHeads ? quotient : base.dHead),
      dFF: dFF ?? base.dFF, vocab: vocab ?? base.vocab,
      normEpsilon: normEpsilon.map(Float.init) ?? base.normEpsilon,
      ropeTheta: ropeTheta ?? base.ropeTheta,
      tiedEmbeddings: tiedEmbeddings ?? base.tiedEmbeddings)
  }

  /// The names of the sizes without which a model of one's own is not described.
  package var missing: [String] {
    [
      ("layers", layers), ("d_model", dModel), ("heads", heads), ("d_ff", dFF), ("vocab", vocab),
    ].filter { $0.1 == nil }.map(\.0)
  }
}
