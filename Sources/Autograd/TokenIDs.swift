package import Tensors

/// Token numbers of a batch: `ids[sequence · stride + position]`.
package struct TokenIDs: Equatable, Sendable {
  /// Empty where only shapes are wanted.
  package let ids: [Int32]
  /// Sequences.
  package let batch: Int
  /// Tokens of one sequence.
  package let stride: Int

  /// Tokens without numbers, where nothing is computed.
  package init(batch: Int, stride: Int) {
    ids = []
    self.batch = batch
    self.stride = stride
  }

  package init(ids: [Int32], stride: Int) {
    precondition(stride > 0 && ids.count % stride == 0)
    self.ids = ids
    batch = ids.count / stride
    self.stride = stride
  }

  /// The tokens that loss rows are to predict, sequence by sequence; empty without numbers.
  package func labels(of runs: [SequenceLayout.LossRun]) -> [Int32] {
    var labels: [Int32] = []
    for sequence in Swift.stride(from: 0, to: ids.count, by: stride) {
      for run in runs {
        let first = sequence + run.firstTarget
        labels += ids[first..<first + run.rows.count]
      }
    }
    return labels
  }
}
