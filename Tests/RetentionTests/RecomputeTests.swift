import Autograd
import CPUBackend
import Ledger
import Retention
import Tensors
import Testing
import Transformer

@Suite struct `Recomputing in backward` {
  /// The same kernels on the same numbers: not a bit may differ.
  @Test(arguments: 0..<30, Mode.allCases)
  func `every policy gives the same loss and gradients, bit by bit`(index: Int, mode: Mode) throws {
    var point = randomFamilyPoint(index + 700)
    point.mode = mode
    if mode == .prunedGraph { point.head = .lossRows }
    point.recompute = .none
    let expected = try run(point)
    for policy in Recompute.allCases where policy != .none {
      point.recompute = policy
      let found = try run(point)
      #expect(found.result.loss == expected.result.loss, "\(point)")
      #expect(found.gradients == expected.gradients, "\(point)")
    }
  }

  private func run(_ point: Point) throws -> (result: StepResult, gradients: [String: [Float]]) {
    let step = try TrainingStep(point, on: CPUBackend(threads: point.threads).backend)
    return (try step.run(), step.gradients())
  }

  private static let deep = DecoderConfiguration(
    layers: 6, dModel: 32, heads: 4, kvHeads: 2, dFF: 96, vocab: 11)

  private func result(
    _ mode: Mode, _ recompute: Recompute, layers: Int = 6, attention: AttentionMemory = .fused
  ) throws -> StepResult {
    var point = Point(modelName: "m", model: Self.deep, nC: 201, nG: 8)
    point.model.layers = layers
    point.mode = mode
    point.recompute = recompute
    point.attention = attention
    return try runOnShapes(point)
  }

  /// One more layer costs its input; the peak holds one layer's graph, whatever the depth.
  @Test func `checkpointed layers hold one graph at a time`() throws {
    let peaks = try [3, 6, 12].map { try result(.fullGraph, .layer, layers: $0).peakBytes }
    let input = 4 * 209 * 32
    #expect(peaks[1] - peaks[0] == 3 * input)
    #expect(peaks[2] - peaks[1] == 6 * input)
    #expect(try result(.fullGraph, .none).peakBytes > 2 * peaks[1])
  }

  /// A second forward pass of the layers, but for the last product, whose result nobody reads: with
  /// `none` backward costs twice forward.
  @Test func `recomputing layers costs their forward products once more`() throws {
    let counted = try Dictionary(
      uniqueKeysWithValues: Recompute.allCases.map {
        ($0, try result(.fullGraph, $0, attention: .materialized).matmulFlops)
      })
    let (n, d) = (209, 32)
    let projections = 2 * n * (d * (32 + 2 * 16) + 32 * d + 2 * d * 96)
    // A row and each key up to its own: what is masked is not counted.
    let scores = 2 * n * (n + 1) / 2 * 32
    #expect(counted[.elementwise] == counted[.none])
    #expect(counted[.attention] == counted[.none].map { $0 + Int128(6 * scores) })
    #expect(
      counted[.layer] == counted[.none].map { $0 + Int128(6 * (projections + 2 * scores)) })
  }

  @Test(arguments: AttentionMemory.allCases)
  func `a replayed chunk checkpoints its own layers`(attention: AttentionMemory) throws {
    let whole = try result(.replayedPrefix(), .none, attention: attention)
    let checkpointed = try result(.replayedPrefix(), .layer, attention: attention)
    #expect(checkpointed.peakBytes < whole.peakBytes * 2 / 3)
    #expect(checkpointed.matmulFlops > whole.matmulFlops)
  }

  /// The ledger says what is kept for a tensor that is not.
  @Test func `a reader of a recomputed tensor is a saver of what that comes from`() throws {
    let saved = try result(.fullGraph, .elementwise, layers: 1).saved
    let hidden = try #require(saved.first { $0.savers[0].scope.name == "attention_norm" })
    #expect(
      hidden.savers.map {
        "\($0.scope.name): \($0.tensor) → \($0.neededFor.joined(separator: ","))"
      }
        == [
          "attention_norm: input → norm,dhidden",
          "attention_norm: input of attention_norm → norm,dhidden",
          "q_proj: input of attention_norm → W_Q", "k_proj: input of attention_norm → W_K",
          "v_proj: input of attention_norm → W_V",
        ])
    #expect(!saved.contains { $0.description.tensor == "normalized" })
    #expect(!saved.contains { $0.description.tensor == "activation" })
  }
}

/// A GPT layer with dropout in 16 bits: sbh(34 + 5as/h) bytes (Korthikanti et al., arXiv 2205.05198,
/// equation 2, and the terms of its section 4.1) plus float32 LayerNorm statistics.
@Suite struct `A GPT layer by Korthikanti's formula` {
  struct Size: CustomTestStringConvertible, Sendable {
    let s, b, h, a: Int
    var testDescription: String { "s \(s), b \(b), h \(h), a \(a)" }
    var sbh: Int { s * b * h }
    var statistics: Int { 4 * 4 * s * b }
  }

  static let sizes = [
    Size(s: 1024, b: 1, h: 768, a: 12), Size(s: 512, b: 4, h: 1024, a: 16),
    Size(s: 2048, b: 1, h: 1600, a: 25), Size(s: 2048, b: 4, h: 6144, a: 64),
    Size(s: 2048, b: 1, h: 12_288, a: 96), Size(s: 96, b: 3, h: 48, a: 3),
  ]

  private func layer(_ size: Size, _ recompute: Recompute) throws -> [SavedStorage] {
    let model = DecoderConfiguration(
      layers: 1, dModel: size.h, heads: size.a, kvHeads: size.a, dHead: size.h / size.a,
      dFF: 4 * size.h, vocab: 100, family: .gpt2, normalization: .layer,
      positions: .learned(maximum: size.s), mlp: .gelu(.tanh), queryKeyValueBias: true,
      outputBias: true, mlpBias: true)
    var point = Point(modelName: "gpt", model: model, nC: size.s / 2, nG: size.s / 2)
    point.batch = size.b
    point.dtype = .bfloat16
    point.dropout = 0.1
    point.attention = .materialized
    point.recompute = recompute
    // What some op of the layer saves; the embedding's mask and the head's tensors are outside.
    return try runOnShapes(point).saved.filter { $0.savers.contains { $0.scope.layer == 0 } }
  }

  private func bytes(_ storages: [SavedStorage], _ tensors: Set<String>? = nil) -> Int {
    storages.filter { storage in
      tensors.map { $0.contains(storage.description.tensor) } ?? true
    }.reduce(0) { $0 + $1.description.requestedBytes }
  }

  @Test(arguments: sizes)
  func `with nothing recomputed it keeps 34 sbh + 5 as²b`(size: Size) throws {
    let saved = try layer(size, .none)
    let formula = size.sbh * 34 + 5 * size.a * size.s * size.s * size.b
    #expect(bytes(saved) == formula + size.statistics)
    #expect(bytes(saved, ["mean", "rstd"]) == size.statistics)
    let square = size.a * size.s * size.s * size.b
    #expect(bytes(saved, ["probabilities"]) == 2 * square)
    #expect(bytes(saved, ["dropped_probabilities"]) == 2 * square)
    #expect(bytes(saved, ["mask"]) == square + 2 * size.sbh)
  }

  @Test func `the figures of the paper and of PyTorch's autograd`() throws {
    let figures = [
      (Size(s: 1024, b: 1, h: 768, a: 12), 89_653_248),
      (Size(s: 2048, b: 4, h: 6144, a: 64), 7_079_985_152),
      (Size(s: 2048, b: 1, h: 12_288, a: 96), 2_868_903_936),
      (Size(s: 2048, b: 1, h: 20_480, a: 128), 4_110_417_920),
      (Size(s: 2048, b: 1, h: 25_600, a: 160), 5_138_022_400),
    ]
    for (size, published) in figures {
      #expect(try bytes(layer(size, .none)) == published + size.statistics)
    }
  }

  /// The paper's selective recomputation keeps 34 sbh, and full recomputation the layer's input.
  @Test(arguments: sizes)
  func `recomputing the attention core leaves 34 sbh, whole layers 2 sbh`(size: Size) throws {
    #expect(try bytes(layer(size, .attention)) == 34 * size.sbh + size.statistics)
    #expect(try bytes(layer(size, .layer)) == 2 * size.sbh)
  }

  /// Leaner: dropped probabilities come from their mask, norms' and GELU's outputs from their inputs.
  @Test(arguments: sizes)
  func `recomputing element by element leaves 22 sbh + 3 as²b`(size: Size) throws {
    let formula = size.sbh * 22 + 3 * size.a * size.s * size.s * size.b
    #expect(try bytes(layer(size, .elementwise)) == formula)
  }
}
