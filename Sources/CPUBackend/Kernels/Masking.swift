import Tensors

/// Dropout: which element is which, and the masks that remember it.
struct Masking: Sendable {
  private let dropout: Dropout
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
    let row = (firstOuter + outer) * dropout.sequenceLength + firstToken + token
    return row * rowStride + firstColumn
  }

  /// `y = x · scale` where the dropout keeps an element, else 0; `mask` receives 1 and 0.
  ///
  /// `x`, `y`, `mask` `[rows, width]`; `y` may be `x`.
  func apply<E: KernelElement>(_ x: Rows<E>, to y: Rows<E>, mask: Rows<UInt8>?) {
    let dropout = dropout
    let scales = Lanes(repeating: dropout.scale)
    forEachBlock(rows: x.count, width: x.width) { row, columns in
      let (x, y) = unsafe (x[row], y[row])
      let mask = unsafe mask.map { unsafe $0[row] }
      let first = firstIndex(row)
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        var bytes: UInt64 = 0
        for lane in 0..<lanes {
          bytes |= (dropout.keeps(first &+ index &+ lane) ? 1 : 0) &<< UInt64(8 &* lane)
        }
        if let mask = unsafe mask {
          if lanes == Lanes.width {
            unsafe UnsafeMutableRawPointer(mask + index)
              .storeBytes(of: bytes.littleEndian, as: UInt64.self)
          } else {
            for lane in 0..<lanes {
              unsafe mask[index + lane] = UInt8(truncatingIfNeeded: bytes &>> UInt64(8 &* lane))
            }
          }
        }
        let value = unsafe E.load(x + index, lanes) * scales
        unsafe E.store(value.kept(where: LaneBits(bytes: bytes)), to: y + index, lanes)
      }
      forEachStep(columns, step)
    }
  }

  /// `y = x · scale` where `mask` is not 0, else 0.
  ///
  /// `mask`, `x`, `y` `[rows, width]`; `y` may be `x`.
  static func apply<E: KernelElement>(
    _ mask: Rows<UInt8>, scale: Float, to x: Rows<E>, into y: Rows<E>
  ) {
    let scales = Lanes(repeating: scale)
    forEachBlock(rows: x.count, width: x.width) { row, columns in
      let (mask, x, y) = unsafe (mask[row], x[row], y[row])
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        var words = LaneBits()
        if lanes == Lanes.width {
          words = unsafe UInt8.words(mask + index)
        } else {
          for lane in 0..<lanes { words[lane] = unsafe UInt32(mask[index + lane]) }
        }
        let value = unsafe E.load(x + index, lanes) * scales
        unsafe E.store(value.kept(where: words), to: y + index, lanes)
      }
      forEachStep(columns, step)
    }
  }
}

extension Lanes {
  /// The lanes whose word is not 0; the others are 0, even where they were not finite.
  @inline(__always) fileprivate func kept(where words: LaneBits) -> Lanes {
    replacing(with: Lanes.zero, where: words .== LaneBits.zero)
  }
}
