import CPUBackend
import Ledger
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// Retained bytes against sums written from the layer's formulas, term by term.
@Suite struct `Retained bytes in closed form` {
  /// What a recorded pass over rows `cut..<n` keeps, in float32.
  static func retainedBytes(_ point: Point) -> Int {
    let model = point.model
    let rows = point.n - point.cut
    let keepsElements = point.recompute != .elementwise
    var layer = 0
    layer += rows * model.dModel  // x, the first norm's input
    // k and v of all rows, recorded or not
    let keyValues = 2 * point.n * model.keyWidth
    if point.recompute == .layer {
      layer += point.cut > 0 ? keyValues : 0
    } else {
      layer += keyValues
      layer += rows * model.queryWidth  // q
      layer += rows * model.queryWidth  // attention's output, input of W_O
      if point.recompute != .attention {
        layer +=
          point.attention == .materialized
          ? model.heads * rows * point.n  // probabilities
          : model.heads * rows  // log-sum-exp
      }
      layer += rows * model.dModel  // x after attention, the second norm's input
      layer += 2 * rows * model.dFF  // gate and up
      if keepsElements {
        layer += 2 * rows  // rstd of both norms
        layer += rows * model.dModel  // the normalized x, input of W_Q, W_K and W_V
        layer += rows * model.dModel  // the normalized x, input of W_gate and W_up
        layer += rows * model.dFF  // silu(gate) · up, input of W_down
      }
    }
    let headRows = point.head == .allRows ? rows : point.lossPositions.count
    var head = 0
    head += headRows * model.dModel  // the final norm's input
    if keepsElements {
      head += headRows  // its rstd
      head += headRows * model.dModel  // the normalized x, input of the head
    }
    if point.head != .chunked { head += headRows * model.vocab }  // logits
    head += point.lossPositions.count  // log-sum-exp of the loss rows
    return 4 * point.batch * (model.layers * layer + head)
  }

  @Test(arguments: randomCases(100))
  func `every saved tensor is one that the formulas name`(index: Int) throws {
    let full = randomPoint(index + 10_000)
    for point in [full, detached(full, keeping: index)] {
      let result = try runOnShapes(point)
      #expect(result.retained.total == Self.retainedBytes(point), "\(point)")
    }
  }

  @Test func `detaching the prefix leaves keys, values and crossing probabilities`() throws {
    var point = Point(
      modelName: "m",
      model: DecoderConfiguration(layers: 3, dModel: 32, heads: 4, kvHeads: 2, dFF: 64, vocab: 11),
      nC: 40, nG: 8)
    point.attention = .materialized
    point.lossRows = .generated
    point.mode = .detachedPrefix()
    let regions = try runOnShapes(point).retained
    #expect(regions[.prefix] == 4 * 3 * 2 * 40 * 16)
    #expect(regions[.crossing] == 4 * 3 * 4 * 8 * 40)
    #expect(regions[.shared] == 0)
  }

  @Test(arguments: randomCases(40))
  func `the storages at a peak add up to it`(index: Int) throws {
    let journal = EventJournal()
    let step = try TrainingStep(randomPoint(index + 30_000), on: shapes, observers: [journal])
    let result = try step.run()
    let sums = [Phase.forward, .backward].map { phase in
      journal.storagesAtPeak(in: phase).filter { $0.description.category == .activation }
        .reduce(0) { $0 + $1.description.requestedBytes }
    }
    #expect(sums == [result.peakForwardBytes, result.peakBackwardBytes])
  }

  @Test func `a tensor that the system refuses is an error with its name and bytes`() throws {
    let factory = TensorFactory(
      try CPUBackend(threads: 1).backend, ledger: Ledger(),
      layout: SequenceLayout(nC: 0, nG: 1, lossRows: 0..<1))
    #expect(throws: AllocationError.refused(tensor: "giant", bytes: 4 << 50)) {
      _ = try factory.make("giant", .hidden, Shape(.plain(1 << 50)))
    }
    #expect(factory.ledger.liveBytes.total == 0)
  }

  @Test func `a step under a limit stops with a sentence and leaves nothing behind`() throws {
    let backend = try CPUBackend(threads: 1)
    let point = Point(
      modelName: "m", model: DecoderConfiguration(dModel: 32, heads: 4, dFF: 64, vocab: 11),
      nC: 100, nG: 8)
    let step = try TrainingStep(point, on: backend.backend, limit: 150_000)
    #expect(throws: AllocationError.self) { _ = try step.run() }
    #expect(try backend.allocatedBytes(of: .activation) == 0)
  }

  @Test func `prefix rows own their probabilities and generated rows share theirs`() throws {
    var point = Point(
      modelName: "m", model: DecoderConfiguration(dModel: 16, heads: 2, dFF: 8, vocab: 5), nC: 6,
      nG: 3)
    point.attention = .materialized
    let probabilities = try #require(
      try runOnShapes(point).saved.first { $0.description.tensor == "probabilities" })
    #expect(
      probabilities.description.regions
        == RegionBytes(prefix: 4 * 2 * 6 * 9, generated: 4 * 2 * 3 * 3, crossing: 4 * 2 * 3 * 6))
  }
}
