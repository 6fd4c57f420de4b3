import Ledger
package import Tensors

extension Tape {
  /// The rows of the table for the tokens at `positions`: `[batch, tokens, d_model]`.
  ///
  /// Saves nothing of its own: token numbers are the caller's. Rows of `paddingToken` get no
  /// gradient.
  package func embedding(
    _ tokens: TokenIDs, at positions: Range<Int>, table: Parameter, dtype: DType,
    paddingToken: Int? = nil
  ) throws -> Variable {
    try op(.module(.embedding)) {
      let shape = Shape(
        .plain(tokens.batch), .tokens(positions),
        .plain(table.value.extent(1)))
      let y = try tensors.make("hidden", .hidden, shape, dtype)
      kernels?.gatherRows(of: table.value, ids: tokens.ids, idStride: tokens.stride, to: y)
      guard records(table.gradient) else { return Variable(y) }
      let slot = GradientSlot("hidden", .hidden, shape: shape, dtype: dtype)
      record { [tensors, kernels] in
        guard let dy = slot.take() else { return }
        let ids = paddingToken.map { padding in
          tokens.ids.map { $0 == Int32(clamping: padding) ? -1 : $0 }
        }
        let (weight, rows) = (Weight(table), dy.shape[1].rows)
        try weight.accumulate(rows, from: tensors) { rows, sum, accumulates in
          if !accumulates { kernels?.fill(sum, with: 0) }
          kernels?.scatterAddRows(
            dy.at(rows: rows), ids: ids ?? tokens.ids, idStride: tokens.stride, to: sum)
        }
        self.measureRows(of: weight, dy: dy, ids: ids ?? tokens.ids, stride: tokens.stride)
      }
      return Variable(y, gradient: slot)
    }
  }

  /// Adds row `t` of the table to the row at position `t` of every sequence, in place.
  ///
  /// `x` is `[batch, tokens, d_model]`, `table` `[positions, d_model]`; saves nothing.
  package func addPositions(_ x: Variable, table: Parameter) throws -> Variable {
    op(.module(.positions)) {
      let value = x.value
      for (rows, entries) in positions(of: value, in: table.value) {
        for sequence in 0..<value.extent(0) {
          kernels?.add(entries, to: value.sliced(0, sequence..<sequence + 1).at(rows: rows))
        }
      }
      guard records(x.gradient, table.gradient) else { return Variable(value) }
      let slot = GradientSlot("hidden", .hidden, shape: value.shape, dtype: value.dtype)
      let inputSlot = x.gradient
      record { [tensors] in
        guard let dy = slot.take() else { return }
        if table.gradient != nil { try self.addPositionSums(of: dy, to: Weight(table)) }
        try inputSlot?.add(dy, from: tensors)
      }
      return Variable(value, gradient: slot)
    }
  }

  /// The rows of `x` in runs, with the entries of a table of positions that each run takes.
  private func positions(of x: Tensor, in table: Tensor) -> [(rows: Range<Int>, entries: Tensor)] {
    tensors.layout.positions(of: x.shape[1].rows).map { run in
      let entries = table.sliced(0, run.first..<run.first + run.rows.count).addingUnitAxis()
      return (run.rows, entries)
    }
  }

  /// Adds `Σ_b dy[b, t, :]` to the table's gradient at the position of row `t`.
  private func addPositionSums(of dy: Tensor, to table: Weight) throws {
    let rows = dy.shape[1].rows
    try table.accumulate(rows, from: tensors) { rows, sum, accumulates in
      if !accumulates { kernels?.fill(sum, with: 0) }
      for (rows, entries) in positions(of: dy.at(rows: rows), in: sum) {
        for sequence in 0..<dy.extent(0) {
          kernels?.add(dy.sliced(0, sequence..<sequence + 1).at(rows: rows), to: entries)
        }
      }
    }
    try measureRows(of: table, at: rows) { row in
      let dy = dy.at(rows: row)
      let partials = try makePartials(rows: dy.extent(0), width: dy.extent(2))
      kernels?.partialSums(dy, to: partials)
      return partials
    }
  }
}
