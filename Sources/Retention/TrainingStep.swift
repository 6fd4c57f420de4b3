import Files
package import Autograd
package import Ledger
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
  package let model: Model
  package private(set) var ledger: Ledger
  /// The token numbers that the step reads: drawn from the point's seed until they are set.
  package var tokens: TokenIDs
  /// What, on shapes, is counted and not run once the ledger has proven that it repeats another.
  package var skips = Skips.chunks
  private(set) var tensors: TensorFactory
  private let limit: Int?

  /// Parts of a step that need not run on shapes.
  package enum Skips {
    case nothing
    /// Chunks of the prefix; every saved tensor is still listed.
    case chunks
    /// Those, and equal layers: a saved tensor of one stands for its copies in the others.
    case chunksAndLayers
  }

  package var decoder: Decoder { model.decoder }

  /// Prepares a step of a model, which drops the gradients of its last one.
  ///
  /// - Parameters:
  ///   - point: What is measured; its model and dtype are those of `model`.
  ///   - model: The parameters, and where they live.
  ///   - recordsLedger: Whether bytes are counted.
  ///   - observers: Who hears of every event; then nothing is skipped.
  ///   - limit: The most allocated bytes of parameters and step together.
  /// - Throws: `PointError` for an impossible point.
  package init(
    _ point: Point, of model: Model, recordsLedger: Bool = true,
    observers: [any LedgerObserver] = [], limit: Int? = nil
  ) throws {
    try point.validate()
    precondition(point.model == model.decoder.configuration, "the point is of another model")
    self.point = point
    self.model = model
    self.limit = limit.map { $0 - model.parameterAllocatedBytes }
    ledger = Ledger(isRecording: recordsLedger, observers: observers, after: model.ledger)
    tensors = TensorFactory(
      model.backend, ledger: ledger, layout: point.layout, limit: self.limit)
    tokens =
      model.backend.kernels == nil
      ? TokenIDs(batch: point.sequences, stride: point.tokensPerSequence)
      : Self.drawTokens(for: point)
    model.clearGradients()
    try model.train(point)
  }

  /// Refuses a step that trains nothing.
  ///
  /// - Throws: `PointError` with the name of a parameter that there is.
  package func requireTrained() throws(PointError) {
    guard !decoder.parameters.contains(where: \.isTrained) else { return }
    throw PointError(
      "trainable \(quoted(point.trainable)) is found in no parameter's name, such as "
        + (decoder.parameters.dropFirst().first?.name ?? ""))
  }

  /// A step of a model of its own, whose parameters are drawn from the point's seed.
  ///
  /// - Throws: `PointError` for an impossible point, `AllocationError` if parameters do not fit.
  package convenience init(
    _ point: Point, on backend: Backend, recordsLedger: Bool = true,
    observers: [any LedgerObserver] = [], limit: Int? = nil
  ) throws {
    try self.init(
      point, of: Model(of: point, on: backend, limit: limit), recordsLedger: recordsLedger,
      observers: observers, limit: limit)
  }

  /// Tokens drawn from the seed, the same on every machine; suffixes of one prefix share it.
  private static func drawTokens(for point: Point) -> TokenIDs {
    let random = CounterRandom(seed: point.seed, stream: "tokens")
    let stride = point.tokensPerSequence
    let ids = (0..<point.sequences * stride).map { index in
      let (sequence, position) = index.quotientAndRemainder(dividingBy: stride)
      let first = position < point.nC ? sequence % point.suffixes : 0
      return Int32(random.integer(index - first * stride, below: point.model.vocab))
    }
    return TokenIDs(ids: ids, stride: stride)
  }

  /// Runs the step once; gradients of an earlier run are dropped first.
  ///
  /// `atBoundary` is called after the loss is known and before backward starts.
  ///
  /// - Throws: `AllocationError`, what the backend throws, and what `atBoundary` throws.
  package func run(atBoundary: (Ledger) throws -> Void = { _ in }) throws -> StepResult {
    do {
      return try runOnce(atBoundary)
    } catch is RepetitionError {
      skips = .nothing
      ledger = Ledger(after: model.ledger)
      tensors = TensorFactory(model.backend, ledger: ledger, layout: tensors.layout, limit: limit)
      return try runOnce(atBoundary)
    }
  }

  private func runOnce(_ atBoundary: (Ledger) throws -> Void) throws -> StepResult {
    for parameter in decoder.parameters { parameter.clearGradient() }
    let tapes = StepTapes(tensors: tensors, policy: point.recompute.policy)
    defer { tapes.discard() }
    let clock = ContinuousClock()

    ledger.enter(.forward)
    let start = clock.now
    let replay = PrefixReplay()
    let losses =
      point.sharing == .prefix
      ? try groupForward(on: tapes, replay: replay)
      : [try forward(on: tapes.next(), replay: replay)]
    let forwardTime = clock.now - start

    // PyTorch's hooks see the caller's tensors too.
    let saved = ledger.savedStorages(
      of: point.recipe == .ballast ? [.activation] : [.activation, .input])
    try atBoundary(ledger)
    let value = tensors.kernels.map { kernels in
      losses.reduce(0) { $0 + Double(kernels.read($1)[0]) }
    }

    ledger.enter(.backward)
    let turn = clock.now
    try tapes.backward()
    try replay.run()
    let backwardTime = clock.now - turn

    func peak(_ category: Category) -> Int {
      max(ledger.peakBytes(category, in: .forward), ledger.peakBytes(category, in: .backward))
    }
    let isTimed = tensors.kernels != nil
    return StepResult(
      loss: value,
      saved: saved,
      peakForwardBytes: ledger.peakBytes(.activation, in: .forward),
      peakBackwardBytes: ledger.peakBytes(.activation, in: .backward),
      workspacePeakBytes: peak(.workspace),
      parameterBytes: model.parameterBytes,
      gradientBytes: ledger.liveBytes[.gradient],
      trainedElements: decoder.parameters.reduce(0) { $0 + ($1.isTrained ? $1.heldElements : 0) },
      peakAllocatedBytes: model.parameterAllocatedBytes
        + max(ledger.peakAllocatedBytes(in: .forward), ledger.peakAllocatedBytes(in: .backward)),
      optimizerBytes: point.optimizer.stateBytes(of: decoder.parameters),
      matmulFlops: tapes.matmulFlops,
      forwardSeconds: isTimed ? forwardTime / .seconds(1) : nil,
      backwardSeconds: isTimed ? backwardTime / .seconds(1) : nil)
  }

  /// The first gradient of the last run that is not finite, by its parameter's name; nil for none.
  package func parameterWithoutFiniteGradient() -> String? {
    decoder.parameters.first { parameter in
      guard let gradient = parameter.gradient?.value, let kernels = tensors.kernels else {
        return false
      }
      return !kernels.isFinite(gradient)
    }?.name
  }

  /// The gradients of the last run, by Hugging Face name, as float32; parameters without are
  /// absent.
  package func gradients() -> [String: [Float]] {
    var result: [String: [Float]] = [:]
    for parameter in decoder.parameters {
      if let gradient = parameter.gradient?.value {
        result[parameter.name] = tensors.kernels?.read(gradient)
      }
    }
    return result
  }

  // MARK: Forward

  var pass: PassOptions {
    PassOptions(
      memory: point.attention, dropoutProbability: point.dropout, seed: point.seed,
      sequenceLength: point.n)
  }

  /// Whether a part may be counted and not run: not while kernels compute or somebody listens.
  private var canSkip: Bool {
    tensors.kernels == nil && ledger.isRecording && !ledger.isObserved
  }

  /// The layers that run of a pass over these rows before layer 0, after layer 0, …
  func layerRuns(over rows: [Range<Int>]) -> LayerRuns {
    guard canSkip, skips == .chunksAndLayers else { return LayerRuns(all: point.model.layers) }
    return LayerRuns(
      kinds: (0..<point.model.layers).map { layer in
        LayerPart(kind: decoder.kind(ofLayer: layer), rows: [rows[layer], rows[layer + 1]])
      })
  }

  /// What a layer's part of the step depends on.
  private struct LayerPart: Equatable {
    let kind: LayerKind
    let rows: [Range<Int>]
  }

  /// Runs the model and returns the loss, `[1]`; leaves in `replay` what must run again.
  private func forward(on tape: Tape, replay: PrefixReplay) throws -> Tensor {
    if let attention = point.recipe.attention { return try forward(as: attention, on: tape) }
    var prefix = try prefill(on: tape, replay: replay)
    let rows = point.recordedRows
    var x = try decoder.embed(tokens, at: rows[0], pass: pass, on: tape)
    try layerRuns(over: rows).forEach(in: 0..<point.model.layers, on: tape) { layer in
      let kv = prefix[layer]
      prefix[layer] = nil
      x = try decoder.apply(
        layer: layer, to: x, rows: rows[layer + 1], kv: kv, pass: pass, on: tape)
    }
    let lossRows = point.layout.lossRows
    if point.head != .allRows { x = try tape.selectRows(x, at: lossRows) }
    return try loss(of: x, tokens, on: tape)
  }

  /// The part that rows `x` with loss, or all rows, have in the mean over the loss rows of all
  /// sequences, `[1]`.
  func loss(of x: consuming Variable, _ tokens: TokenIDs, on tape: Tape) throws -> Tensor {
    let rows = point.layout.lossRows
    let (labels, total) = (
      tokens.labels(of: point.layout.lossRuns), point.sequences * rows.count
    )
    if point.head == .chunked {
      return try decoder.chunkedLoss(
        x, labels: labels, rowsAtATime: point.chunk, of: total, on: tape)
    }
    return try tape.crossEntropy(decoder.logits(x, on: tape), at: rows, labels: labels, of: total)
  }

  /// The same of Hugging Face's model code; the rows before the cut go into its cache at once.
  private func forward(as attention: HuggingFacePass.Attention, on tape: Tape) throws -> Tensor {
    let pass = try HuggingFacePass(
      decoder, attention: attention, checkpointsLayers: point.recompute == .layer,
      batch: point.sequences, tokens: point.n, on: tape)
    let runs = layerRuns(over: point.recordedRows)
    let caches = try pass.prefill(0..<point.cut, runs: runs)
    return try pass.loss(point.cut..<point.n, caches: caches, runs: runs)
  }

  /// Runs rows before the cut without a graph, `chunk` at a time: only their K and V stay.
  func prefill(on tape: Tape, replay: PrefixReplay) throws -> [KeyValues?] {
    let isShared = point.sharing == .prefix
    let tokens = isShared ? self.tokens(ofSuffix: 0) : self.tokens
    let isReplayed = point.mode.name == .replayedPrefix && decoder.learnsFromKeysAndValues
    var kv: [KeyValues?] = Array(repeating: nil, count: point.model.layers)
    guard point.cut > 0 else { return kv }
    let runs = layerRuns(over: point.recordedRows)
    try tape.withoutRecording {
      try runs.forEach(in: kv.indices, on: tape) { layer in
        kv[layer] = try decoder.makeKeyValues(
          batch: point.rowBatch, rows: isShared ? 0..<point.nC : point.layout.rows, layer: layer,
          from: tensors)
        guard isReplayed else { return }
        kv[layer]?.gradients = KeyValueGradients(
          batch: point.rowBatch, rows: 0..<(isShared ? point.nC : point.cut),
          width: point.model.keyWidth,
          dtype: point.mode.kvGradients == .float32 ? .float32 : point.dtype)
      }
    }
    let chunks = RowChunks(rows: 0..<point.cut, atATime: point.chunk)
    let repeats = Repetition(
      on: tape, skips: canSkip && skips != .nothing,
      growsWithKeys: point.attention == .materialized)
    try tape.withoutRecording {
      try repeats.forEach(of: chunks) { chunk in
        try decoder.prefill(tokens, at: chunk, kv: kv, runs: runs, pass: pass, on: tape)
      }
    }
    if isReplayed {
      replay.keep(kv, on: tape) { [decoder, pass, kv] in
        try repeats.forEach(of: chunks.reversed) { chunk in
          try decoder.prefill(tokens, at: chunk, kv: kv, runs: runs, pass: pass, on: tape)
          try tape.backward()
        }
      }
    }
    return kv
  }
}

/// What `replayed-prefix` has left to do when the suffix's graph is gone.
final class PrefixReplay {
  private var saved: [SavedTensor] = []
  private var pass: (() throws -> Void)?

  /// Saves keys and values for the replay, which reads them in every layer.
  func keep(_ kv: [KeyValues?], on tape: Tape, _ pass: @escaping () throws -> Void) {
    for (layer, kv) in kv.enumerated() {
      guard let kv else { continue }
      tape.layer = layer
      tape.op("replay") {
        for (name, tensor) in kv.tensors {
          saved.append(tape.save(tensor, as: name, neededFor: ["dk", "dv"]))
        }
      }
    }
    tape.layer = nil
    self.pass = pass
  }

  /// Runs the prefix again, and drops what was kept for that.
  func run() throws {
    defer {
      saved = []
      pass = nil
    }
    try pass?()
  }
}
