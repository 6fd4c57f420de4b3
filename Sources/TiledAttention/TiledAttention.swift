package import Tensors

/// How attention is cut, so that what a product writes is still in cache when the next pass reads
/// it.
package struct AttentionTiling: Sendable {
  /// Query rows at a time; `TiledAttention` takes 96 of them at most.
  package var rows = 256
  /// Keys at a time, where probabilities are not kept; `TiledAttention` takes 256 at most.
  package var keys = 512
  /// The most bytes of one float32 tile; a tile has at least 16 rows of one KV head's group all the
  /// same.
  package var bytes = 4 << 20

  package init() {}
}

/// Attention on tiles that stay in cache, by kernels of our own (`CKernels`).
package enum TiledAttention {
  /// The bytes of scratch that a pass takes; nil for one that is not for these kernels.
  ///
  /// - Parameters:
  ///   - pass: What is to be computed.
  ///   - tiling: How it is cut.
  ///   - isTiled: Whether fused passes in a dtype run here.
  /// - Returns: Bytes, the same on every machine where `isTiled` is.
  package static func scratchBytes(
    for pass: AttentionPass, _ tiling: AttentionTiling, isTiled: (DType) -> Bool
  ) -> Int? {
    switch pass {
    case .forward(let pass) where isFused(pass.attention) && isTiled(pass.q.dtype):
      TiledPlan(of: pass, tiling).bytes
    case .forward(let pass) where pass.isWhole: TiledWhole.Plan(of: pass, tiling).bytes
    case .backward(let pass) where isFused(pass.attention) && isTiled(pass.dO.dtype):
      TiledPlan(of: pass, tiling).bytes
    case .backward(let pass) where pass.wholeProbabilities != nil:
      TiledWhole.Plan(of: pass, tiling).bytes
    default: nil
    }
  }

  /// Runs a pass, and says whether it was one for these kernels.
  package static func run(
    _ pass: AttentionPass, _ tiling: AttentionTiling, scratch: Tensor?, isTiled: (DType) -> Bool
  ) -> Bool {
    switch pass {
    case .forward(let pass) where isFused(pass.attention) && isTiled(pass.q.dtype):
      TiledForward(pass, TiledPlan(of: pass, tiling), scratch: scratch).run()
    case .forward(let pass) where pass.isWhole: TiledWhole.run(pass, tiling, scratch: scratch)
    case .backward(let pass) where isFused(pass.attention) && isTiled(pass.dO.dtype):
      TiledBackward(pass, TiledPlan(of: pass, tiling), scratch: scratch).run()
    case .backward(let pass):
      guard let probabilities = pass.wholeProbabilities else { return false }
      TiledWhole.run(pass, probabilities: probabilities, tiling, scratch: scratch)
    default: return false
    }
    return true
  }

  private static func isFused(_ attention: Attention) -> Bool { attention.memory == .fused }
}

extension AttentionForward {
  /// Whether the pass makes whole rows of float32 probabilities that nothing is dropped from.
  fileprivate var isWhole: Bool {
    attention.memory == .materialized && attention.dropout == nil && q.dtype == .float32
  }
}

extension AttentionBackward {
  /// What such a forward pass has kept.
  fileprivate var wholeProbabilities: Tensor? {
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
  package func lead(rows: Range<Int>, keys: Range<Int>) -> Int {
    let (row, key) = (layout.positions(of: rows), layout.positions(of: keys))
    precondition(row.count == 1 && key.count == 1, "a kernel takes runs of positions")
    return row[0].first - key[0].first
  }
}

extension Range<Int> {
  /// The range in pieces of so many, the last one perhaps smaller.
  package func pieces(of size: Int) -> [Range<Int>] {
    stride(from: lowerBound, to: upperBound, by: Swift.max(size, 1)).map {
      $0..<Swift.min($0 + size, upperBound)
    }
  }
}
