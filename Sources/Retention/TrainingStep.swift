package import Autograd
package import Ledger
import Patterns
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
  /// Tokens of the longest sequence, and how heads turn in it.
  private let longest: Int
  private let rotation: HeadRotation?
  private let sequences: SequenceNumbers

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
    longest = point.longestSequence
    rotation = point.model.headRotation(ofLength: longest)
    sequences = point.sequenceNumbers
    ledger = Ledger(isRecording: recordsLedger, observers: observers, after: model.ledger)
    tensors = TensorFactory(
      model.backend, ledger: ledger, layout: point.layout, limit: self.limit)
    tokens =
      model.backend.kernels == nil
      ? TokenIDs(batch: point.sequences, stride: point.tokensPerSequence)
      : Self.drawTokens(for: point)
    model.clearGradients()
    model.train(point)
  }

  /// Refuses a step that trains nothing.
  ///
  /// - Throws: `PointError` with the name of a parameter that there is.
  package func requireTrained() throws(PointError) {
    guard !decoder.parameters.contains(where: \.isTrained) else { return }
    throw .step(
      .nothingTrained(
        pattern: point.trainable?.written ?? "",
        parameter: decoder.parameters.dropFirst().first?.name ?? ""))
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

  /// Tokens drawn from the seed, the same on every machine; suffixes of one prefix share it, and
  /// so do sequences of different lengths whose prompts are as long, whether or not it runs once.
  private static func drawTokens(for point: Point) -> TokenIDs {
    let random = CounterRandom(seed: point.seed, stream: "tokens")
    func token(_ index: Int) -> Int32 { Int32(random.integer(index, below: point.model.vocab)) }
    let lengths = point.sequencePoints
    guard lengths.isEmpty else {
      let hasOnePrompt = point.hasOnePrompt
      var ids: [Int32] = []
      for sequence in lengths {
        let first = ids.count
        ids += (0..<sequence.tokensPerSequence).map { position in
          token(hasOnePrompt && position < sequence.nC ? position : first + position)
        }
      }
      return TokenIDs(ids: ids, stride: ids.count)
    }
    let stride = point.tokensPerSequence
    let ids = (0..<point.sequences * stride).map { index in
      let (sequence, position) = index.quotientAndRemainder(dividingBy: stride)
      let first = position < point.nC ? sequence % point.suffixes : 0
      return token(index - first * stride)
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
    let tapes = StepTapes(policy: point.recompute.policy)
    defer { tapes.discard() }
    let clock = ContinuousClock()

    ledger.enter(.forward)
    let start = clock.now
    var replays: [PrefixReplay] = []
    let losses = try forward(on: tapes, replays: &replays)
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
    // The caller of a step holds its loss.
    try withExtendedLifetime(losses) {
      try tapes.backward()
      for replay in replays.reversed() { try replay.run() }
    }
    let backwardTime = clock.now - turn

    func peak(_ category: Category) -> Int {
      max(ledger.peakBytes(category, in: .forward), ledger.peakBytes(category, in: .backward))
    }
    let isTimed = tensors.kernels != nil
    var result = StepResult(
      loss: value,
      saved: saved,
      peakForwardBytes: ledger.peakBytes(.activation, in: .forward),
      peakBackwardBytes: ledger.peakBytes(.activation, in: .backward),
      workspacePeakBytes: peak(.workspace),
      parameterBytes: model.parameterBytes,
      gradientBytes: ledger.liveBytes[.gradient],
      trained: model.trained,
      peakAllocatedBytes: model.parameterAllocatedBytes
        + max(ledger.peakAllocatedBytes(in: .forward), ledger.peakAllocatedBytes(in: .backward)),
      optimizerBytes: point.optimizer.stateBytes(of: model.trained),
      matmulFlops: tapes.matmulFlops,
      forwardSeconds: isTimed ? forwardTime / .seconds(1) : nil,
      backwardSeconds: isTimed ? backwardTime / .seconds(1) : nil)
    if !tensors.memory.isShared { result.takePyTorchsPeaks(of: point) }
    return result
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

  // MARK: Passes

  /// Runs the model forward and returns the parts of the loss, `[1]` each; leaves in the last place
  /// of `replays` what must run again first.
  private func forward(on tapes: StepTapes, replays: inout [PrefixReplay]) throws -> [Tensor] {
    if let rectangle = point.rectangle {
      replays = [PrefixReplay()]
      let tensors = TensorFactory(
        model.backend, ledger: ledger, layout: rectangle.layout, limit: limit)
      var pass = stepPass(
        rectangle.point, rectangle.tokens(tokens), tensors, of: point.lossRowsInAll)
      pass.padded = (rectangle.lossRange, rectangle.labels(tokens))
      return [try pass.forward(on: tapes, replay: replays[0])]
    }
    let passes = passes
    guard point.sharing == .none else {
      replays = [PrefixReplay()]
      return try passes[0].groupForward(
        passes, atATime: point.suffixesAtATime, on: tapes, replay: replays[0])
    }
    return try passes.map { pass in
      let replay = PrefixReplay()
      replays.append(replay)
      return try pass.forward(on: tapes, replay: replay)
    }
  }

  /// The passes of sequences or completions that differ in length or share a prefix; else one.
  private var passes: [StepPass] {
    let isShared = point.sharing == .prefix
    let (sequences, total) = (point.sequencePoints, point.lossRowsInAll)
    guard !sequences.isEmpty else {
      guard isShared else { return [stepPass(point, tokens, tensors, of: total)] }
      return (0..<point.suffixes).map {
        stepPass(point, tokens.completion($0, of: point.suffixes), tensors, of: total, first: $0)
      }
    }
    let points = isShared ? point.completionPoints : sequences
    return zip(points, tokens.parts(of: points)).enumerated().map { index, part in
      let (own, tokens) = part
      let tensors = TensorFactory(
        model.backend, ledger: ledger, layout: own.layout, limit: limit)
      return stepPass(own, tokens, tensors, of: total, first: index)
    }
  }

  private func stepPass(
    _ point: Point, _ tokens: TokenIDs, _ tensors: TensorFactory, of lossRows: Int,
    first: Int = 0
  ) -> StepPass {
    // While kernels compute or somebody listens everything runs.
    var sequences = sequences
    sequences.first = first
    let canSkip = tensors.kernels == nil && ledger.isRecording && !ledger.isObserved
    let skipsLayers = canSkip && skips == .chunksAndLayers
    return StepPass(
      point: point, decoder: decoder, tokens: tokens, tensors: tensors,
      lossRows: lossRows,
      pass: PassOptions(
        memory: point.attention, dropoutProbability: point.dropout, seed: point.seed,
        sequenceLength: longest, sequences: sequences, rotation: rotation),
      layerKinds: skipsLayers ? model.layerKinds : [],
      skipsChunks: canSkip && skips != .nothing,
      skipsLayers: skipsLayers)
  }
}
