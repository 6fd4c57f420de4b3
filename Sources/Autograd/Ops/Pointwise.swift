import Ledger
import Tensors

extension Tape {
  /// `y = x / sqrt(mean(x²) + ε) · weight` over the last axis.
  ///
  /// Saves `x` and the float32 reciprocal root `rstd` `[batch, tokens]`.
  package func rmsNorm(
    _ x: Variable, _ weight: Parameter, epsilon: Float, op name: String
  ) throws -> Variable {
    try op(name) {
      let shape = x.value.shape
      let y = try tensors.make("normalized", shape, x.value.dtype)
      let rstd = try tensors.make("rstd", Shape(shape[0], shape[1]))
      backend.rmsNorm(x.value, weight: weight.value, epsilon: epsilon, to: y, rstd: rstd)
      guard records(x.gradient, weight.gradient) else { return Variable(y) }

      let slot = GradientSlot("normalized", shape: shape, dtype: y.dtype)
      let inputSlot = x.gradient
      let weightSlot = weight.gradient
      let gradients = [weightSlot.map(\.name), inputSlot.map { "d\($0.name)" }].compactMap(\.self)
      let savedInput = save(x.value, as: "input", neededFor: gradients)
      let savedRstd = save(rstd, as: "rstd", neededFor: gradients)
      record { [tensors, backend] in
        guard let dy = slot.take() else { return }
        let x = savedInput.tensor
        let rows = x.extent(0) * x.extent(1)
        let partials = try weightSlot.map { _ in
          try tensors.make(
            "norm_partials", Shape(.plain(RowBlock.count(for: rows)), .plain(x.extent(2))),
            for: .workspace)
        }
        func run(_ dx: Tensor?, _ accumulates: Bool) {
          backend.rmsNormBackward(
            dy, x: x, rstd: savedRstd.tensor, weight: weight.value, to: dx,
            accumulates: accumulates, partials: partials)
        }
        if let inputSlot {
          try inputSlot.accumulate(from: tensors) { run($0, $1) }
        } else {
          run(nil, false)
        }
        if let weightSlot, let partials {
          try weightSlot.accumulate(from: tensors) { sum, accumulates in
            backend.sumRows(partials, to: sum, accumulates: accumulates)
          }
        }
      }
      return Variable(y, gradient: slot)
    }
  }

  /// Turns every head by its rows' positions, in place; saves nothing, for a rotation undoes itself.
  ///
  /// `x` is `[batch, tokens, heads · d_head]` and must not be saved by anyone before.
  package func rotate(
    _ x: Variable, dHead: Int, frequencies: [Float], op name: String
  ) throws -> Variable {
    op(name) {
      backend.rotate(
        x.value.splitting(2, inner: dHead), frequencies: frequencies, inverse: false)
      guard records(x.gradient), let inputSlot = x.gradient else { return Variable(x.value) }
      let slot = GradientSlot(inputSlot.name, shape: inputSlot.shape, dtype: inputSlot.dtype)
      record { [tensors, backend] in
        guard let dy = try slot.takeUnique(from: tensors) else { return }
        backend.rotate(dy.splitting(2, inner: dHead), frequencies: frequencies, inverse: true)
        try inputSlot.add(dy, from: tensors)
      }
      return Variable(x.value, gradient: slot)
    }
  }

  /// `y = silu(gate) · up`; saves both, and computes `silu(gate)` again in backward.
  ///
  /// All are `[batch, tokens, d_ff]`.
  package func swiGLU(gate: Variable, up: Variable) throws -> Variable {
    try op("swiglu") {
      let y = try tensors.make("activation", gate.value.shape, gate.value.dtype)
      backend.swiGLU(gate: gate.value, up: up.value, to: y)
      guard records(gate.gradient, up.gradient), let gateSlot = gate.gradient,
        let upSlot = up.gradient
      else { return Variable(y) }
      let slot = GradientSlot("activation", shape: y.shape, dtype: y.dtype)
      let gradients = ["d\(gateSlot.name)", "d\(upSlot.name)"]
      let savedGate = save(gate.value, as: "gate", neededFor: gradients)
      let savedUp = save(up.value, as: "up", neededFor: [gradients[0]])
      record { [tensors, backend] in
        guard let dy = slot.take() else { return }
        try gateSlot.accumulate(from: tensors) { dgate, _ in
          try upSlot.accumulate(from: tensors) { dup, _ in
            backend.swiGLUBackward(
              dy, gate: savedGate.tensor, up: savedUp.tensor, dgate: dgate, dup: dup)
          }
        }
      }
      return Variable(y, gradient: slot)
    }
  }

  /// `y = x + branch`, written over `branch`, which must not be saved by anyone; saves nothing.
  package func add(_ x: Variable, _ branch: consuming Variable) throws -> Variable {
    let value = branch.value
    let branchSlot = branch.gradient
    return op("residual") {
      backend.add(x.value, to: value)
      guard records(x.gradient, branchSlot) else { return Variable(value) }
      let slot = GradientSlot("hidden", shape: value.shape, dtype: value.dtype)
      let inputSlot = x.gradient
      record { [tensors] in
        guard let dy = slot.take() else { return }
        try branchSlot?.add(dy, from: tensors)
        try inputSlot?.add(dy, from: tensors)
      }
      return Variable(value, gradient: slot)
    }
  }
}
