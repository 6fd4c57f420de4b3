package import Autograd
package import Ledger
package import Tensors
package import Transformer

/// One forward and backward pass of a point on a backend.
///
/// ```
///   full-graph       rows 0 ……………………………… n-1 recorded
///   detached-prefix  rows 0 … cut-1 run in chunks, unrecorded: only K and V stay
///                    rows cut ……………………… n-1 recorded, against constant K and V of the prefix
/// ```
package final class TrainingStep {
  package let point: Point
  package let ledger: Ledger
  package let decoder: Decoder
  /// The token numbers that the step reads: drawn from the point's seed until they are set.
  package var tokens: TokenIDs
  /// Called with every matrix product before it runs.
  package var onProduct: ((Product) -> Void)?
  private let tensors: TensorFactory

  /// Allocates and draws the parameters.
  ///
  /// Parameters come from `weights`, a checkpoint and the number of its layers, or else are drawn from
  /// the point's seed.
  ///
  /// - Throws: `PointError` for an impossible point, `AllocationError` if parameters do not fit,
  ///   `WeightsError` for a checkpoint that does not belong to the model.
  package init(
    _ point: Point, backend: any Backend, recordsLedger: Bool = true, limit: Int? = nil,
    weights: (values: ModelWeights, layers: Int)? = nil
  ) throws {
    try point.validate()
    self.point = point
    ledger = Ledger(isRecording: recordsLedger)
    tensors = TensorFactory(
      backend: backend, ledger: ledger, prefixLength: point.nC, limit: limit)
    let trainable = try point.trainablePattern()
    decoder = try Decoder(point.model, dtype: point.dtype, tensors: tensors) { name in
      trainable?(name) ?? true
    }
    tokens = Self.drawTokens(for: point)
    if let weights {
      try decoder.load(weights.values, storedLayers: weights.layers)
    } else {
      decoder.initialize(seed: point.seed)
    }
  }

  /// Tokens drawn from the seed, the same on every machine.
  private static func drawTokens(for point: Point) -> TokenIDs {
    let random = CounterRandom(seed: point.seed, stream: "tokens")
    let count = point.batch * point.tokensPerSequence
    return TokenIDs(
      ids: (0..<count).map { Int32(random.integer($0, below: point.model.vocab)) },
      stride: point.tokensPerSequence)
  }

  /// Runs the step once; gradients of an earlier run are dropped first.
  ///
  /// `atBoundary` is called after the loss is known and before backward starts.
  ///
  /// - Throws: `AllocationError`, what the backend throws, and what `atBoundary` throws.
  package func run(atBoundary: (Ledger) throws -> Void = { _ in }) throws -> StepResult {
    for parameter in decoder.parameters { parameter.clearGradient() }
    let tape = Tape(tensors: tensors)
    defer { tape.discard() }
    tape.onProduct = onProduct
    let clock = ContinuousClock()

    ledger.enter(.forward)
    let start = clock.now
    let loss = try forward(on: tape)
    let forwardTime = clock.now - start

    let saved = ledger.savedStorages()
    try atBoundary(ledger)
    let value = tensors.backend.computes ? tensors.backend.read(loss).first.map(Double.init) : nil

    ledger.enter(.backward)
    let turn = clock.now
    try tape.backward()
    let backwardTime = clock.now - turn

    func peak(_ category: Category) -> Int {
      max(ledger.peakBytes(category, in: .forward), ledger.peakBytes(category, in: .backward))
    }
    let isTimed = tensors.backend.computes
    return StepResult(
      loss: value,
      saved: saved,
      storagesAtPeak: [.forward, .backward].map { stretch in
        ledger.storagesAtPeak(in: stretch).filter { $0.description.category == .activation }
      },
      peakForwardBytes: ledger.peakBytes(.activation, in: .forward),
      peakBackwardBytes: ledger.peakBytes(.activation, in: .backward),
      workspacePeakBytes: peak(.workspace),
      parameterBytes: ledger.liveBytes[.parameter],
      gradientBytes: ledger.liveBytes[.gradient],
      matmulFlops: tape.matmulFlops,
      forwardSeconds: isTimed ? forwardTime / .seconds(1) : nil,
      backwardSeconds: isTimed ? backwardTime / .seconds(1) : nil)
  }

  /// The gradients of the last run, by Hugging Face name, as float32; parameters without are absent.
  package func gradients() -> [String: [Float]] {
    var result: [String: [Float]] = [:]
    for parameter in decoder.parameters {
      if let gradient = parameter.gradient?.value {
        result[parameter.name] = tensors.backend.read(gradient)
      }
    }
    return result
  }

  // MARK: Forward

  private var pass: PassOptions {
    let memory: AttentionMemory =
      switch point.attention {
      case .materialized: .materialized
      case .fused: .fused
      }
    return PassOptions(
      memory: memory, dropoutProbability: point.dropout, seed: point.seed,
      sequenceLength: point.n)
  }

  /// Runs the model and returns the loss, `[1]`.
  private func forward(on tape: Tape) throws -> Tensor {
    var prefix = try prefill(on: tape)
    var x = try decoder.embed(tokens, at: point.cut..<point.n, pass: pass, on: tape)
    for layer in (0..<point.model.layers) {
      let kv =
        try prefix[layer]
        ?? decoder.makeKeyValues(batch: point.batch, n: point.n, layer: layer)
      prefix[layer] = nil
      x = try decoder.apply(layer: layer, to: x, kv: kv, pass: pass, on: tape)
    }
    if point.head == .lossRows {
      x = try tape.selectRows(x, at: point.lossPositions)
    }
    let labels = tokens.labels(after: point.lossPositions)
    return try tape.crossEntropy(
      decoder.logits(x, on: tape), at: point.lossPositions, labels: labels)
  }

  /// Runs rows before the cut without a graph, `chunk` at a time: only their K and V stay.
  private func prefill(on tape: Tape) throws -> [KeyValues?] {
    let layers = 0..<point.model.layers
    guard point.cut > 0 else { return layers.map { _ in nil } }
    let kv = try layers.map {
      try decoder.makeKeyValues(batch: point.batch, n: point.n, layer: $0)
    }
    try tape.withoutRecording {
      for start in stride(from: 0, to: point.cut, by: point.chunk) {
        let chunk = start..<min(start + point.chunk, point.cut)
        try decoder.prefill(tokens, at: chunk, kv: kv, pass: pass, on: tape)
      }
    }
    return kv
  }
}
