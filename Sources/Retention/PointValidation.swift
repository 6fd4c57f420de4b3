import Tensors
import Transformer

/// Why a point cannot be measured, as one sentence that says what to change.
package struct PointError: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

extension Point {
  /// Checks every axis, and every combination.
  ///
  /// - Throws: `PointError` with the first thing that is wrong.
  package func validate() throws(PointError) {
    try validateModel()
    try validateSequence()
    try validateAxes()
    try validateSize()
  }

  private func require(_ condition: Bool, _ sentence: @autoclosure () -> String)
    throws(PointError)
  {
    if !condition { throw PointError(sentence()) }
  }

  private func validateModel() throws(PointError) {
    let sizes = [
      ("layers", model.layers, 4096), ("d_model", model.dModel, 1 << 20),
      ("heads", model.heads, 1 << 16), ("kv_heads", model.kvHeads, 1 << 16),
      ("d_head", model.dHead, 1 << 16), ("d_ff", model.dFF, 1 << 24),
      ("vocab", model.vocab, 1 << 24),
    ]
    for (name, value, most) in sizes where name != "d_head" {
      try require(value >= 1 && value <= most, "\(name) must be 1 to \(most), not \(value)")
    }
    try require(
      model.dHead > 0 || model.dModel % model.heads == 0,
      "d_model \(model.dModel) is not divisible by heads \(model.heads); "
        + "change one of them or give d_head")
    try require(
      model.dHead >= 1 && model.dHead <= 1 << 16, "d_head must be 1 to 65536, not \(model.dHead)")
    if case .rotary = model.positions {
      try require(
        model.dHead % 2 == 0, "d_head must be even for rotary positions, not \(model.dHead)")
    }
    try require(
      model.heads % model.kvHeads == 0,
      "heads \(model.heads) is not divisible by kv_heads \(model.kvHeads)")
    try require(
      model.normEpsilon > 0 && model.normEpsilon < 1,
      "norm_epsilon must lie between 0 and 1, not \(model.normEpsilon)")
    try require(
      model.ropeTheta >= 1 && model.ropeTheta.isFinite,
      "rope_theta must be at least 1, not \(model.ropeTheta)")
  }

  private func validateSequence() throws(PointError) {
    let most = 1 << 28
    try require(nC >= 0 && nC <= most, "n_c must be 0 to \(most), not \(nC)")
    try require(nG >= 1 && nG <= most, "n_g must be 1 to \(most), not \(nG)")
    try require(batch >= 1 && batch <= 1 << 20, "batch must be 1 to \(1 << 20), not \(batch)")
    try require(keepPrefix >= 0, "keep_prefix must be 0 or more, not \(keepPrefix)")
    try require(chunk >= 1 && chunk <= most, "chunk must be 1 to \(most), not \(chunk)")
    let passes = (cut + chunk - 1) / chunk * model.layers
    try require(
      backend == .shape || passes <= 1 << 18,
      "chunk \(chunk) makes \(passes) passes through a layer, more than \(1 << 18); "
        + "use a larger chunk")
    let parts = head == .chunked ? (lossPositions.count + chunk - 1) / chunk : 0
    try require(
      parts <= 1 << 18,
      "chunk \(chunk) makes \(parts) parts of the loss rows, more than \(1 << 18); "
        + "use a larger chunk")
    try require(threads >= 1 && threads <= 1024, "threads must be 1 to 1024, not \(threads)")
    if case .learned(let maximum) = model.positions {
      try require(
        n <= maximum,
        "n_c + n_g is \(n), but the model has learned positions for \(maximum) tokens only")
    }
    try require(
      !lossPositions.isEmpty,
      "no row carries loss: with n_c 0 and next-token rows, n_g must be at least 2")
  }

  private func validateAxes() throws(PointError) {
    try require(
      keepPrefix == 0 || mode == .detachedPrefix,
      "keep_prefix goes with mode detached-prefix, not with \(mode.rawValue)")
    try require(
      dropout >= 0 && dropout < 1, "dropout must be 0 or more and less than 1, not \(dropout)")
    try require(
      dropout == 0 || model.family == .gpt2,
      "dropout goes with gpt2 models, not with \(model.family.rawValue)")
    _ = try trainablePattern()
    try require(dtype != .uint8, "dtype must be float32 or bfloat16")
    try require(
      mode != .prunedGraph || head != .allRows,
      "pruned-graph makes logits for loss rows alone; use head loss-rows or chunked")
    let unbuilt: [(Bool, String)] = [
      (!Recipe.built.contains(recipe), "recipe \(recipe.rawValue)")
    ]
    for (isAsked, what) in unbuilt {
      try require(!isAsked, "\(what) is not built in this version")
    }
  }

  /// Keeps every byte count within 64 bits; work is counted in 128.
  private func validateSize() throws(PointError) {
    let rows = Double(batch) * Double(n + 1)
    let widest = Double(
      [model.dModel, model.queryWidth, model.keyWidth, model.dFF, model.vocab].max() ?? 1)
    let square =
      attention == .materialized ? rows * Double(n) * Double(model.heads) : 0
    let estimate =
      (square + (rows + Double(model.dModel)) * widest) * Double(model.layers + 2) * 64
    try require(
      estimate < 0x1p62, "this point is too large to count in 64 bits; shorten n_c, n_g or batch")
  }
}
