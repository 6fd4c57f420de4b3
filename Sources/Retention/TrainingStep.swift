package import Autograd
package import Ledger
package import Safetensors
package import Tensors
package import Transformer

/// One forward and backward pass of a point on a backend.
///
/// ```
///   full-graph       rows 0 ……………………………… n-1 recorded
///   pruned-graph     of every layer the rows that a loss row can reach, recorded
///   detached-prefix  rows 0 … cut-1 run in chunks, unrecorded: only K and V stay
///                    rows cut ……………………… n-1 recorded, against constant K and V of the prefix
///   replayed-prefix  the same, but backward gathers dK and dV of rows 0 … cut-1; then their chunks
///                    run again, recorded, from the last to the first, and backward from those
/// ```
package final class TrainingStep {
  package let point: Point
  package let ledger: Ledger
  package let decoder: Decoder
  /// The token numbers that the step reads: drawn from the point's seed until they are set.
  package var tokens: TokenIDs
  /// Called with every matrix product before it runs.
  package var onProduct: ((Product) -> Void)?
  let tensors: TensorFactory

  /// Allocates and draws the parameters.
  ///
  /// Parameters come from `weights`, a checkpoint and the number of its layers, or else are drawn from
  /// the point's seed.
  ///
  /// - Throws: `PointError` for an impossible point, `AllocationError` if parameters do not fit,
  ///   `WeightsError` for a checkpoint that does not belong to the model.
  package init(
    _ point: Point, backend: any Backend, recordsLedger: Bool = true, keepsJournal: Bool = true,
    limit: Int? = nil,
    weights: (values: ModelWeights, layers: Int)? = nil
  ) throws {
    try point.validate()
    self.point = point
    ledger = Ledger(isRecording: recordsLedger, keepsJournal: keepsJournal)
    tensors = TensorFactory(
      backend: backend, ledger: ledger, prefixLength: point.nC, limit: limit)
    let trainable = try point.trainablePattern()
    decoder = try Decoder(point.model, dtype: point.dtype, tensors: tensors) { name in
      trainable?(name) ?? true
    }
    tokens =
      backend.computes
      ? Self.drawTokens(for: point)
      : TokenIDs(batch: point.batch, stride: point.tokensPerSequence)
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
    let tape = Tape(tensors: tensors, policy: point.recompute.policy)
    defer { tape.discard() }
    tape.onProduct = onProduct
    let clock = ContinuousClock()

    ledger.enter(.forward)
    let start = clock.now
    let replay = PrefixReplay()
    let loss = try forward(on: tape, replay: replay)
    let forwardTime = clock.now - start

    let saved = ledger.savedStorages()
    try atBoundary(ledger)
    let value = tensors.backend.computes ? tensors.backend.read(loss).first.map(Double.init) : nil

    ledger.enter(.backward)
    let turn = clock.now
    try tape.backward()
    try replay.run(on: tape)
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
      optimizerBytes: point.optimizer.stateBytes(of: decoder.parameters),
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

  /// Runs the model and returns the loss, `[1]`; leaves in `replay` what must run again.
  private func forward(on tape: Tape, replay: PrefixReplay) throws -> Tensor {
    var prefix = try prefill(on: tape, replay: replay)
    let rows = point.recordedRows
    var x = try decoder.embed(tokens, at: rows[0], pass: pass, on: tape)
    for layer in (0..<point.model.layers) {
      let kv = prefix[layer]
      prefix[layer] = nil
      x = try decoder.apply(
        layer: layer, to: x, rows: rows[layer + 1], kv: kv, pass: pass, on: tape)
    }
    if point.head != .allRows {
      x = try tape.selectRows(x, at: point.lossPositions)
    }
    let labels = tokens.labels(after: point.lossPositions)
    if point.head == .chunked {
      return try decoder.chunkedLoss(x, labels: labels, rowsAtATime: point.chunk, on: tape)
    }
    return try tape.crossEntropy(
      decoder.logits(x, on: tape), at: point.lossPositions, labels: labels)
  }

  /// Runs rows before the cut without a graph, `chunk` at a time: only their K and V stay.
  private func prefill(on tape: Tape, replay: PrefixReplay) throws -> [KeyValues?] {
    let layers = 0..<point.model.layers
    guard point.cut > 0 else { return layers.map { _ in nil } }
    let isReplayed = point.mode.name == .replayedPrefix && decoder.learnsFromKeysAndValues
    let kv = try layers.map { layer in
      var kv = try decoder.makeKeyValues(
        batch: point.batch, positions: 0..<point.n, layer: layer)
      if isReplayed {
        kv.gradients = KeyValueGradients(
          batch: point.batch, rows: 0..<point.cut, width: point.model.keyWidth,
          dtype: point.mode.kvGradients == .float32 ? .float32 : point.dtype)
      }
      return kv
    }
    let chunks = stride(from: 0, to: point.cut, by: point.chunk).map {
      $0..<min($0 + point.chunk, point.cut)
    }
    try tape.withoutRecording {
      for chunk in chunks {
        try decoder.prefill(tokens, at: chunk, kv: kv, pass: pass, on: tape)
      }
    }
    if isReplayed {
      replay.keep(kv, on: tape) { [decoder, tokens, pass] in
        for chunk in chunks.reversed() {
          try decoder.prefill(tokens, at: chunk, kv: kv, pass: pass, on: tape)
          try tape.backward()
        }
      }
    }
    return kv
  }
}

/// What `replayed-prefix` has left to do when the suffix's graph is gone.
private final class PrefixReplay {
  private var saved: [SavedTensor] = []
  private var pass: (() throws -> Void)?

  /// Saves keys and values for the replay, which reads them in every layer.
  func keep(_ kv: [KeyValues], on tape: Tape, _ pass: @escaping () throws -> Void) {
    for (layer, kv) in kv.enumerated() {
      tape.layer = layer
      tape.op("replay") {
        saved.append(tape.save(kv.k, as: "k", neededFor: ["dk", "dv"]))
        saved.append(tape.save(kv.v, as: "v", neededFor: ["dk", "dv"]))
      }
    }
    tape.layer = nil
    self.pass = pass
  }

  /// Runs the prefix again, and drops what was kept for that.
  func run(on tape: Tape) throws {
    defer {
      saved = []
      pass = nil
    }
    try pass?()
  }
}
