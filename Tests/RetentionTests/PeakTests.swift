import Autograd
import CPUBackend
import Ledger
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// Peaks and the journal against sums written from the layer's formulas.
///
/// Shapes and CPU run the same model code, so what both hold for too long shows only here.
@Suite struct `Peaks in closed form` {
  private static func point(
    _ model: DecoderConfiguration, nC: Int, nG: Int, attention: AttentionMemory = .fused
  ) -> Point {
    var point = Point(modelName: "m", model: model, nC: nC, nG: nG)
    point.attention = attention
    point.lossRows = .generated
    return point
  }

  private struct Ran {
    let step: TrainingStep
    let result: StepResult
    let journal: EventJournal
  }

  private static func step(_ point: Point) throws -> Ran {
    let journal = EventJournal()
    let step = try TrainingStep(point, on: .shapes(sizeClass: { $0 }), observers: [journal])
    return Ran(step: step, result: try step.run(), journal: journal)
  }

  /// A storage's making, as the journal has it.
  private struct Made {
    let scope: Scope
    let storage: StorageDescription
  }

  private static func made(_ journal: EventJournal) -> [Made] {
    journal.events.compactMap { event in
      guard case .allocate(_, let scope, let storage) = event else { return nil }
      return Made(scope: scope, storage: storage)
    }
  }

  // MARK: Backward

  private static let deep = DecoderConfiguration(
    layers: 8, dModel: 32, heads: 4, kvHeads: 2, dFF: 64, vocab: 11)

  @Test(arguments: [AttentionMemory.materialized, .fused])
  func `backward stands highest in the last layer, where the head is gone`(
    attention: AttentionMemory
  ) throws {
    var point = Self.point(Self.deep, nC: 24, nG: 8, attention: attention)
    point.batch = 2
    let result = try Self.step(point).result
    let (model, rows, lossRows) = (point.model, point.n, point.nG)
    // The head's input before and after its norm, rstd, logits and log-sum-exp: all freed by then.
    let head = 2 * lossRows * model.dModel + lossRows + lossRows * model.vocab + lossRows
    // In swiglu's backward: the gradient of the residual stream, and those of swiglu's output, gate
    // and up; the product that W_down read is freed, and the other saves of all 8 layers stand.
    let transient = rows * model.dModel + 3 * rows * model.dFF
    let expected =
      `Retained bytes in closed form`.retainedBytes(point)
      + 4 * point.batch * (transient - head - rows * model.dFF)
    // The loss may live on.
    #expect((expected...expected + 4).contains(result.peakBackwardBytes))
    #expect(result.peakBackwardBytes < result.retained.total + 4 * point.batch * transient)
  }

  @Test(arguments: [AttentionMemory.materialized, .fused])
  func `a layer's backward starts when all later layers' activations are freed`(
    attention: AttentionMemory
  ) throws {
    let point = Self.point(Self.deep, nC: 24, nG: 8, attention: attention)
    let ran = try Self.step(point)
    let (step, result, events) = (ran.step, ran.result, ran.journal.events)
    let turn = try #require(events.firstIndex(of: .enter(.backward)))
    let saved = Set(result.saved.map(\.id))
    for layer in 0..<Self.deep.layers {
      let start = try #require(
        events.indices.dropFirst(turn).first { index in
          guard case .allocate(_, let scope, _) = events[index] else { return false }
          return scope.layer == layer
        })
      let alive = ran.journal.storages(afterEvents: start).filter { saved.contains($0.id) }
      #expect(
        alive.allSatisfy { storage in
          storage.scope.layer.map { $0 <= layer } ?? (storage.scope.name == "embedding")
        })
      #expect(alive.contains { $0.scope.layer == layer })
    }
    let left = step.ledger.liveStorages(of: .activation).map(\.description.tensor)
    #expect(left.allSatisfy { $0 == "loss" })
  }

  // MARK: Keys and values

  private static let own = ["k_proj k", "v_proj v"]
  private static let statistics = ["attention_norm normalized", "attention_norm rstd"]
  /// What a layer makes in forward beside its keys and values; `log_sum_exp` only if recorded.
  private static let unrecorded =
    statistics + [
      "q_proj q", "attention attention_output", "o_proj hidden",
      "mlp_norm normalized", "mlp_norm rstd", "gate_proj gate", "up_proj up",
      "swiglu activation", "down_proj hidden",
    ]
  private static let recorded = unrecorded + ["attention log_sum_exp"]
  private static let around = [
    "- embedding hidden", "- loss_rows loss_rows", "- final_norm normalized", "- final_norm rstd",
    "- head logits", "- cross_entropy log_sum_exp", "- cross_entropy loss",
  ]

  /// Everything that forward makes, wherever it stands, sorted.
  private static func forwardTensors(_ journal: EventJournal) -> [String] {
    made(journal).filter { !$0.scope.name.hasSuffix(".backward") }
      .filter { $0.storage.category == .activation || $0.storage.category == .workspace }
      .map { made in
        let layer = made.scope.layer.map(String.init) ?? "-"
        return "\(layer) \(made.scope.name) \(made.storage.tensor)"
      }
      .sorted()
  }

  private static let grouped = DecoderConfiguration(
    layers: 3, dModel: 32, heads: 4, kvHeads: 2, dFF: 40, vocab: 11)

  @Test func `full-graph makes the keys and values of a layer once`() throws {
    let model = Self.grouped
    let point = Self.point(model, nC: 600, nG: 8)
    let ran = try Self.step(point)
    let result = ran.result
    let layers = (0..<3).flatMap { layer in (Self.own + Self.recorded).map { "\(layer) \($0)" } }
    #expect(Self.forwardTensors(ran.journal) == (Self.around + layers).sorted())
    // Forward stands highest where the loss rows are copied: the layers' saves, the last layer's
    // output and the copy.
    let head = point.nG * (2 * model.dModel + 1 + model.vocab + 1)
    let copying = point.n * model.dModel + point.nG * model.dModel
    #expect(
      result.peakForwardBytes
        == `Retained bytes in closed form`.retainedBytes(point) + 4 * (copying - head))
  }

  @Test func `a prefix in chunks makes the keys and values of a layer once`() throws {
    var point = Self.point(Self.grouped, nC: 600, nG: 8)
    point.mode = .detachedPrefix()
    point.chunk = 64
    let ran = try Self.step(point)
    let layers = (0..<3).flatMap { layer in
      // The last layer of a chunk stops at its keys and values.
      let chunk = layer == 2 ? Self.statistics : Self.unrecorded
      let chunks = (0..<10).flatMap { _ in chunk }
      return (Self.own + chunks + Self.recorded).map { "\(layer) \($0)" }
    }
    let embeddings = (0..<10).map { _ in "- embedding hidden" }
    #expect(Self.forwardTensors(ran.journal) == (Self.around + embeddings + layers).sorted())
  }

  // MARK: Chunks

  @Test func `the peak of an unrecorded prefix is its keys and values, and one chunk`() throws {
    let model = DecoderConfiguration(
      layers: 2, dModel: 32, heads: 4, kvHeads: 2, dFF: 64, vocab: 11)
    func beyondKeyValues(nC: Int, chunk: Int) throws -> Int {
      var point = Self.point(model, nC: nC, nG: 2)
      point.mode = .detachedPrefix()
      point.chunk = chunk
      let keyValues = 4 * model.layers * 2 * point.n * model.keyWidth
      return try Self.step(point).result.peakForwardBytes - keyValues
    }
    let short = try beyondKeyValues(nC: 4096, chunk: 64)
    #expect(try beyondKeyValues(nC: 8192, chunk: 64) == short)
    #expect(try beyondKeyValues(nC: 4096, chunk: 128) == 2 * short)
    #expect(try beyondKeyValues(nC: 4096, chunk: 4096) == 64 * short)
    // In swiglu: the rows before and after attention, gate, up and their product; the normalized
    // rows, which up was the last to read, may live on.
    let least = 4 * 64 * (2 * model.dModel + 3 * model.dFF)
    #expect((least...least + 4 * 64 * model.dModel).contains(short))
  }

  @Test(arguments: [(64, 16), (1000, 1), (999, 2), (333, 4), (4096, 1), (1, 1000)])
  func `a prefix runs in chunks of the size that is asked for`(chunk: Int, count: Int) throws {
    let model = DecoderConfiguration(dModel: 16, heads: 2, dFF: 8, vocab: 5)
    var point = Self.point(model, nC: 1000, nG: 3)
    point.mode = .detachedPrefix()
    point.chunk = chunk
    let rows = Self.made(try Self.step(point).journal).filter { $0.scope.name == "embedding" }
      .map { $0.storage.shape[1] }
    let sizes =
      Array(repeating: min(chunk, 1000), count: count - 1) + [1000 - (count - 1) * min(chunk, 1000)]
    #expect(rows == sizes + [3])
  }

  // MARK: Attention's tiles

  /// The scratch of attention, as the kernels ask for it and shapes predict it.
  @Test(arguments: [DType.float32, .bfloat16])
  func `fused attention's scratch does not grow with the keys`(dtype: DType) throws {
    let model = DecoderConfiguration(dModel: 16, heads: 4, kvHeads: 2, dFF: 8, vocab: 5)
    let peaks = try [4096, 8192, 1 << 20].map { n in
      var point = Self.point(model, nC: n - 8, nG: 8)
      point.dtype = dtype
      let step = try TrainingStep(point, on: shapes)
      _ = try step.run()
      return step.ledger.peakBytes(.workspace, in: .forward)
    }
    #expect(peaks[0] > 0 && Set(peaks).count == 1)
  }

  /// Probabilities stand where they are kept; keys and values are packed for each KV head at once.
  @Test func `kept probabilities in float32 need no room of their own in forward`() throws {
    let model = DecoderConfiguration(dModel: 16, heads: 4, kvHeads: 2, dFF: 8, vocab: 5)
    let point = Self.point(model, nC: 4088, nG: 8, attention: .materialized)
    let step = try TrainingStep(point, on: shapes)
    _ = try step.run()
    // Eight slots of all keys, d_head wide, and all values, padded to 64 columns.
    #expect(step.ledger.peakBytes(.workspace, in: .forward) == 8 * 4096 * (4 + 64) * 4)
  }

  @Test(arguments: randomCases(60))
  func `the workspace that shapes predict is the CPU's, oneDNN's own aside`(index: Int) throws {
    let point = randomPoint(index + 50_000)
    var peaks: [Int] = []
    for backend in [shapes, try CPUBackend(threads: 1).backend] {
      let journal = EventJournal()
      _ = try TrainingStep(point, on: backend, observers: [journal]).run()
      let sizes = Self.made(journal).filter {
        $0.storage.category == .workspace && $0.storage.tensor != "scratchpad"
      }
      peaks.append(sizes.reduce(0) { $0 + $1.storage.requestedBytes })
    }
    #expect(peaks[0] == peaks[1], "\(point)")
  }
}
