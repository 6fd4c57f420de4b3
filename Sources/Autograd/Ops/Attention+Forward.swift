import Ledger
import Tensors

extension Tape {
  /// Causal attention: `dropout(softmax(q kᵀ / sqrt(d_head))) v`, `[batch, tokens, heads · d_head]`.
  ///
  /// `q` is `[batch, tokens, heads · d_head]`, `k` and `v` are `[batch, keys 0…, kvHeads · d_head]`;
  /// their slots cover the recorded keys alone. Rows before those are constants, unless `earlier` takes
  /// their gradients. Tiles have room for the keys `capacity`, so that those of one chunk after the
  /// other take the same block of memory.
  package func attention(
    q: Variable, k: Variable, v: Variable, earlier: EarlierKeys? = nil, capacity: Range<Int>? = nil,
    options: AttentionOptions
  ) throws -> Variable {
    try op("attention") {
      let shape = q.value.shape
      let core = CausalAttention(
        tape: self, options: options, rows: shape[1].positions,
        capacity: capacity ?? k.value.shape[1].positions)
      let o = try tensors.make("attention_output", shape, q.value.dtype)
      guard records(q.gradient, k.gradient, v.gradient, earlier?.k) else {
        try core.forward(q.value, k.value, v.value, keeping: AttentionTensors(), into: o)
        return Variable(o)
      }
      let slot = GradientSlot("attention_output", shape: shape, dtype: o.dtype)
      let slots = AttentionSlots(
        q: q.gradient, k: k.gradient, v: v.gradient, earlier: earlier)
      let kept = try core.makeKept(for: slots, q: q.value, k: k.value)
      try core.forward(q.value, k.value, v.value, keeping: kept, into: o)
      let saves = save(kept, q: q.value, k: k.value, v: v.value, o: o, slots: slots, of: core)
      let keys = k.value.shape[1].positions
      record {
        guard let dO = slot.take() else { return }
        try core.backward(dO, saved: saves, slots: slots, keys: keys)
      }
      return Variable(o, gradient: slot)
    }
  }
}

extension CausalAttention {
  /// Room for what backward reads of the scores; none where the policy has it computed again.
  func makeKept(
    for slots: AttentionSlots, q: Tensor, k: Tensor
  ) throws -> AttentionTensors {
    guard !tape.policy.contains(.attention) else { return AttentionTensors() }
    var kept = try makeScored(q: q, k: k)
    guard options.dropout != nil, let probabilities = kept.probabilities else { return kept }
    kept.mask = try tape.tensors.make("mask", probabilities.shape, .uint8)
    // The mask and the probabilities give these back, element by element.
    if slots.needValues, !tape.policy.contains(.elementwise) {
      kept.dropped = try tape.tensors.make(
        "dropped_probabilities", probabilities.shape, probabilities.dtype)
    }
    return kept
  }

  /// Room for the probabilities, or the log-sum-exp in their place (`fused`).
  func makeScored(q: Tensor, k: Tensor) throws -> AttentionTensors {
    let heads = Axis.plain(geometry.heads)
    let (batch, rows) = (q.shape[0], q.shape[1])
    switch options.memory {
    case .materialized:
      return AttentionTensors(
        probabilities: try tape.tensors.make(
          "probabilities", Shape(batch, heads, rows, .keys(k.shape[1].positions)), q.dtype))
    case .fused:
      return AttentionTensors(
        logSumExp: try tape.tensors.make("log_sum_exp", Shape(batch, heads, rows)))
    }
  }

  /// Scores and probabilities, block by block, into `kept`; and their product with `v` into `o`, if
  /// that is wanted.
  ///
  /// Scores are float32. What is multiplied with `v` has the dtype of `v`: the kept probabilities
  /// themselves, or `factor`.
  func forward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor?, keeping kept: AttentionTensors, into o: Tensor?
  ) throws {
    let isRounded = q.dtype != .float32
    func tile(_ dtype: DType, if isNeeded: Bool) throws -> Tensor? {
      isNeeded ? try makeTile(batch: q.shape[0], rows: rows, keys: capacity, dtype: dtype) : nil
    }
    let scoreTile = try tile(.float32, if: isRounded)
    let isDropping = options.dropout != nil && kept.dropped == nil && o != nil
    let isHolding = kept.probabilities == nil && (o != nil || !isRounded)
    let factorTile = try tile(q.dtype, if: isDropping || isHolding)
    for block in blocks {
      let factor =
        kept.dropped.map { part(ofAll: $0, block: block) }
        ?? factorTile.map { part(of: $0, block: block) }
      let probabilities = kept.probabilities.map { part(ofAll: $0, block: block) } ?? factor
      guard let scores = scoreTile.map({ part(of: $0, block: block) }) ?? probabilities else {
        preconditionFailure("scores stand in a tile, or where the probabilities will")
      }
      try self.scores(q, k, block: block, into: scores)
      tape.backend.causalSoftmax(
        scores, scale: geometry.scale, window: options.window,
        logSumExp: kept.logSumExp?.at(positions: block, axis: 2))
      guard let probabilities else { continue }
      if isRounded { tape.backend.copy(scores, to: probabilities) }
      guard let v, let o else { continue }
      if let dropout = options.dropout, let factor {
        tape.backend.dropout(
          probabilities, dropout, to: factor,
          mask: kept.mask.map { part(ofAll: $0, block: block) })
      }
      try output(factor ?? probabilities, v, block: block, into: o)
    }
  }
}
