package import Ledger
package import Tensors

extension Tape {
  /// A copy of `x` in which elements are dropped and the others scaled; `x` stays for its other
  /// readers.
  ///
  /// `x` is `[batch, tokens, width]`. Saves a 1-byte mask if `x` needs a gradient. The copy may be
  /// computed again for its one reader, who saves it: what is dropped is counted, not drawn.
  package func droppedCopy(
    of x: Variable, _ dropout: Dropout?, on module: Module
  ) throws -> Variable {
    guard let dropout else { return x }
    return try op(.adapter(.dropout, on: module)) {
      let input = x.value
      let y = try tensors.make("dropped", .adapterInput, input.shape, input.dtype)
      let mask =
        records(x.gradient) ? try tensors.make("mask", .dropoutMask, input.shape, .uint8) : nil
      kernels?.dropout(input, dropout, to: y, mask: mask)
      let again = droppedAgain(x, dropout)
      guard let mask, let inputSlot = x.gradient else { return Variable(y, recomputed: again) }
      let saved = save(mask, as: "mask", neededFor: ["d\(inputSlot.name)"])
      let slot = GradientSlot("dropped", .adapterInput, shape: y.shape, dtype: y.dtype)
      record { [tensors, kernels] in
        guard let dy = try slot.takeUnique(from: tensors) else { return }
        kernels?.applyMask(try saved.tensor, scale: dropout.scale, to: dy, into: dy)
        try inputSlot.add(dy, from: tensors)
      }
      return Variable(y, gradient: slot, recomputed: again)
    }
  }

  /// How the copy is computed again: from `x`, which may itself be computed again first.
  private func droppedAgain(_ x: Variable, _ dropout: Dropout) -> Recomputed? {
    let source = x.recomputed
    // What can be made again must not be kept alive.
    let kept = source == nil ? x.value : nil
    let again = recomputed(
      .elementwise, from: source?.source.inputs ?? [("input", x.value)]
    ) { [tensors, kernels] in
      guard let x = try kept ?? source?.value(on: self) else {
        preconditionFailure("it is kept, or it can be made again")
      }
      let y = try tensors.make("dropped", .adapterInput, x.shape, x.dtype)
      kernels?.dropout(x, dropout, to: y, mask: nil)
      source.map { $0.source.removeReader(of: $0.index) }
      return [y]
    }
    if again != nil { source.map { $0.source.addReader(of: $0.index) } }
    return again?[0]
  }
}
