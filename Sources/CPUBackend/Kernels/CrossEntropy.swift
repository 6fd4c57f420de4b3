import Glibc
import Tensors
import Threading

/// The loss of a language model over rows of logits, and its gradient.
enum CrossEntropy {
  /// Columns whose exponentials are summed in float32 before they join the row's sum.
  private static let panel = 4096

  /// Each row's `log Σ exp(logits)`, in float32 with the maximum taken out.
  ///
  /// `logits` `[rows, vocab]`, `logSumExp` `[rows, 1]`.
  static func logSumExp<E: KernelElement>(_ logits: Rows<E>, to logSumExp: Rows<Float>) {
    let vocab = logits.width
    Threads.parallel(rows: logits.count, grain: max(1, 8192 / max(1, vocab))) { range in
      for row in range {
        let values = unsafe logits[row]
        let top = unsafe maximum(values, vocab, scale: 1)
        var sum = 0.0
        for first in stride(from: 0, to: vocab, by: panel) {
          let last = min(first + panel, vocab)
          sum += Double(unsafe exponentialSum(values, first..<last, less: top))
        }
        unsafe logSumExp[row].pointee = Float(Double(top) + log(sum))
      }
    }
  }

  /// The sum of `logSumExp − logits[label]`, in the order of rows in float64; rows whose label is
  /// negative carry no loss.
  static func totalLoss<E: KernelElement>(
    _ logits: Rows<E>, labels: [Int32], logSumExp: Rows<Float>
  ) -> Double {
    var sum = 0.0
    for row in 0..<logits.count where labels[row] >= 0 {
      let logit = unsafe logits[row][Int(labels[row])].float
      sum += Double(unsafe logSumExp[row].pointee) - Double(logit)
    }
    return sum
  }

  /// `logits = (exp(logits − logSumExp) − onehot(label)) / rows`, in place; 0 where the label is
  /// negative.
  static func backward<E: KernelElement>(
    _ logits: Rows<E>, labels: [Int32], logSumExp: Rows<Float>, rows: Float
  ) {
    forEachBlock(rows: logits.count, width: logits.width) { row, columns in
      let values = unsafe logits[row]
      let top = unsafe logSumExp[row].pointee
      let (tops, scales) = (Lanes(repeating: top), Lanes(repeating: 1 / rows))
      let label = Int(labels[row])
      guard label >= 0 else {
        @inline(__always) func clear(_ index: Int, _ lanes: Int) {
          unsafe E.store(Lanes(repeating: 0), to: values + index, lanes)
        }
        return forEachStep(columns, clear)
      }
      let logit = columns.contains(label) ? unsafe values[label].float : 0
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        let value = unsafe (E.load(values + index, lanes) - tops).exponential * scales
        unsafe E.store(value, to: values + index, lanes)
      }
      forEachStep(columns, step)
      // Once more for the label, in float32 before rounding, and exact where p is near 1.
      if columns.contains(label) {
        unsafe values[label] = E(rounding: expm1f(logit - top) / rows)
      }
    }
  }

  /// `Σ exp(value − top)` over some columns of a row.
  @unsafe @inline(__always)
  private static func exponentialSum<E: KernelElement>(
    _ values: UnsafePointer<E>, _ columns: Range<Int>, less top: Float
  ) -> Float {
    let tops = Lanes(repeating: top)
    @inline(__always) func term(_ index: Int, _ lanes: Int) -> Lanes {
      let value = unsafe E.load(values + index, lanes, padding: -.infinity) - tops
      return value.exponentialOfSmall.masked(lanes)
    }
    return sum(columns, term)
  }
}
