import Ledger
import Tensors

extension CausalAttention {
  /// The tiles of backward, each for one block at a time.
  private struct Tiles {
    /// dP, then dS, float32.
    let gradient: Tensor?
    /// dS in the dtype of q and k, where that is not float32.
    let rounded: Tensor?
    /// Probabilities made again (`fused`), float32.
    let remade: Tensor?
    /// What was multiplied with v, where it is neither saved nor `remade`.
    let factor: Tensor?
    /// `D` of all rows (`fused`), `[batch, heads, tokens]`.
    let rowDots: Tensor?
  }

  /// Adds dq, dk and dv to their slots, block by block from the last, which meets every key.
  func backward(
    _ dO: Tensor, saved: AttentionSaves, slots: AttentionSlots, keys: Range<Int>
  ) throws {
    let tensors = tape.tensors
    let blocks = blocks
    let tiles = try makeTiles(dO, saved: saved, slots: slots, keys: keys)
    for (index, block) in blocks.enumerated().reversed() {
      let isFirst = index == blocks.count - 1
      /// Adds to the recorded rows' slot, and to that of earlier rows.
      func accumulate(
        _ slot: GradientSlot?, _ earlier: GradientSlot?, _ body: (Tensor, Bool) throws -> Void
      ) throws {
        try slot?.accumulate(from: tensors) { sum, accumulates in
          try body(sum, accumulates || !isFirst)
        }
        guard let earlier, let rows = slots.earlier?.rows else { return }
        try earlier.accumulate(from: tensors) { sum, accumulates in
          try body(sum.at(positions: rows), accumulates)
        }
      }
      let probabilities = try probabilities(saved, remade: tiles.remade, block: block)
      let mask = try saved.mask.map { part(ofAll: try $0.tensor, block: block) }
      let dropped = try saved.dropped.map { part(ofAll: try $0.tensor, block: block) }
      try accumulate(slots.v, slots.earlier?.v) {
        guard
          let factor = dropped
            ?? probabilities.map({ factor(of: $0, mask: mask, tile: tiles.factor, block: block) })
        else { return }
        try addToKeys(factor, dO, block: block, into: $0, accumulates: $1)
      }
      guard let tile = tiles.gradient, let probabilities, let v = try saved.v?.tensor else {
        continue
      }
      let gradient = part(of: tile, block: block)
      try scores(dO, v, block: block, into: gradient)
      drop(gradient, mask: mask)
      tape.backend.causalSoftmaxBackward(
        gradient, probabilities: probabilities, scale: geometry.scale,
        rowDots: tiles.rowDots?.at(positions: block, axis: 2))
      let dS = tiles.rounded.map { part(of: $0, block: block) } ?? gradient
      if tiles.rounded != nil { tape.backend.copy(gradient, to: dS) }
      if let slot = slots.q, let k = try saved.k?.tensor {
        try slot.accumulate(from: tensors) { sum, _ in
          try output(dS, k, block: block, into: sum)
        }
      }
      if let q = try saved.q?.tensor {
        try accumulate(slots.k, slots.earlier?.k) {
          try addToKeys(dS, q, block: block, into: $0, accumulates: $1)
        }
      }
    }
  }

  private func makeTiles(
    _ dO: Tensor, saved: AttentionSaves, slots: AttentionSlots, keys: Range<Int>
  ) throws -> Tiles {
    let rows = dO.shape[1].positions
    func tile(_ dtype: DType, if isNeeded: Bool) throws -> Tensor? {
      isNeeded ? try makeTile(batch: dO.shape[0], rows: rows, keys: keys, dtype: dtype) : nil
    }
    let isRounded = dO.dtype != .float32
    let isFused = options.memory == .fused
    let rowDots = try saved.output.map { output in
      let dots = try tape.tensors.make(
        "row_dots", Shape(dO.shape[0], .plain(geometry.heads), dO.shape[1]), for: .workspace)
      tape.backend.headDots(
        dO.splitting(2, inner: geometry.dHead),
        try output.tensor.splitting(2, inner: geometry.dHead), to: dots)
      return dots
    }
    return Tiles(
      gradient: try tile(.float32, if: slots.needScores),
      rounded: try tile(dO.dtype, if: slots.needScores && isRounded),
      remade: try tile(.float32, if: isFused),
      factor: try tile(
        dO.dtype,
        if: slots.needValues && saved.dropped == nil
          && (options.dropout != nil || (isFused && isRounded))),
      rowDots: rowDots)
  }

  /// The probabilities of one block: a part of what was saved, or made again from q and k; nil where
  /// nothing reads them.
  private func probabilities(
    _ saved: AttentionSaves, remade: Tensor?, block: Range<Int>
  ) throws -> Tensor? {
    if let all = try saved.probabilities?.tensor { return part(ofAll: all, block: block) }
    guard let remade, let logSumExp = try saved.logSumExp?.tensor, let q = try saved.q?.tensor,
      let k = try saved.k?.tensor
    else { return nil }
    let part = part(of: remade, block: block)
    try scores(q, k, block: block, into: part)
    tape.backend.causalProbabilities(
      part, scale: geometry.scale, window: options.window,
      logSumExp: logSumExp.at(positions: block, axis: 2))
    return part
  }

  /// What was multiplied with v: the probabilities, rounded to v's dtype and dropped as in forward.
  private func factor(
    of probabilities: Tensor, mask: Tensor?, tile: Tensor?, block: Range<Int>
  ) -> Tensor {
    guard let tile else { return probabilities }
    let part = part(of: tile, block: block)
    tape.backend.copy(probabilities, to: part)
    drop(part, mask: mask)
    return part
  }

  /// Drops what forward dropped, in place: of probabilities, or of their gradient.
  private func drop(_ x: Tensor, mask: Tensor?) {
    guard let dropout = options.dropout else { return }
    if let mask {
      tape.backend.applyMask(mask, scale: dropout.scale, to: x, into: x)
    } else {
      tape.backend.dropout(x, dropout, to: x, mask: nil)
    }
  }
}
