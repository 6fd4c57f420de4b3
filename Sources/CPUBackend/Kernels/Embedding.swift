import Tensors
import Threading

/// Which row of a table each row of an activation reads: `ids[b · stride + start + t]`.
struct TableRows: Sendable {
  private let ids: [Int32]
  private let stride: Int
  private let start: Int
  private let tokens: Int

  /// Checks that `y` `[batch, tokens, width]` stays inside `ids`, and `ids` inside the table.
  ///
  /// With `skipsNegative` a negative id stands for no row at all.
  init(
    ids: [Int32], stride: Int, of y: borrowing Tensor, tableRows: Int, skipsNegative: Bool
  ) {
    precondition(y.shape.rank == 3, "rows of a table are [batch, tokens, width]")
    self.ids = ids
    self.stride = stride
    tokens = y.extent(1)
    start = y.shape[1].start
    guard y.count > 0 else { return }
    precondition(start >= 0 && start + tokens <= stride, "a token lies outside its sequence")
    precondition(y.extent(0) * stride <= ids.count, "fewer ids than sequences need")
    for row in 0..<y.extent(0) * tokens {
      precondition(
        (skipsNegative || self[row] >= 0) && self[row] < tableRows,
        "id \(self[row]) is outside the table")
    }
  }

  /// The row of the table for row `b · tokens + t`.
  @inline(__always) subscript(row: Int) -> Int {
    Int(ids[row / tokens * stride + start + row % tokens])
  }
}

/// Reading rows of a table by number, and adding gradients back to them.
enum Embedding {
  /// `y[row, :] = table[rows[row], :]`; `y` `[batch · tokens, width]`, `table` `[vocab, width]`.
  static func gather<T: NumberElement, Y: NumberElement>(
    _ table: Rows<T>, _ rows: TableRows, to y: Rows<Y>
  ) {
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      unsafe copyRow(table[rows[row]], to: y[row], columns)
    }
  }

  /// `table[rows[row], :] += dy[row, :]`, rows in order, but for those with a negative number.
  ///
  /// Tasks share columns, not rows: two rows may hold the same id, and each sum keeps its order.
  static func scatterAdd<D: NumberElement, T: NumberElement>(
    _ dy: Rows<D>, _ rows: TableRows, to table: Rows<T>
  ) {
    guard dy.count > 0, dy.width > 0 else { return }
    let panel = 256
    let panels = (dy.width + panel - 1) / panel
    let grain = max(1, Grain.elements / (panel * dy.count))
    Threads.parallel(rows: panels, grain: grain) { range in
      let columns = range.lowerBound * panel..<min(range.upperBound * panel, dy.width)
      for row in 0..<dy.count where rows[row] >= 0 {
        unsafe addRow(dy[row], to: table[rows[row]], columns)
      }
    }
  }
}
