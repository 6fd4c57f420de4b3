import CPUBackend
import Foundation
import Ledger
import PyTorchSteps
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// What Hugging Face's layers keep in PyTorch, against sums written from the table in
/// `PyTorchOps.swift`; `scripts/compare-pytorch` holds every tensor against PyTorch itself.
@Suite struct `Recipes of transformers` {
  private static func point(
    _ recipe: Recipe, _ model: DecoderConfiguration, nC: Int, nG: Int, batch: Int = 1
  ) -> Point {
    var point = Point(modelName: "m", model: model, nC: nC, nG: nG)
    point.recipe = recipe
    point.attention = recipe.attentionMemory ?? .fused
    point.head = .allRows
    point.backend = .shape
    point.batch = batch
    return point
  }

  private static let llama = DecoderConfiguration(
    layers: 7, dModel: 32, heads: 4, kvHeads: 2, dHead: 8, dFF: 72, vocab: 97)

  private static func run(
    _ point: Point, skips: TrainingStep.Skips = .nothing
  ) throws -> StepResult {
    let step = try TrainingStep(point, on: shapes)
    step.skips = skips
    return try step.run()
  }

  @Test(arguments: [1, 3]) func `llama, float32, op by op`(batch: Int) throws {
    let c = Self.llama
    for (recipe, nC) in [(Recipe.transformersEager, 8), (.transformersSDPA, 40)] {
      let result = try Self.run(Self.point(recipe, c, nC: nC, nG: 5, batch: batch))
      let t = nC + 5
      let rows = batch * t
      let hidden = 4 * rows * c.dModel
      let heads = 4 * rows * c.queryWidth
      let keys = 4 * rows * c.keyWidth
      let norm = 2 * hidden + 4 * rows
      let attention =
        recipe == .transformersEager
        ? 4 * heads + 4 * rows * t * c.heads
        : 2 * heads + 2 * keys + 4 * rows * c.heads
      let layer = 2 * norm + hidden + attention + hidden + 4 * 4 * rows * c.dFF
      let shiftedLabels = 8 * (batch == 1 ? rows + 1 : rows)
      let ends =
        8 * rows + 2 * 4 * t * c.dHead + norm + hidden + 4 * rows * c.vocab + shiftedLabels + 4
      #expect(result.retained.total == c.layers * layer + ends, "\(recipe)")
      #expect(result.retained[.shared] == 4)
    }
  }

  @Test(arguments: [DType.bfloat16, .float16])
  func `half as wide a type keeps float32 copies in norms, probabilities and loss`(
    _ dtype: DType
  ) throws {
    var point = Self.point(.transformersEager, Self.llama, nC: 8, nG: 5)
    let wide = try Self.run(point)
    point.dtype = dtype
    let narrow = try Self.run(point)
    func bytes(_ result: StepResult, _ dtype: String) -> Int {
      result.saved.reduce(0) {
        $0 + ($1.description.dtype == dtype ? $1.description.requestedBytes : 0)
      }
    }
    let (c, n) = (Self.llama, 13)
    let norms = (2 * c.layers + 1) * 4 * n * (c.dModel + 1)
    let probabilities = c.layers * 4 * c.heads * n * n
    #expect(bytes(narrow, "float32") == norms + probabilities + 4 * n * c.vocab + 4)
    // The rest is half as wide, and probabilities are there a second time.
    #expect(
      bytes(narrow, dtype.rawValue)
        == (bytes(wide, "float32") - bytes(narrow, "float32")) / 2 + probabilities / 2)
  }

  /// PyTorch's hooks report 37,036 B and 43,692 B, in bfloat16 28,716 B and 32,044 B (torch 2.13,
  /// peft 0.19.1, transformers 5.23).
  @Test func `an adapter's dropout keeps its input's copy and what it multiplies by`() throws {
    let model = DecoderConfiguration(
      layers: 2, dModel: 32, heads: 4, kvHeads: 2, dFF: 40, vocab: 50)
    var point = Self.point(.transformersSDPA, model, nC: 10, nG: 3)
    for (dtype, plain, dropped) in [(DType.float32, 37_036, 43_692), (.bfloat16, 28_716, 32_044)] {
      point.dtype = dtype
      point.lora = written("r=2,alpha=4,targets=q_proj+v_proj")
      #expect(try Self.run(point).retained.total == plain)
      point.lora?.dropout = 0.1
      let result = try Self.run(point)
      #expect(result.retained.total == dropped)
      // 13 rows of 32 numbers. The first layer's input needs no gradient.
      let noise = result.saved.filter { $0.savers[0].scope.name.hasSuffix(".lora_dropout") }
      #expect(noise.map(\.description.requestedBytes) == [1664, 1664])
      #expect(noise.allSatisfy { $0.savers[0].scope.layer == 1 })
    }
  }

  @Test func `a detached prefix leaves repeated keys and values, and a mask under sdpa`() throws {
    let c = Self.llama
    var point = Self.point(.transformersSDPA, c, nC: 50, nG: 5)
    func retained(_ nC: Int) throws -> Int {
      point.nC = nC
      point.mode = .detachedPrefix(keep: 0)
      return try Self.run(point).retained.total
    }
    // Keys and values of every query head, a row of the mask, and the ids: linear, and exact.
    let slope = try retained(51) - retained(50)
    #expect(slope == c.layers * (2 * 4 * c.queryWidth + 4 * 6) + 8)
    #expect(try retained(90) - retained(50) == 40 * slope)
  }

  /// The ledger's ops and PyTorch's own step say the same of what backward keeps.
  @Test func `what a step keeps is what its ops keep`() throws {
    for recipe in [Recipe.transformersEager, .transformersSDPA] {
      for dtype in [DType.float32, .bfloat16] {
        for trainable in ["", "mlp", "embed", "layers.2.*k_proj", "norm"] {
          for (batch, head) in [(1, HeadKind.allRows), (2, .lossRows), (2, .chunked)] {
            var point = Self.point(recipe, Self.llama, nC: 11, nG: 6, batch: batch)
            (point.dtype, point.trainable, point.head) = (dtype, written(trainable), head)
            point.model.slidingWindow = batch == 1 ? nil : 8
            let stream = try #require(TrainedSteps(point, on: .cpu)).stream()
            let kept = stream.allocations.filter(\.isKept).reduce(0) { $0 + $1.bytes }
            #expect(try Self.run(point).retained.total == kept, "\(point)")
          }
        }
      }
    }
  }

  /// The rows of a prompt keep no logits, and in pieces no row does.
  @Test(arguments: [1, 3]) func `a head of fewer rows keeps less`(batch: Int) throws {
    let (c, nC, nG) = (Self.llama, 8, 5)
    var point = Self.point(.transformersSDPA, c, nC: nC, nG: nG, batch: batch)
    let all = try Self.run(point).retained.total
    point.head = .lossRows
    let (rows, last) = (batch * (nC + nG), batch * (nG + 1))
    // Sequences that lie apart are copied for the head's product, and keep the norm's no more.
    let input = batch == 1 ? 0 : 4 * c.dModel * (rows - last)
    // One sequence's labels are a view of padded ones.
    let less = (rows - last) * (4 * c.vocab + 8) + input
    #expect(try Self.run(point).retained.total == all - less)
    point.head = .chunked
    let scored = batch * (nC + nG - 1)
    let whole = 4 * rows * c.vocab + 8 * (batch == 1 ? rows + 1 : rows) + 4
    let hidden = batch == 1 ? 0 : 4 * c.dModel * (rows - scored)
    // Labels, two statistics and whether there is a label, of each row; the number of labels.
    let pieces = scored * (8 + 4 + 4 + 1) + 8
    #expect(try Self.run(point).retained.total == all - whole - hidden + pieces)
    // Logits are made again in backward.
    let lean = try Self.run(point).matmulFlops
    point.head = .allRows
    let product = 2 * Int128(c.dModel) * Int128(c.vocab)
    #expect(
      try Self.run(point).matmulFlops - lean
        == product * (3 * Int128(rows) - 4 * Int128(scored)))
  }

  @Test func `a head of fewer rows under a detached prefix has those behind it`() throws {
    var point = Self.point(.transformersSDPA, Self.llama, nC: 30, nG: 5, batch: 2)
    point.mode = .detachedPrefix(keep: 0)
    let all = try Self.run(point).retained
    point.head = .lossRows
    // All that is left is the last row of the prefix and the completion.
    #expect(try Self.run(point).retained == all)
    point.mode = .detachedPrefix(keep: 7)
    let kept = try Self.run(point).retained.total
    point.head = .allRows
    #expect(try Self.run(point).retained.total > kept)
  }

  @Test func `equal layers are counted as if all ran`() throws {
    for recipe in [Recipe.transformersEager, .transformersSDPA] {
      for mode in [Mode.fullGraph, .detachedPrefix(keep: 3)] {
        for recompute in [Recompute.none, .layer] where recompute == .none || mode == .fullGraph {
          for trainable in ["", "mlp", "embed", "layers.2.*k_proj"] {
            var point = Self.point(recipe, Self.llama, nC: 20, nG: 6, batch: 2)
            (point.mode, point.recompute, point.trainable) = (mode, recompute, written(trainable))
            let whole = try Self.run(point)
            let counted = try Self.run(point, skips: .chunksAndLayers)
            #expect(whole.retained == counted.retained, "\(point)")
            #expect(whole.savedTensors == counted.savedTensors, "\(point)")
            #expect(whole.peakBytes == counted.peakBytes, "\(point)")
            #expect(whole.matmulFlops == counted.matmulFlops, "\(point)")
          }
        }
      }
    }
  }

  private static func text(_ path: String) throws -> String {
    let root = URL(filePath: #filePath).appending(path: "../../..").standardizedFileURL
    return try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  @Test func `the page quotes the table, and all name the same versions`() throws {
    let page = try Self.text("docs/pytorch.md").split(separator: "\n")
    let table = try Self.text("Sources/PyTorchOps/PyTorchOps.swift")
      .split(separator: "\n").filter { $0.hasPrefix("/// |") }.map { $0.dropFirst(4) }
    #expect(table.count > 10 && table.allSatisfy(page.contains))
    for (package, version) in [("torch", "2.13.0"), ("transformers", "5.23.0")] {
      #expect(Recipe.versions.contains("\(package) \(version)"))
      #expect(
        try Self.text("python/requirements/pytorch.txt").contains("\n\(package)==\(version)\n"))
      #expect(
        try Self.text("python/ballast_probe/versions.py").contains(#""\#(package)": "\#(version)""#)
      )
    }
  }

  @Test func `what transformers does not do is refused`() throws {
    let good = Self.point(.transformersSDPA, Self.llama, nC: 8, nG: 5)
    try good.validate()
    let changes: [(inout Point) -> Void] = [
      { $0.backend = .cpu }, { $0.mode = .prunedGraph }, { $0.mode = .replayedPrefix() },
      { $0.recompute = .attention }, { $0.attention = .materialized },
      { $0.lossRows = .generated }, { $0.dropout = 0.1 },
      {
        $0.mode = .detachedPrefix(keep: 0)
        $0.chunk = 64
      },
      {
        $0.recompute = .layer
        $0.mode = .detachedPrefix(keep: 0)
      },
    ]
    for change in changes {
      var point = good
      change(&point)
      #expect(throws: PointError.self) { try point.validate() }
    }
  }
}
