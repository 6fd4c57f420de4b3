import CKernels
import Glibc
import Tensors
import Threading

/// The loss of a language model over rows of logits, and its gradient.
enum CrossEntropy {
  /// Each row's `log Σ exp(logits)`, in float32 with the maximum taken out.
  ///
  /// `logits` `[rows, vocab]`, `logSumExp` `[rows, 1]`.
  static func logSumExp<E: NumberElement>(_ logits: Rows<E>, to logSumExp: Rows<Float>) {
    let vocab = logits.width
    Threads.parallel(rows: logits.count, grain: max(1, 8192 / max(1, vocab))) { range in
      for row in range {
        unsafe logSumExp[row].pointee = unsafe runs.log_sum_exp(E.type, logits[row], vocab)
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
  static func backward<E: NumberElement>(
    _ logits: Rows<E>, labels: [Int32], logSumExp: Rows<Float>, rows: Float
  ) {
    forEachBlock(rows: logits.count, width: logits.width) { row, columns in
      let values = unsafe logits[row]
      let top = unsafe logSumExp[row].pointee
      let label = Int(labels[row])
      guard label >= 0 else {
        for index in columns { unsafe values[index] = E(rounding: 0) }
        return
      }
      let logit = columns.contains(label) ? unsafe values[label].float : 0
      unsafe runs.normalize(E.type, values + columns.lowerBound, columns.count, top, 1 / rows)
      // Once more for the label, in float32 before rounding, and exact where p is near 1.
      if columns.contains(label) {
        unsafe values[label] = E(rounding: expm1f(logit - top) / rows)
      }
    }
  }
}
