import Ledger
import Tensors

/// What attention keeps; nil is what no trained operand needs, or what the memory kind does without.
struct AttentionSaves {
  let q: SavedTensor?
  let k: SavedTensor?
  let v: SavedTensor?
  /// `materialized`: `[batch, heads, tokens, keys]`, before dropout, the 1-byte mask of that, and the
  /// probabilities after it, unless backward applies the mask again.
  let probabilities: SavedTensor?
  let mask: SavedTensor?
  let dropped: SavedTensor?
  /// `fused`.
  let output: SavedTensor?
  let logSumExp: SavedTensor?
}

/// What one pass over the scores writes down for backward; nil is what it does not.
struct AttentionTensors {
  /// `[batch, heads, tokens, keys]`, before dropout.
  var probabilities: Tensor?
  var mask: Tensor?
  /// The probabilities after dropout.
  var dropped: Tensor?
  /// `[batch, heads, tokens]` float32.
  var logSumExp: Tensor?
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
  /// Saves what the wanted gradients read: an operand only if another one's gradient needs it.
  ///
  /// Where the core is recomputed, `kept` is empty and its one result comes from q and k.
  func save(
    _ kept: AttentionTensors, q: Tensor, k: Tensor, v: Tensor, o: Tensor, slots: AttentionSlots,
    of core: CausalAttention
  ) -> AttentionSaves {
    let scores = (slots.q == nil ? [] : ["dq"]) + (slots.needKeys ? ["dk"] : [])
    let all = scores + (slots.needValues ? ["dv"] : [])
    let isFused = core.options.memory == .fused
    let again = recomputed(.attention, from: [("q", q), ("k", k)]) {
      let made = try core.makeScored(q: q, k: k)
      try core.forward(q, k, nil, keeping: made, into: nil)
      return [made.probabilities ?? made.logSumExp].compactMap(\.self)
    }
    let fromScores = isFused || again != nil
    func keep(_ tensor: Tensor?, _ name: String, _ gradients: [String]) -> SavedTensor? {
      guard let tensor, !gradients.isEmpty else { return nil }
      return save(tensor, as: name, neededFor: gradients)
    }
    func result(_ tensor: Tensor?, _ name: String, _ gradients: [String]) -> SavedTensor? {
      guard let again, !gradients.isEmpty else { return keep(tensor, name, gradients) }
      return save(again[0], neededFor: gradients)
    }
    let readers = kept.dropped == nil ? all : scores
    return AttentionSaves(
      q: keep(q, "q", fromScores ? all : slots.needKeys ? ["dk"] : []),
      k: keep(k, "k", fromScores ? all : slots.q == nil ? [] : ["dq"]),
      v: keep(v, "v", scores),
      probabilities: isFused ? nil : result(kept.probabilities, "probabilities", readers),
      mask: keep(kept.mask, "mask", readers),
      dropped: keep(kept.dropped, "dropped_probabilities", ["dv"]),
      output: isFused ? keep(o, "output", scores) : nil,
      logSumExp: isFused ? result(kept.logSumExp, "log_sum_exp", all) : nil)
  }
}
