internal import OneDNN
package import Tensors

extension CPUBackend {
  package func attention(
    _ pass: AttentionForward, tiles: Tensor?, scratchpad: (Int) throws -> Tensor?
  ) throws {
    if Self.isTiled(pass.attention, pass.q.dtype) {
      return TiledForward(pass, TiledPlan(of: pass, tiling), scratch: tiles).run()
    }
    if pass.isTiledWhole { return TiledWhole.run(pass, tiling, scratch: tiles) }
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
    if Self.isTiled(pass.attention, pass.dO.dtype) {
      return TiledBackward(pass, TiledPlan(of: pass, tiling), scratch: tiles).run()
    }
    if let probabilities = pass.wholeProbabilities {
      return TiledWhole.run(pass, probabilities: probabilities, tiling, scratch: tiles)
    }
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
  /// Whether a pass runs on the tiles of `CKernels`: a fused one without dropout, in float32 or where
  /// oneDNN has no bfloat16 products.
  static func isTiled(_ attention: Attention, _ dtype: DType) -> Bool {
    attention.memory == .fused && attention.dropout == nil
      && (dtype == .float32 || !Matmul.multipliesBFloat16)
  }

  /// The bytes of scratch that a pass takes.
  static func tileBytes(for pass: AttentionPass, _ tiling: AttentionTiling) -> Int {
    switch pass {
    case .forward(let forward) where isTiled(forward.attention, forward.q.dtype):
      TiledPlan(of: forward, tiling).bytes
    case .backward(let backward) where isTiled(backward.attention, backward.dO.dtype):
      TiledPlan(of: backward, tiling).bytes
    case .forward(let forward) where forward.isTiledWhole:
      TiledWhole.Plan(of: forward, tiling).bytes
    case .backward(let backward) where backward.wholeProbabilities != nil:
      TiledWhole.Plan(of: backward, tiling).bytes
    default: AttentionTiles(of: pass, tiling).bytes
    }
  }
}

extension AttentionForward {
  /// Whether the pass makes whole rows of float32 probabilities that nothing is dropped from.
  var isTiledWhole: Bool {
    attention.memory == .materialized && attention.dropout == nil && q.dtype == .float32
  }
}

extension AttentionBackward {
  /// What such a forward pass has kept.
  var wholeProbabilities: Tensor? {
    let isWhole =
      attention.memory == .materialized && attention.dropout == nil && dO.dtype == .float32
      && (dk + dv + [dq].compactMap { $0 }).allSatisfy { $0.sum.dtype == .float32 }
    return isWhole ? kept.probabilities : nil
  }
}

extension Attention {
  /// The positions from the first key to the first row.
  ///
  /// Rows and keys are each at neighbouring positions; other layouts take one pass a run.
  func lead(rows: Range<Int>, keys: Range<Int>) -> Int {
    let (row, key) = (layout.positions(of: rows), layout.positions(of: keys))
    precondition(row.count == 1 && key.count == 1, "a kernel takes runs of positions")
    return row[0].first - key[0].first
  }

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
    case .uint8, .int64: refuseMask()
    }
  }
}
