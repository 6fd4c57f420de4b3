import Retention
import Tensors
import Testing
import Transformer

@Suite struct `Replaying the prefix` {
  private func point(nC: Int, chunk: Int = 256) -> Point {
    var point = Point(
      modelName: "m",
      model: DecoderConfiguration(
        layers: 4, dModel: 512, heads: 8, kvHeads: 2, dFF: 1408, vocab: 8192),
      nC: nC, nG: 128)
    point.mode = .replayedPrefix
    point.chunk = chunk
    return point
  }

  /// Each prefix token costs its K and V, and float32 dK and dV, in every layer: nothing else.
  @Test(arguments: [64, 256], [DType.float32, .bfloat16])
  func `the peak grows by keys, values and their gradients alone`(
    chunk: Int, dtype: DType
  ) throws {
    let lengths = [8192, 16_384]
    let peaks = try lengths.map { length in
      var point = point(nC: length + 1, chunk: chunk)
      point.dtype = dtype
      return try runOnShapes(point).peakBytes
    }
    let perToken = 4 * 2 * (2 * 64) * (dtype.size + 4)
    #expect(peaks[1] - peaks[0] == perToken * (lengths[1] - lengths[0]))
  }

  @Test func `a smaller chunk has a smaller peak`() throws {
    let peaks = try [64, 256, 1024, 4096].map { chunk in
      try runOnShapes(point(nC: 4097, chunk: chunk)).peakBytes
    }
    #expect(peaks == peaks.sorted())
    #expect(peaks[0] < peaks[3] / 4)
  }

  @Test func `products are those of two forward passes of the prefix and one backward pass`() throws
  {
    var other = point(nC: 2049)
    let replayed = try runOnShapes(other).matmulFlops
    other.mode = .detachedPrefix
    let detached = try runOnShapes(other).matmulFlops
    other.mode = .prunedGraph
    let pruned = try runOnShapes(other).matmulFlops
    // Beside the exact backward pass, one more forward pass of the prefix: less than a third.
    #expect(replayed > pruned)
    #expect(replayed < pruned + detached)
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
    other.trainable = trainable
    let replayed = try runOnShapes(other)
    other.mode = .detachedPrefix
    let detached = try runOnShapes(other)
    #expect((replayed.matmulFlops > detached.matmulFlops) == isReplayed)
    if !isReplayed {
      #expect(replayed.matmulFlops == detached.matmulFlops)
      #expect(replayed.retained == detached.retained)
      #expect(replayed.peakBytes == detached.peakBytes)
    }
  }
}
