import Ledger
import Tensors

/// What attention keeps; nil is what no trained operand needs, or what the memory kind does without.
struct AttentionSaves {
  let q: SavedTensor?
  let k: SavedTensor?
  let v: SavedTensor?
  /// `materialized`: `[batch, heads, tokens, keys]`, before dropout, and the 1-byte mask of that.
  let probabilities: SavedTensor?
  let mask: SavedTensor?
  /// `fused`.
  let output: SavedTensor?
  let logSumExp: SavedTensor?
}

/// The keys and values of rows that ran without a graph, and whose gradients gather all the same.
package struct EarlierKeys {
  /// Slots over rows `0…`, `[batch, rows, kvHeads · d_head]`.
  package let k: GradientSlot
  package let v: GradientSlot
  /// The rows of them that come before the recorded ones.
  package let rows: Range<Int>

  package init(k: GradientSlot, v: GradientSlot, rows: Range<Int>) {
    self.k = k
    self.v = v
    self.rows = rows
  }
}

/// Where the gradients of attention's operands gather.
struct AttentionSlots {
  let q: GradientSlot?
  let k: GradientSlot?
  let v: GradientSlot?
  /// The gradients of rows before the recorded ones, where those are not constants.
  let earlier: EarlierKeys?

  /// Whether the gradient of the scores is wanted.
  var needScores: Bool { q != nil || needKeys }
  /// Whether dk, or dv, is wanted of any row.
  var needKeys: Bool { k != nil || earlier != nil }
  var needValues: Bool { v != nil || earlier != nil }
}

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
      let core = CausalAttention(tape: self, options: options)
      let shape = q.value.shape
      let rows = shape[1].positions
      let keys = k.value.shape[1].positions
      let blocks = CausalAttention.blocks(of: rows)
      let isRecorded = records(q.gradient, k.gradient, v.gradient, earlier?.k)
      let isMaterialized = isRecorded && options.memory == .materialized
      let o = try tensors.make("attention_output", shape, q.value.dtype)

      let heads = Axis.plain(options.geometry.heads)
      let square = Shape(shape[0], heads, shape[1], .keys(keys))
      let probabilities =
        isMaterialized ? try tensors.make("probabilities", square, q.value.dtype) : nil
      let mask =
        isMaterialized && options.dropout != nil
        ? try tensors.make("mask", square, .uint8) : nil
      let logSumExp =
        isRecorded && options.memory == .fused
        ? try tensors.make("log_sum_exp", Shape(shape[0], heads, shape[1])) : nil
      // Scores are float32; what is multiplied with v has the dtype of v and stands in `factors`,
      // unless it is the saved probabilities themselves.
      let dtype = q.value.dtype
      let scoreTile =
        dtype == .float32
        ? nil
        : try core.makeTile(batch: shape[0], rows: rows, keys: capacity ?? keys, dtype: .float32)
      let factors =
        probabilities == nil || options.dropout != nil
        ? try core.makeTile(batch: shape[0], rows: rows, keys: capacity ?? keys, dtype: dtype) : nil
      for block in blocks {
        let factor = factors.map { core.part(of: $0, block: block) }
        let kept = probabilities.map { core.part(ofAll: $0, block: block) }
        guard let made = kept ?? factor else { continue }
        let scores = scoreTile.map { core.part(of: $0, block: block) } ?? made
        try core.scores(q.value, k.value, block: block, into: scores)
        backend.causalSoftmax(
          scores, scale: options.geometry.scale, window: options.window,
          logSumExp: logSumExp?.at(positions: block, axis: 2))
        if scoreTile != nil { backend.copy(scores, to: made) }
        if let dropout = options.dropout, let factor {
          backend.dropout(
            made, dropout, to: factor, mask: mask.map { core.part(ofAll: $0, block: block) })
        }
        try core.output(factor ?? made, v.value, block: block, into: o)
      }
      guard isRecorded else { return Variable(o) }

      let slot = GradientSlot("attention_output", shape: shape, dtype: o.dtype)
      let slots = AttentionSlots(
        q: q.gradient, k: k.gradient, v: v.gradient, earlier: earlier)
      let saves = saveForAttention(
        q: q.value, k: k.value, v: v.value, o: o, probabilities: probabilities, mask: mask,
        logSumExp: logSumExp, slots: slots)
      record {
        guard let dO = slot.take() else { return }
        try core.backward(dO, saved: saves, slots: slots, keys: keys, blocks: blocks)
      }
      return Variable(o, gradient: slot)
    }
  }

  /// Saves what the wanted gradients read: an operand only if another one's gradient needs it.
  private func saveForAttention(
    q: Tensor, k: Tensor, v: Tensor, o: Tensor, probabilities: Tensor?, mask: Tensor?,
    logSumExp: Tensor?, slots: AttentionSlots
  ) -> AttentionSaves {
    let scores = (slots.q == nil ? [] : ["dq"]) + (slots.needKeys ? ["dk"] : [])
    let all = scores + (slots.needValues ? ["dv"] : [])
    let isFused = probabilities == nil
    func keep(_ tensor: Tensor, _ name: String, _ gradients: [String]) -> SavedTensor? {
      gradients.isEmpty ? nil : save(tensor, as: name, neededFor: gradients)
    }
    return AttentionSaves(
      q: keep(q, "q", isFused ? all : slots.needKeys ? ["dk"] : []),
      k: keep(k, "k", isFused ? all : slots.q == nil ? [] : ["dq"]),
      v: keep(v, "v", scores),
      probabilities: probabilities.flatMap { keep($0, "probabilities", all) },
      mask: mask.flatMap { keep($0, "mask", all) },
      output: isFused ? keep(o, "output", scores) : nil,
      logSumExp: logSumExp.flatMap { keep($0, "log_sum_exp", all) })
  }
}
