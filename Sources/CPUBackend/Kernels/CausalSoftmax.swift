import CKernels
import Foundation
import Tensors
import Threading

/// Softmax over the keys that a row may see, and its gradient; both in place.
///
/// ```
///   row r:  | 0 … position(r) − window | … position(r) | later keys |
///           | set to 0                 | computed      | set to 0   |
/// ```
struct CausalSoftmax: Sendable {
  /// Rows of one head.
  let tokens: Int
  /// Columns of a row.
  let keys: Int
  /// The position of the first row less that of the first key.
  let lead: Int
  /// How many keys, its own position's among them, a row may see at most.
  let window: Int

  /// Rows of scores `[batch, heads, rows, keys]`, whose first row stands `lead` positions after the
  /// first key.
  init(_ scores: borrowing Tensor, lead: Int, window: Int?) {
    precondition(window ?? 1 > 0, "a window holds at least the row's own key")
    precondition(scores.shape.rank == 4, "scores are [batch, heads, rows, keys]")
    tokens = scores.extent(2)
    keys = scores.extent(3)
    self.lead = lead
    self.window = window ?? .max
  }

  /// Which keys row `row` of all heads' rows may see.
  private func visibleKeys(_ row: Int) -> Range<Int> {
    let end = lead + row % tokens + 1
    let first = window == .max ? 0 : end - window
    return min(max(first, 0), keys)..<min(max(end, 0), keys)
  }

  /// Deals all rows, each with the keys it sees, to tasks: any run of neighbours is equal work.
  ///
  /// Within a head, first and last rows alternate: 0, n−1, 1, n−2, …
  private func deal(
    _ count: Int, _ body: @Sendable (LazyMapSequence<Range<Int>, (Int, Range<Int>)>) -> Void
  ) {
    guard count > 0, keys > 0 else { return }
    Threads.parallel(rows: count, grain: max(1, 8192 / keys)) { range in
      body(
        range.lazy.map { unit in
          let (head, index) = unit.quotientAndRemainder(dividingBy: tokens)
          let row = head * tokens + (index % 2 == 0 ? index / 2 : tokens - 1 - index / 2)
          return (row, visibleKeys(row))
        })
    }
  }

  /// `p = softmax(scale · s)` for each row of `scores` `[batch · heads · tokens, keys]`.
  ///
  /// `logSumExp` `[batch · heads · tokens, 1]` receives `log Σ exp(scale · s)`.
  func forward(_ scores: Rows<Float>, scale: Float, logSumExp: Rows<Float>?) {
    deal(scores.count) { rows in
      for (row, visible) in rows {
        let values = unsafe scores[row] + visible.lowerBound
        let top = unsafe runs.maximum(values, visible.count, scale)
        let sum = unsafe runs.exponentiate(
          values, Float.type, values, visible.count, scale, top)
        unsafe runs.scale(values, Float.type, values, visible.count, 1 / sum)
        if let logSumExp { unsafe logSumExp[row].pointee = top + logf(sum) }
        unsafe clear(scores[row], but: visible, of: keys)
      }
    }
  }

  /// One more block of keys of a softmax that goes through them block by block (Milakov and
  /// Gimelshein, arXiv 1805.02867): `factors = exp(scale · s − max)`, `sums = Σ factors`.
  ///
  /// `scores`, `factors` are `[batch · heads · tokens, keys]`; `maxima`, `sums` `[…, 1]` and
  /// `output` `[…, d_head]` hold what earlier blocks gave, which is scaled to the new maximum; with
  /// `isFirst` they hold nothing.
  func online<P: NumberElement>(
    _ scores: Rows<Float>, to factors: Rows<P>, scale: Float, maxima: Rows<Float>,
    sums: Rows<Float>, output: Rows<Float>?, isFirst: Bool
  ) {
    deal(scores.count) { rows in
      for (row, visible) in rows {
        let before = isFirst ? -Float.infinity : unsafe maxima[row].pointee
        let sumBefore = isFirst ? 0 : unsafe sums[row].pointee
        guard !visible.isEmpty else {
          unsafe factors[row].update(repeating: P(rounding: 0), count: keys)
          unsafe maxima[row].pointee = before
          unsafe sums[row].pointee = sumBefore
          continue
        }
        let values = unsafe scores[row] + visible.lowerBound
        let top = max(before, unsafe runs.maximum(values, visible.count, scale))
        let sum = unsafe runs.exponentiate(
          values, P.type, factors[row] + visible.lowerBound, visible.count, scale, top)
        let correction = before == -.infinity ? 0 : expf(before - top)
        unsafe maxima[row].pointee = top
        unsafe sums[row].pointee = sumBefore * correction + sum
        unsafe clear(factors[row], but: visible, of: keys)
        guard let output, !isFirst, correction != 1 else { continue }
        unsafe runs.scale(output[row], Float.type, output[row], output.width, correction)
      }
    }
  }

  /// `p = exp(scale · s − logSumExp)` for each row.
  func again(_ scores: Rows<Float>, scale: Float, logSumExp: Rows<Float>) {
    deal(scores.count) { rows in
      for (row, visible) in rows {
        let values = unsafe scores[row]
        let visibleValues = unsafe values + visible.lowerBound
        _ = unsafe runs.exponentiate(
          visibleValues, Float.type, visibleValues, visible.count, scale, logSumExp[row].pointee)
        unsafe clear(values, but: visible, of: keys)
      }
    }
  }

  /// `dS = scale · P · (dP − D)` for each row; `gradient` holds `dP`, then `dS`.
  ///
  /// `D` is `Σ P · dP / Σ P`, or comes from `rowDots` `[batch · heads · tokens, 1]`. `Σ P` is 1 but
  /// for rounding, which would be left over in `Σ dS`, where all else cancels.
  func backward<P: NumberElement>(
    _ gradient: Rows<Float>, probabilities: Rows<P>, scale: Float, rowDots: Rows<Float>?
  ) {
    deal(gradient.count) { rows in
      for (row, visible) in rows {
        let (g, p) = unsafe (gradient[row], probabilities[row])
        let first = visible.lowerBound
        unsafe runs.softmax_gradient(
          g + first, P.type, p + first, visible.count, scale, rowDots.map { unsafe $0[row] })
        unsafe clear(g, but: visible, of: keys)
      }
    }
  }
}

/// Sets the elements outside `kept` to 0, which is all bits 0 in every element type.
@unsafe @inline(__always)
private func clear<E: KernelElement>(
  _ values: UnsafeMutablePointer<E>, but kept: Range<Int>, of count: Int
) {
  unsafe values.update(repeating: E(rounding: 0), count: kept.lowerBound)
  unsafe (values + kept.upperBound)
    .update(repeating: E(rounding: 0), count: count - kept.upperBound)
}

/// Ends a softmax that went through its keys block by block: `y = x / sums`, and the log-sum-exp.
///
/// `x`, `y` are `[rows, d_head]`, the others `[rows, 1]`; `y` may be `x`.
func finishSoftmax<Y: NumberElement>(
  _ x: Rows<Float>, to y: Rows<Y>, maxima: Rows<Float>, sums: Rows<Float>
) {
  Threads.parallel(rows: x.count, grain: Grain.rows(ofWidth: x.width)) { range in
    for row in range {
      unsafe runs.scale(x[row], Y.type, y[row], x.width, 1 / sums[row].pointee)
    }
  }
}

/// `logSumExp = max + log sum` of each row.
func logSumExp(maxima: Rows<Float>, sums: Rows<Float>, to result: Rows<Float>) {
  for row in 0..<result.count {
    let logarithm = logf(unsafe sums[row].pointee)
    unsafe result[row].pointee = maxima[row].pointee + logarithm
  }
}

/// `dots[i] = Σ_j x[i, j] · y[i, j]`; `x`, `y` `[rows, width]`, `dots` `[rows, 1]`.
func headDots<E: NumberElement>(_ x: Rows<E>, _ y: Rows<E>, to dots: Rows<Float>) {
  Threads.parallel(rows: x.count, grain: Grain.rows(ofWidth: x.width)) { range in
    for row in range { unsafe dots[row].pointee = dot(x[row], y[row], x.width) }
  }
}
