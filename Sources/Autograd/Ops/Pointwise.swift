package import Ledger
package import Tensors

extension Tape {
  /// Turns every head by its rows' positions, in place, unless that was done; saves nothing, for
  /// the gradient reads positions alone.
  ///
  /// `x` is `[batch, tokens, heads · d_head]` and must not be saved by anyone before.
  package func rotate(
    _ x: Variable, dHead: Int, by rotation: HeadRotation, at place: Place, isComputed: Bool = true
  ) throws -> Variable {
    op(place) {
      let turn = { [kernels, tensors] (x: Tensor, isGradient: Bool) in
        let heads = x.splitting(2, inner: dHead)
        for run in tensors.layout.positions(of: x.shape[1].rows) {
          kernels?.rotate(
            heads.at(rows: run.rows), first: run.first, by: rotation, isGradient: isGradient)
        }
      }
      if isComputed { turn(x.value, false) }
      return inPlace(x) { dy in turn(dy, true) }
    }
  }

  /// Drops elements of `x` in place, and scales the others; saves a 1-byte mask.
  ///
  /// `x` is `[batch, tokens, width]` and must not be saved by anyone before.
  package func dropout(_ x: Variable, _ dropout: Dropout?, of module: Module) throws -> Variable {
    guard let dropout else { return x }
    return try op(.dropout(of: module)) {
      guard records(x.gradient) else {
        kernels?.dropout(x.value, dropout, to: x.value, mask: nil)
        return Variable(x.value)
      }
      let mask = try tensors.make("mask", .dropoutMask, x.value.shape, .uint8)
      kernels?.dropout(x.value, dropout, to: x.value, mask: mask)
      let saved = save(mask, as: "mask", neededFor: ["d\(x.gradient?.name ?? "")"])
      return inPlace(x) { [kernels] dy in
        let mask = try saved.tensor
        kernels?.applyMask(mask, scale: dropout.scale, to: dy, into: dy)
      }
    }
  }

  /// The result of an op that wrote over `x`; `backward` turns its gradient into that of `x`, in
  /// place.
  private func inPlace(
    _ x: Variable, _ backward: @escaping (_ dy: Tensor) throws -> Void
  ) -> Variable {
    guard records(x.gradient), let inputSlot = x.gradient else { return Variable(x.value) }
    let slot = GradientSlot(
      inputSlot.name, inputSlot.role, shape: inputSlot.shape, dtype: inputSlot.dtype)
    record { [tensors] in
      guard let dy = try slot.takeUnique(from: tensors) else { return }
      try backward(dy)
      try inputSlot.add(dy, from: tensors)
    }
    return Variable(x.value, gradient: slot)
  }

  /// `y = silu(gate) · up`; saves what their gradients read, and computes `silu(gate)` again.
  ///
  /// All are `[batch, tokens, d_ff]`; `y` may be computed again for its readers.
  package func swiGLU(gate: Variable, up: Variable) throws -> Variable {
    try op(Op(.activation, name: "swiglu")) {
      let (g, u) = (gate.value, up.value)
      let forward = { [tensors, kernels] in
        let y = try tensors.make("activation", .inner, g.shape, g.dtype)
        kernels?.swiGLU(gate: g, up: u, to: y)
        return [y]
      }
      let y = try forward()[0]
      guard records(gate.gradient, up.gradient) else { return Variable(y) }
      let again = recomputed(.elementwise, from: [("gate", g), ("up", u)], forward)
      let slot = GradientSlot("activation", .inner, shape: y.shape, dtype: y.dtype)
      let (gateSlot, upSlot) = (gate.gradient, up.gradient)
      let gradients = [gateSlot, upSlot].compactMap { $0.map { "d\($0.name)" } }
      let savedGate = save(gate.value, as: "gate", neededFor: gradients)
      let savedUp = gateSlot.map { save(up.value, as: "up", neededFor: ["d\($0.name)"]) }
      record { [tensors, kernels] in
        guard let dy = slot.take() else { return }
        let gate = try savedGate.tensor
        let up = try savedUp?.tensor ?? gate
        // The kernel makes both gradients; one that nobody wants goes to workspace.
        func place(_ slot: GradientSlot?, _ body: (Tensor) throws -> Void) throws {
          if let slot {
            try slot.accumulate(from: tensors) { sum, _ in try body(sum) }
          } else {
            try body(tensors.make("unwanted", .inner, gate.shape, gate.dtype, for: .workspace))
          }
        }
        try place(gateSlot) { dgate in
          try place(upSlot) { dup in
            kernels?.swiGLUBackward(
              dy, gate: gate, up: up, dgate: dgate, dup: dup)
          }
        }
      }
      return Variable(y, gradient: slot, recomputed: again?[0])
    }
  }

  /// `y = gelu(x)`; saves `x` `[batch, tokens, d_ff]`; `y` may be computed again for its readers.
  package func gelu(_ x: Variable, form: GELU) throws -> Variable {
    try op(Op(.activation, name: "gelu")) {
      let input = x.value
      let forward = { [tensors, kernels] in
        let y = try tensors.make("activation", .inner, input.shape, input.dtype)
        kernels?.gelu(input, form: form, to: y)
        return [y]
      }
      let y = try forward()[0]
      guard records(x.gradient), let inputSlot = x.gradient else { return Variable(y) }
      let again = recomputed(.elementwise, from: [("input", input)], forward)
      let slot = GradientSlot("activation", .inner, shape: y.shape, dtype: y.dtype)
      let saved = save(input, as: "input", neededFor: ["d\(inputSlot.name)"])
      record { [tensors, kernels] in
        guard let dy = try slot.takeUnique(from: tensors) else { return }
        let x = try saved.tensor
        kernels?.geluBackward(dy, x: x, form: form, to: dy)
        try inputSlot.add(dy, from: tensors)
      }
      return Variable(y, gradient: slot, recomputed: again?[0])
    }
  }

  /// `y = x + branch`, written over `branch`, which must not be saved by anyone; saves nothing.
  package func add(
    _ x: Variable, _ branch: consuming Variable, isComputed: Bool = true
  ) throws -> Variable {
    let value = branch.value
    let branchSlot = branch.gradient
    return op(.residual) {
      if isComputed { kernels?.add(x.value, to: value) }
      guard records(x.gradient, branchSlot) else { return Variable(value) }
      let slot = GradientSlot("hidden", .hidden, shape: value.shape, dtype: value.dtype)
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
