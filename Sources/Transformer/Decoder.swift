package import Autograd
import Ledger
package import Safetensors
package import Tensors

/// A pre-norm decoder: embedding, layers, final norm, head; parameters under Hugging Face names.
package final class Decoder {
  package let configuration: DecoderConfiguration
  package let dtype: DType
  /// All parameters in the order of the model; a tied head is the embedding and stands once.
  package let parameters: [Parameter]
  private let byName: [String: Parameter]
  let embedding: Parameter
  /// Learned positions `[positions, d_model]` (GPT-2).
  let positions: Parameter?
  let layers: [DecoderLayer]
  let norm: Norm
  let head: Parameter

  /// Makes all parameters, with undefined contents; all are trained.
  ///
  /// - Throws: `AllocationError` if they do not fit.
  package init(
    _ configuration: DecoderConfiguration, dtype: DType, tensors: TensorFactory
  ) throws {
    self.configuration = configuration
    self.dtype = dtype
    let table = try ParameterTable(configuration, dtype: dtype, tensors: tensors)
    parameters = table.all
    byName = table.byName
    let isGPT2 = configuration.family == .gpt2
    embedding = table[WeightMap(configuration).embedding]
    positions = isGPT2 ? table.optional("transformer.wpe.weight") : nil
    layers = (0..<configuration.layers).map { table.layer($0) }
    norm = table.norm(isGPT2 ? "transformer.ln_f" : "model.norm")
    head = configuration.tiedEmbeddings ? embedding : table[WeightMap.head]
  }

  // MARK: Values

  /// Draws parameters: norms are 1, biases 0, the others normal with deviation 0.02, both matrices
  /// of an adapter too, since a B of zeros would leave its A without a gradient.
  ///
  /// The numbers depend on seed, name and index alone, so that every machine draws the same.
  package func initialize(
    seed: UInt64, by kernels: any Kernels, where isDrawn: (Parameter) -> Bool = { _ in true }
  ) {
    for parameter in parameters where isDrawn(parameter) {
      switch (parameter.role.module.family, parameter.role.kind) {
      case (_, .bias):
        kernels.fill(parameter.value, with: 0)
      case (.norm, .weight), (.norm, .adapterA), (.norm, .adapterB):
        kernels.fill(parameter.value, with: 1)
      case (.table, _), (.linear, .weight), (.linear, .adapterA), (.linear, .adapterB):
        kernels.draw(
          parameter.value, from: CounterRandom(seed: seed, stream: parameter.name),
          deviation: 0.02)
      }
    }
  }

  /// Reads every parameter but an adapter's from a checkpoint, rounding to the model's dtype.
  ///
  /// - Throws: `WeightsError` for what is missing, has another shape or does not belong.
  package func load(
    _ weights: ModelWeights, storedLayers: Int, by kernels: any Kernels
  ) throws(WeightsError) {
    try load(
      WeightMap(configuration, storedLayers: storedLayers).match(weights), of: weights, by: kernels)
  }

  /// Reads an adapter's parameters from its file.
  ///
  /// - Throws: as above.
  package func load(adapter weights: ModelWeights, by kernels: any Kernels) throws(WeightsError) {
    try load(WeightMap(configuration).match(adapter: weights), of: weights, by: kernels)
  }

  private func load(
    _ sources: [WeightSource], of weights: ModelWeights, by kernels: any Kernels
  ) throws(WeightsError) {
    for source in sources {
      guard let parameter = byName[source.parameter.name] else {
        preconditionFailure("the map lists the parameters")
      }
      kernels.write(try weights.floats(source.stored), to: parameter.value)
    }
  }

  /// Says by Hugging Face name which parameters are trained, and drops all gradients.
  package func train(where isTrained: (String) -> Bool) {
    for parameter in parameters { parameter.isTrained = isTrained(parameter.name) }
  }

  /// Whether rows of which only keys and values are read can give a trained parameter a gradient.
  package var learnsFromKeysAndValues: Bool {
    embedding.gradient != nil || positions?.gradient != nil
      || layers.dropLast().contains(where: \.isTrained)
      || layers[layers.count - 1].trainsKeysAndValues
  }

  /// Whether the keys and values of rows in a layer can give a trained parameter a gradient.
  package func learnsFromKeysAndValues(ofLayer layer: Int) -> Bool {
    embedding.gradient != nil || positions?.gradient != nil
      || layers.prefix(layer).contains(where: \.isTrained) || layers[layer].trainsKeysAndValues
  }

  // MARK: Forward

  /// Room for the keys and values of these rows of one layer.
  package func makeKeyValues(
    batch: Int, rows: Range<Int>, layer: Int, from tensors: TensorFactory
  ) throws -> KeyValues {
    try KeyValues(
      Shape(.plain(batch), .tokens(rows), .plain(configuration.keyWidth)), dtype: dtype,
      layer: layer, tensors: tensors)
  }

  /// The embeddings of the tokens at `positions`, `[batch, tokens, d_model]`.
  package func embed(
    _ tokens: TokenIDs, at rows: Range<Int>, pass: PassOptions, on tape: Tape
  ) throws -> Variable {
    var x = try tape.embedding(
      tokens, at: rows, table: embedding, dtype: dtype, paddingToken: configuration.paddingToken)
    if let positions { x = try tape.addPositions(x, table: positions) }
    return try tape.dropout(x, pass.dropout("embedding"), of: .embedding)
  }

  /// One layer over the rows of `x` at `rows`, with earlier rows' keys and values in `kv`; nil if
  /// all rows that it sees are in `x`.
  package func apply(
    layer: Int, to x: Variable, rows: Range<Int>, kv: KeyValues?, pass: PassOptions, on tape: Tape
  ) throws -> Variable {
    try layers[layer](x, rows: rows, kv: kv, pass: pass, on: tape)
  }

  /// Writes the keys and values of the rows of `x` into a layer, and nothing else.
  package func writeKeysAndValues(
    layer: Int, of x: Variable, into kv: KeyValues, pass: PassOptions, on tape: Tape
  ) throws {
    try layers[layer].writeKeysAndValues(x, into: kv, pass: pass, on: tape)
  }

  /// Writes the keys and values of the rows at `positions` into every layer, and nothing else.
  ///
  /// The last layer stops there: nobody reads its other results. Recorded, with gradients in `kv`,
  /// it is the replay of these rows, whose backward starts from dK and dV. `kv` has the layers of
  /// `runs`.
  package func prefill(
    _ tokens: TokenIDs, at rows: Range<Int>, kv: [KeyValues?], runs: LayerRuns,
    pass: PassOptions, on tape: Tape
  ) throws {
    var x = try embed(tokens, at: rows, pass: pass, on: tape)
    let last = layers.count - 1
    try runs.forEach(in: 0..<last, on: tape) { layer in
      x = try layers[layer](x, rows: rows, kv: kv[layer], pass: pass, on: tape)
    }
    guard let kv = kv[last] else { preconditionFailure("the last layer has keys and values") }
    try layers[last].writeKeysAndValues(x, into: kv, pass: pass, on: tape)
  }

  /// The loss of the loss rows `x` `[batch, rows, d_model]`, of `total` in all, `[1]`, with logits
  /// for a few of them at a time.
  package func chunkedLoss(
    _ x: consuming Variable, labels: [Int32], rowsAtATime: Int, of total: Int, on tape: Tape
  ) throws -> Tensor {
    let normed = try tape.normalize(x, norm, configuration, at: .finalNorm)
    return try tape.chunkedCrossEntropy(
      normed, Weight(head, of: .head), labels: labels, rowsAtATime: rowsAtATime, of: total)
  }

  /// Final norm and head: `[batch, tokens, vocab]`, float32 whatever the model's dtype.
  package func logits(_ x: consuming Variable, on tape: Tape) throws -> Variable {
    let normed = try tape.normalize(x, norm, configuration, at: .finalNorm)
    return try tape.linear(
      normed, Weight(head, of: .head), at: .module(.head), as: "logits", .logits,
      dtype: .float32)
  }
}
