import Autograd
import CPUBackend
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

@Suite struct `Replaying the prefix` {
  private func point(nC: Int, chunk: Int = 256) -> Point {
    var point = Point(
      modelName: "m",
      model: DecoderConfiguration(
        layers: 4, dModel: 512, heads: 8, kvHeads: 2, dFF: 1408, vocab: 8192),
      nC: nC, nG: 128)
    point.mode = .replayedPrefix()
    point.chunk = chunk
    return point
  }

  /// Each prefix token costs its K and V, and its dK and dV, in every layer: nothing else.
  @Test(
    arguments: [64, 256],
    [
      (DType.float32, KeyValueGradientKind.float32, 4 + 4), (.float32, .activations, 4 + 4),
      (.bfloat16, .float32, 2 + 4), (.bfloat16, .activations, 2 + 2),
    ])
  func `the peak grows by keys, values and their gradients alone`(
    chunk: Int, axes: (dtype: DType, gradients: KeyValueGradientKind, bytes: Int)
  ) throws {
    let lengths = [8192, 16_384]
    let peaks = try lengths.map { length in
      var point = point(nC: length + 1, chunk: chunk)
      point.dtype = axes.dtype
      point.mode.kvGradients = axes.gradients
      return try runOnShapes(point).peakBytes
    }
    let perToken = 4 * 2 * (2 * 64) * axes.bytes
    #expect(peaks[1] - peaks[0] == perToken * (lengths[1] - lengths[0]))
  }

  /// Every chunk adds to dK and dV of those before it; each time a bfloat16 sum is rounded.
  @Test func `gathering dK and dV in bfloat16 costs precision, and in float32 nothing`() throws {
    var point = point(nC: 512, chunk: 4)
    point.model = DecoderConfiguration(
      layers: 2, dModel: 32, heads: 4, kvHeads: 2, dFF: 48, vocab: 50)
    func errors(_ dtype: DType) throws -> [Double] {
      point.dtype = dtype
      func gradient(_ mode: Mode) throws -> [Double] {
        var point = point
        point.mode = mode
        let backend = try CPUBackend(threads: 1)
        let step = try TrainingStep(point, on: backend.backend)
        drawParameters(of: step, backend, seed: 3)
        _ = try step.run()
        return step.gradients().sorted { $0.key < $1.key }.flatMap { $0.value.map(Double.init) }
      }
      let full = try gradient(.fullGraph)
      return try KeyValueGradientKind.allCases.map {
        relativeL2(try gradient(.replayedPrefix(gradients: $0)), full)
      }
    }
    let exact = try errors(.float32)
    #expect(exact[0] == exact[1] && exact[0] < 1e-5)
    let rounded = try errors(.bfloat16)
    #expect(rounded[1] > 1.2 * rounded[0] && rounded[1] < 0.05, "\(rounded)")
  }

  /// A suffix of one tile against keys of several: a head is one task, which other threads may join.
  @Test(arguments: [AttentionMemory.fused, .materialized], [2, 8])
  func `a short suffix has the same bits for every number of threads`(
    attention: AttentionMemory, kvHeads: Int
  ) throws {
    var point = point(nC: 600)
    point.model = DecoderConfiguration(
      layers: 2, dModel: 128, heads: 8, kvHeads: kvHeads, dFF: 96, vocab: 50)
    (point.nG, point.attention) = (17, attention)
    try expectSameBits(point)
  }

  /// Gradients are sums over more tokens than oneDNN adds in an order of its own.
  @Test(
    arguments: [Mode.fullGraph, .prunedGraph, .replayedPrefix()],
    ["", "r=4,alpha=8,targets=all-linear"])
  func `a long step of a narrow model has the same bits for every number of threads`(
    mode: Mode, lora: String
  ) throws {
    var point = point(nC: 2300, chunk: 2200)
    point.model = DecoderConfiguration(
      layers: 2, dModel: 32, heads: 2, kvHeads: 1, dFF: 40, vocab: 50)
    (point.mode, point.lora) = (mode, written(lora))
    try expectSameBits(point)
  }

  /// Heads lie between the columns of rows, where tiles do not multiply them: kept probabilities in
  /// bfloat16, or with dropout.
  @Test(arguments: [DType.float32, .bfloat16], [0, 0.1])
  func `kept probabilities have the same bits for every number of threads`(
    dtype: DType, dropout: Double
  ) throws {
    var point = point(nC: 300)
    point.model = DecoderConfiguration(
      layers: 2, dModel: 96, heads: 6, kvHeads: 6, dFF: 96, vocab: 50, family: .gpt2,
      normalization: .layer, positions: .learned(maximum: 512), mlp: .gelu(.tanh),
      queryKeyValueBias: true, outputBias: true, mlpBias: true)
    (point.mode, point.attention, point.dtype) = (.fullGraph, .materialized, dtype)
    point.dropout = dropout
    try expectSameBits(point)
  }

  private func expectSameBits(_ point: Point) throws {
    func gradients(threads: Int) throws -> [String: [UInt32]] {
      let backend = try CPUBackend(threads: threads)
      let step = try TrainingStep(point, on: backend.backend)
      drawParameters(of: step, backend, seed: 3)
      _ = try step.run()
      return step.gradients().mapValues { $0.map(\.bitPattern) }
    }
    let alone = try gradients(threads: 1)
    for threads in [2, 3, 5] { #expect(try gradients(threads: threads) == alone, "\(threads)") }
  }

  @Test func `a smaller chunk has a smaller peak`() throws {
    let peaks = try [64, 256, 1024, 4096].map { chunk in
      try runOnShapes(point(nC: 4097, chunk: chunk)).peakBytes
    }
    #expect(peaks == peaks.sorted())
    #expect(peaks[0] < peaks[3] / 4)
  }

  /// Beside the exact backward pass, the prefix runs forward once more, up to the last layer's keys
  /// and values. All keys and values are there when it does.
  @Test(arguments: [64, 2048])
  func `products are those of the exact step and of another forward pass of the prefix`(
    chunk: Int
  ) throws {
    var other = point(nC: 2048, chunk: chunk)
    // Else there is a row after those with loss, which the pruned graph leaves out.
    other.lossRows = .generated
    let replayed = try runOnShapes(other).matmulFlops
    other.mode = .prunedGraph
    let pruned = try runOnShapes(other).matmulFlops
    let (rows, d, keys, layers) = (2048, 512, 2 * 64, 4)
    let projections = 2 * rows * (d * d + 2 * d * keys + d * d + 3 * d * 1408)
    let attention = 2 * (2 * d) * rows * (rows + 1) / 2
    let keysAndValues = 2 * rows * 2 * d * keys
    let again = (layers - 1) * (projections + attention) + keysAndValues
    #expect(replayed == pruned + Int128(again - layers * keysAndValues))
  }

  @Test(
    arguments: [
      ("lm_head", false), ("model.norm", false),
      ("layers.3.(mlp|post_attention|self_attn.[qo]_proj)", false),
      ("layers.3.self_attn.k_proj", true), ("layers.3.self_attn.v_proj", true),
      ("layers.3.input_layernorm", true), ("layers.2.mlp", true), ("embed_tokens", true),
    ])
  func `nothing is replayed for parameters that no row of the prefix can reach`(
    trainable: String, isReplayed: Bool
  ) throws {
    var other = point(nC: 513)
    other.trainable = written(trainable)
    let replayed = try runOnShapes(other)
    other.mode = .detachedPrefix()
    let detached = try runOnShapes(other)
    #expect((replayed.matmulFlops > detached.matmulFlops) == isReplayed)
    if !isReplayed {
      #expect(replayed.matmulFlops == detached.matmulFlops)
      #expect(replayed.retained == detached.retained)
      #expect(replayed.peakBytes == detached.peakBytes)
    }
  }
}
