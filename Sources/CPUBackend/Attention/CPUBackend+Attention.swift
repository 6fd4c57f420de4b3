internal import OneDNN
package import Tensors
import TiledAttention

extension CPUBackend {
  package func attention(
    _ pass: AttentionForward, tiles: Tensor?, scratchpad: (Int) throws -> Tensor?
  ) throws {
    if runsTiled(.forward(pass), tiles) { return }
    let plan = AttentionTiles(of: pass, tiling)
    try withoutActuallyEscaping(scratchpad) { scratchpad in
      let kernel = AttentionForwardKernel(
        pass: pass, plan: plan, scratch: tiles,
        multiply: AttentionProducts(backend: self, scratchpad: scratchpad))
      for part in AttentionPart.all(
        pass.attention.geometry, batch: pass.q.extent(0), rows: pass.rows, plan)
      {
        switch pass.attention.memory {
        case .fused: try kernel.runOnline(part)
        case .materialized: try kernel.runWhole(part)
        }
      }
    }
  }

  package func attentionBackward(
    _ pass: AttentionBackward, tiles: Tensor?, scratchpad: (Int) throws -> Tensor?
  ) throws {
    if runsTiled(.backward(pass), tiles) { return }
    let plan = AttentionTiles(of: pass, tiling)
    try withoutActuallyEscaping(scratchpad) { scratchpad in
      let kernel = AttentionBackwardKernel(
        pass: pass, plan: plan, scratch: tiles,
        multiply: AttentionProducts(backend: self, scratchpad: scratchpad))
      try kernel.run()
    }
  }
}

extension CPUBackend {
  /// The bytes of scratch that a pass takes.
  static func tileBytes(
    for pass: AttentionPass, _ tiling: AttentionTiling, isHere: Bool = true
  ) -> Int {
    TiledAttention.scratchBytes(for: pass, tiling) { !isHere || isTiled($0) }
      ?? AttentionTiles(of: pass, tiling).bytes
  }

  /// Whether fused passes in a dtype run on tiles of our own: in float32, and in bfloat16 where
  /// those multiply it or oneDNN does not.
  private static func isTiled(_ dtype: DType) -> Bool {
    dtype == .float32 || TiledAttention.multipliesBFloat16 || !Matmul.multipliesBFloat16
  }

  private func runsTiled(_ pass: AttentionPass, _ tiles: Tensor?) -> Bool {
    TiledAttention.run(pass, tiling, scratch: tiles, isTiled: Self.isTiled)
  }
}

extension Attention {
  /// The keys among `keys` that some of `rows` sees.
  func seen(_ keys: Range<Int>, by rows: Range<Int>) -> Range<Int> {
    let all = layout.keys(seenBy: rows, window: window)
    guard let first = all.first, let last = all.last else {
      return keys.lowerBound..<keys.lowerBound
    }
    return keys.clamped(to: first.lowerBound..<last.upperBound)
  }

  /// The softmax of a tile of scores.
  func softmax(of tile: Tensor) -> CausalSoftmax {
    CausalSoftmax(
      tile, lead: lead(rows: tile.shape[2].rows, keys: tile.shape[3].rows), window: window)
  }

  /// Drops elements of a part's scores, in place or into another tensor; `mask` receives 1 and 0.
  func drop(
    _ x: Tensor, to y: Tensor, mask: Tensor? = nil, _ part: AttentionPart
  ) {
    guard let dropout else { return }
    let masking = Masking(dropout, of: x, outer: part.outer)
    let rows = mask.map { Rows<UInt8>($0) }
    switch x.dtype {
    case .float32: masking.apply(Rows<Float>(x), to: Rows<Float>(y), mask: rows)
    case .bfloat16: masking.apply(Rows<BFloat16>(x), to: Rows<BFloat16>(y), mask: rows)
    case .float16, .uint8, .int64, .bool: refuseType()
    }
  }
}
