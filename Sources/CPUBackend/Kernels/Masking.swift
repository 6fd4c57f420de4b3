import CKernels
import Tensors

/// Dropout: which element is which, and the masks that remember it.
struct Masking: Sendable {
  private let dropout: Dropout
  /// Whether rows are those of heads.
  private let isScores: Bool
  /// Rows of one sequence, or of one head.
  private let tokens: Int
  /// The position of the first row.
  private let firstToken: Int
  /// Indices from one position to the next.
  private let rowStride: Int
  /// The position of the first column.
  private let firstColumn: Int
  /// Sequences, or heads of sequences, before the first of these.
  private let firstOuter: Int

  /// Reads positions from `[batch, tokens, width]` or `[batch, heads, tokens, keys]`.
  ///
  /// `outer` counts what stands before the first sequence or head of `x`, where that is a part.
  init(_ dropout: Dropout, of x: borrowing Tensor, outer: Int = 0) {
    let (rank, length) = (x.shape.rank, dropout.sequenceLength)
    precondition(rank == 3 || rank == 4, "dropout takes [batch, tokens, width] or scores")
    let (rows, columns) = (x.shape[rank - 2], x.shape[rank - 1])
    self.dropout = dropout
    firstOuter = outer
    isScores = rank == 4
    tokens = rows.extent
    firstToken = rows.start
    rowStride = rank == 3 ? columns.extent : length
    firstColumn = rank == 3 ? 0 : columns.start
    precondition(
      firstToken >= 0 && firstToken + tokens <= length, "a token lies outside its sequence")
    precondition(
      rank == 3 || firstColumn >= 0 && firstColumn + columns.extent <= length,
      "a key lies outside its sequence")
  }

  /// The index of the first element of row `row` of all sequences' and heads' rows.
  private func firstIndex(_ row: Int) -> Int {
    let (outer, token) = row.quotientAndRemainder(dividingBy: tokens)
    let position = firstToken + token
    let sequence =
      isScores
      ? firstOuter + outer : dropout.sequences.number(of: firstOuter + outer, at: position)
    return (sequence * dropout.sequenceLength + position) * rowStride + firstColumn
  }

  /// `y = x · scale` where the dropout keeps an element, else 0; `mask` receives 1 and 0.
  ///
  /// `x`, `y`, `mask` `[rows, width]`; `y` may be `x`.
  func apply<E: NumberElement>(_ x: Rows<E>, to y: Rows<E>, mask: Rows<UInt8>?) {
    let kernel = ballast_dropout(dropout)
    forEachBlock(rows: x.count, width: x.width) { row, columns in
      let first = columns.lowerBound
      let mask = unsafe mask.map { unsafe $0[row] + first }
      unsafe withUnsafePointer(to: kernel) {
        unsafe runs.drop(
          $0, UInt64(firstIndex(row) + first), E.type, x[row] + first, y[row] + first, mask,
          columns.count)
      }
    }
  }

  /// `y = x · scale` where `mask` is not 0, else 0.
  ///
  /// `mask`, `x`, `y` `[rows, width]`; `y` may be `x`.
  static func apply<E: NumberElement>(
    _ mask: Rows<UInt8>, scale: Float, to x: Rows<E>, into y: Rows<E>
  ) {
    forEachBlock(rows: x.count, width: x.width) { row, columns in
      let first = columns.lowerBound
      unsafe runs.drop_masked(
        mask[row] + first, scale, E.type, x[row] + first, y[row] + first, columns.count)
    }
  }
}

extension ballast_dropout {
  fileprivate init(_ dropout: Dropout) {
    self.init(key: dropout.key, threshold: dropout.threshold, scale: dropout.scale)
  }
}
