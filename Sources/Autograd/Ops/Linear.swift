package import Tensors

extension Tape {
  /// `y = x · Wᵀ`.
  ///
  /// `x` is `[batch, tokens, in]`, `weight` `[out, in]`; `y` `[batch, tokens, out]` goes to
  /// `destination` or a new tensor. Saves `x` if the weight is trained, and the weight if `x` needs a
  /// gradient.
  package func linear(
    _ x: Variable, _ weight: Parameter, op name: String, as output: String,
    into destination: Tensor? = nil
  ) throws -> Variable {
    try op(name) {
      let width = Axis.plain(weight.value.extent(0))
      let y =
        try destination
        ?? tensors.make(output, x.value.shape.replacingLast(width), x.value.dtype)
      try multiplyRows(x.value, weight.value.transposed(0, 1), into: y)
      guard records(x.gradient, weight.gradient) else { return Variable(y) }

      let slot = GradientSlot(output, shape: y.shape, dtype: y.dtype)
      let inputSlot = x.gradient
      let weightSlot = weight.gradient
      let savedInput = weightSlot.map {
        save(x.value, as: "input", neededFor: [$0.name])
      }
      let savedWeight = inputSlot.map {
        save(weight.value, as: "weight", neededFor: ["d\($0.name)"])
      }
      record { [tensors] in
        guard let dy = slot.take() else { return }
        if let weightSlot, let x = savedInput?.tensor {
          try weightSlot.accumulate(from: tensors) { sum, accumulates in
            try self.multiplyColumns(dy, x, into: sum, accumulates: accumulates)
          }
        }
        if let inputSlot, let weight = savedWeight?.tensor {
          try inputSlot.accumulate(from: tensors) { sum, accumulates in
            try self.multiplyRows(dy, weight, into: sum, accumulates: accumulates)
          }
        }
      }
      return Variable(y, gradient: slot)
    }
  }

  /// `y[b, t, :] = x[b, t, :] · w` for `w` `[in, out]`: one product where rows are evenly spaced.
  private func multiplyRows(
    _ x: Tensor, _ w: Tensor, into y: Tensor, accumulates: Bool = false
  ) throws {
    if let rows = x.merging(0), let result = y.merging(0) {
      try multiply(rows, w, into: result, accumulates: accumulates)
    } else {
      try multiply(x, w.addingUnitAxis(), into: y, accumulates: accumulates)
    }
  }

  /// `c = Σ_{b, t} dy[b, t, :]ᵀ · x[b, t, :]`, `[out, in]`.
  private func multiplyColumns(
    _ dy: Tensor, _ x: Tensor, into c: Tensor, accumulates: Bool
  ) throws {
    if let dyRows = dy.merging(0), let xRows = x.merging(0) {
      try multiply(dyRows.transposed(0, 1), xRows, into: c, accumulates: accumulates)
    } else {
      for sequence in 0..<x.extent(0) {
        try multiply(
          dy.selecting(0, sequence).transposed(0, 1), x.selecting(0, sequence), into: c,
          accumulates: accumulates || sequence > 0)
      }
    }
  }
}
