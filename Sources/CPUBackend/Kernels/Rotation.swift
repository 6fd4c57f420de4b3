import CKernels
import Tensors
import Threading

/// Rotary position embedding (Su et al., arXiv 2104.09864), with Hugging Face's halves.
enum Rotation {
  /// Rotates pairs `(i, i + half)` of every head in place.
  ///
  /// `x` `[batch · tokens · heads, d_head]`; token `t` stands at position `start + t`. A token's
  /// cosines and sines `[half]` are computed once for all its heads and sequences.
  static func rotate<E: NumberElement>(
    _ x: Rows<E>, batch: Int, tokens: Int, heads: Int, start: Int, by rotation: HeadRotation,
    isGradient: Bool
  ) {
    let half = x.width / 2
    guard x.count > 0, half > 0 else { return }
    Threads.parallel(rows: tokens, grain: max(1, 8192 / (batch * heads * x.width))) { range in
      unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * half) { buffer in
        guard let cosines = buffer.baseAddress else { return }
        let sines = unsafe cosines + half
        for token in range {
          // The transpose turns back: cos(-x) = cos x and sin(-x) = -sin x, to the bit.
          let position = Float(start + token)
          unsafe runs.angles(
            isGradient ? -position : position, rotation.frequencies, half, cosines, sines)
          if rotation.factor != 1 {
            for index in 0..<2 * half { unsafe cosines[index] *= rotation.factor }
          }
          for sequence in 0..<batch {
            for head in 0..<heads {
              let x = unsafe x[(sequence * tokens + token) * heads + head]
              unsafe runs.rotate(E.type, x, cosines, sines, half)
            }
          }
        }
      }
    }
  }
}
