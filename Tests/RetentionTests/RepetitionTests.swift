import CPUBackend
import Ledger
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// Chunks that the ledger proves to be equal are counted and not run: the count must be that of
/// running every one of them.
@Suite struct `Skipped repetitions` {
  /// A model of up to 12 layers and a prefix of many chunks.
  private static func point(_ index: Int) -> Point {
    var generator = SplitMix64(seed: UInt64(index) &* 104_729 &+ 5)
    func draw(_ values: [Int]) -> Int { values.randomElement(using: &generator) ?? 1 }
    let kvHeads = draw([1, 2])
    let window = index % 3 == 0 ? draw([5, 64, 700, 5000]) : nil
    let model = DecoderConfiguration(
      layers: draw([1, 2, 3, 5, 8, 12]), dModel: 16, heads: kvHeads * draw([1, 2]),
      kvHeads: kvHeads, dHead: 8, dFF: 24, vocab: 11, family: window == nil ? .llama : .mistral,
      slidingWindow: window)
    var point = Point(
      modelName: "deep", model: model, nC: draw([40, 333, 1000, 2999, 4096]), nG: draw([1, 5, 30]))
    point.chunk = draw([4, 17, 100, 256])
    point.batch = draw([1, 2])
    point.attention = Bool.random(using: &generator) ? .materialized : .fused
    point.recompute = Recompute.allCases[draw([0, 1, 2, 3])]
    point.lossRows = Bool.random(using: &generator) ? .generated : .nextToken
    if point.lossPositions.isEmpty { point.nG += 1 }
    point.dtype = Bool.random(using: &generator) ? .float32 : .bfloat16
    point.trainable = ["", "", "mlp", "k_proj|layers.0"][draw([0, 1, 2, 3])]
    point.mode = index % 2 == 0 ? .detachedPrefix(keep: draw([0, 3])) : .replayedPrefix()
    return point
  }

  private static func run(_ point: Point, skips: Bool) throws -> StepResult {
    let step = try TrainingStep(point, on: shapes)
    step.skipsRepetitions = skips
    return try step.run()
  }

  @Test(arguments: 0..<80)
  func `count what running every chunk counts`(index: Int) throws {
    let point = Self.point(index)
    let (skipped, whole) = try (Self.run(point, skips: true), Self.run(point, skips: false))
    let label = Comment(rawValue: "\(point)")
    #expect(skipped.saved.map(\.description) == whole.saved.map(\.description), label)
    #expect(skipped.saved.map(\.savers) == whole.saved.map(\.savers), label)
    #expect(skipped.peakForwardBytes == whole.peakForwardBytes, label)
    #expect(skipped.peakBackwardBytes == whole.peakBackwardBytes, label)
    #expect(skipped.workspacePeakBytes == whole.workspacePeakBytes, label)
    #expect(skipped.peakAllocatedBytes == whole.peakAllocatedBytes, label)
    #expect(skipped.gradientBytes == whole.gradientBytes, label)
    #expect(skipped.matmulFlops == whole.matmulFlops, label)
  }

  @Test func `are not run: a thousand chunks cost as much as a dozen`() throws {
    var point = Self.point(1)
    point.model.layers = 3
    (point.chunk, point.attention) = (256, .fused)
    func embeddings(nC: Int) throws -> Int {
      point.nC = nC
      // Every chunk that runs charges its embeddings, whose numbers the ledger counts.
      let step = try TrainingStep(point, on: shapes)
      _ = try step.run()
      return step.ledger.storageCount
    }
    #expect(try embeddings(nC: 256 * 1000) == embeddings(nC: 256 * 40))
  }

  /// What a row sees does not depend on how rows are divided.
  @Test(arguments: [1, 7, 100, 256, 5000])
  func `leave the work of attention to the layout`(chunk: Int) throws {
    var point = Self.point(1)
    (point.nC, point.attention, point.recompute) = (4096, .fused, .none)
    point.chunk = 4096
    let whole = try Self.run(point, skips: true).matmulFlops
    point.chunk = chunk
    #expect(try Self.run(point, skips: true).matmulFlops == whole)
  }
}
