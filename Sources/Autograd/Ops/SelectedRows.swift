import Ledger
import Tensors

extension Tape {
  /// The rows of `x` at `positions`, as a view: what saves them keeps all of `x`.
  package func rows(_ x: Variable, at positions: Range<Int>) -> Variable {
    guard positions != x.value.shape[1].rows else { return x }
    return op(.rows) {
      let y = x.value.at(rows: positions)
      var recomputed = x.recomputed
      recomputed?.rows = positions
      guard records(x.gradient), let inputSlot = x.gradient else {
        return Variable(y, recomputed: recomputed)
      }
      let slot = GradientSlot(inputSlot.name, inputSlot.role, shape: y.shape, dtype: y.dtype)
      record { [tensors, kernels] in
        guard let dy = slot.take() else { return }
        try inputSlot.accumulate(from: tensors) { sum, accumulates in
          if !accumulates { kernels?.fill(sum, with: 0) }
          kernels?.add(dy, to: sum.at(rows: positions))
        }
      }
      return Variable(y, gradient: slot, recomputed: recomputed)
    }
  }

  /// A copy of the rows at `positions`, so that the other rows need not stay.
  package func selectRows(_ x: Variable, at positions: Range<Int>) throws -> Variable {
    try selectRows([(x, positions)])
  }

  /// A copy of some rows of several tensors, one after the other: rows that follow on one another.
  package func selectRows(_ parts: [(x: Variable, rows: Range<Int>)]) throws -> Variable {
    try op(.lossRows) {
      guard let first = parts.first, let last = parts.last else {
        preconditionFailure("rows of nothing")
      }
      let shape = Shape(
        first.x.value.shape[0], .tokens(first.rows.lowerBound..<last.rows.upperBound),
        first.x.value.shape[2])
      let y = try tensors.make("loss_rows", .lossRows, shape, first.x.value.dtype)
      for part in parts {
        kernels?.copy(part.x.value.at(rows: part.rows), to: y.at(rows: part.rows))
      }
      let slots = parts.map { ($0.x.gradient, $0.rows) }
      guard isRecording, slots.contains(where: { $0.0 != nil }) else { return Variable(y) }
      let slot = GradientSlot("loss_rows", .lossRows, shape: y.shape, dtype: y.dtype)
      record { [tensors, kernels] in
        guard let dy = slot.take() else { return }
        for (inputSlot, positions) in slots {
          try inputSlot?.accumulate(from: tensors) { sum, accumulates in
            if !accumulates { kernels?.fill(sum, with: 0) }
            kernels?.add(dy.at(rows: positions), to: sum.at(rows: positions))
          }
        }
      }
      return Variable(y, gradient: slot)
    }
  }
}
