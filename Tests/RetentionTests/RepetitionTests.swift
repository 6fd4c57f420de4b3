import CPUBackend
import Ledger
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// Chunks and layers that the ledger proves to be equal are counted and not run: the count must be
/// that of running every one of them.
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
    point.trainable = written(["", "", "mlp", "k_proj|layers.0"][draw([0, 1, 2, 3])])
    point.mode = index % 2 == 0 ? .detachedPrefix(keep: draw([0, 3])) : .replayedPrefix()
    return point
  }

  private static func run(
    _ point: Point, skips: TrainingStep.Skips
  ) throws -> StepResult {
    let step = try TrainingStep(point, on: shapes)
    step.skips = skips
    return try step.run()
  }

  /// Whether all totals are the same.
  private static func expectEqual(
    _ skipped: StepResult, _ whole: StepResult, _ point: Point,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let label = Comment(rawValue: "\(point)")
    #expect(skipped.retained == whole.retained, label, sourceLocation: sourceLocation)
    for figure in [
      \StepResult.retainedAllocatedBytes, \.peakForwardBytes, \.peakBackwardBytes,
      \.workspacePeakBytes, \.peakAllocatedBytes, \.gradientBytes,
    ] {
      #expect(
        skipped[keyPath: figure] == whole[keyPath: figure], "\(figure) of \(point)",
        sourceLocation: sourceLocation)
    }
    #expect(skipped.matmulFlops == whole.matmulFlops, label, sourceLocation: sourceLocation)
  }

  @Test(arguments: randomCases(80))
  func `count what running every chunk counts`(index: Int) throws {
    let point = Self.point(index)
    let (skipped, whole) = try (Self.run(point, skips: .chunks), Self.run(point, skips: .nothing))
    let label = Comment(rawValue: "\(point)")
    #expect(skipped.saved.map(\.description) == whole.saved.map(\.description), label)
    #expect(skipped.saved.map(\.savers) == whole.saved.map(\.savers), label)
    Self.expectEqual(skipped, whole, point)
  }

  @Test(arguments: randomCases(240))
  func `of layers count what running every layer counts`(index: Int) throws {
    var point = Self.point(index)
    if index % 3 == 1 { point.mode = index % 2 == 0 ? .fullGraph : .prunedGraph }
    if index % 5 == 4 {
      point.sharing = .prefix
      point.lengths = Lengths([7, 1, 30].map { (point.nC, $0) })
      point.suffixesAtATime = [0, 1, 2][index % 3]
    }
    let (skipped, whole) = try (
      Self.run(point, skips: .chunksAndLayers), Self.run(point, skips: .nothing)
    )
    Self.expectEqual(skipped, whole, point)
    /// How many tensors each op saves, whatever layer it stands in.
    func counts(_ result: StepResult) -> [[String]: Int] {
      result.saved.reduce(into: [:]) { counts, saved in
        let shape = "\(saved.description.shape)"
        counts[saved.savers.map(\.scope.name) + [saved.description.tensor, shape], default: 0] +=
          saved.copies
      }
    }
    #expect(counts(skipped) == counts(whole), "\(point)")
  }

  /// Completions of one prefix, all alive at once or in rounds, in models of many layers.
  @Test(arguments: randomCases(160))
  func `of completions count what running every completion counts`(index: Int) throws {
    var point = Self.point(index)
    var generator = SplitMix64(seed: UInt64(index) &* 31 &+ 7)
    (point.batch, point.sharing) = (1, .prefix)
    point.suffixes = [1, 2, 5, 6, 7, 12, 23].randomElement(using: &generator) ?? 1
    point.suffixesAtATime = [0, 0, 1, 2, 3].randomElement(using: &generator) ?? 0
    point.nC = min(point.nC, 400)
    if index % 3 == 1 { point.mode = index % 2 == 0 ? .fullGraph : .prunedGraph }
    if index % 5 == 1 { point.head = .chunked }
    if index % 4 == 1 { point.lora = written("r=2,alpha=4,targets=all-linear") }
    guard (try? point.validate()) != nil else { return }
    let (skipped, whole) = try (
      Self.run(point, skips: .chunksAndLayers), Self.run(point, skips: .nothing)
    )
    Self.expectEqual(skipped, whole, point)
    #expect(skipped.savedTensors == whole.savedTensors, "\(point)")
    #expect(skipped.saved.count <= whole.saved.count)
  }

  /// What a step runs: every storage that is made has a number.
  @Test(arguments: [0, 2], ["", "r=2,alpha=4,targets=all-linear"])
  func `are not run: a thousand completions cost as much as a dozen`(
    atATime: Int, lora: String
  ) throws {
    for mode in [Mode.fullGraph, .prunedGraph, .detachedPrefix(keep: 0), .replayedPrefix()] {
      func storages(suffixes: Int) throws -> Int {
        var point = Self.point(1)
        point.model.layers = 12
        (point.trainable, point.lora, point.mode) = (nil, written(lora), mode)
        (point.batch, point.nC, point.sharing) = (1, 40, .prefix)
        (point.suffixes, point.suffixesAtATime) = (suffixes, atATime)
        let step = try TrainingStep(point, on: shapes)
        step.skips = .chunksAndLayers
        _ = try step.run()
        return step.ledger.storageCount
      }
      #expect(try storages(suffixes: 1000) == storages(suffixes: 12))
    }
  }

  /// An adapter of the first layers, a window in some, one layer frozen: none of these repeats.
  @Test(
    arguments: [
      "layers\\.[0-3]\\.", "layers\\.(0|5)\\.", "layers\\.11\\.", "layers\\.[4-9]\\..*v_proj",
    ])
  func `of layers that differ are told apart`(trainable: String) throws {
    for index in 0..<12 {
      var point = Self.point(index)
      point.model.layers = 12
      if index % 2 == 0 { point.model.slidingWindow = 7 }
      if index % 4 == 0 { point.model.slidingLayers = .listed((0..<12).map { $0 % 5 == 0 }) }
      (point.nC, point.trainable) = (333, written(trainable))
      Self.expectEqual(
        try Self.run(point, skips: .chunksAndLayers), try Self.run(point, skips: .nothing), point)
    }
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
    let whole = try Self.run(point, skips: .chunks).matmulFlops
    point.chunk = chunk
    #expect(try Self.run(point, skips: .chunks).matmulFlops == whole)
  }
}
