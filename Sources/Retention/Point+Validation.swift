import Spelling
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
    try validateLengths()
    try validateRecipe()
    try validateSize()
  }

  private func require(_ condition: Bool, _ sentence: @autoclosure () -> String)
    throws(PointError)
  {
    if !condition { throw PointError(sentence()) }
  }

  private func validateModel() throws(PointError) {
    for size in PointAxis.sizes where size.name != "d_head" { try requireRange(of: size) }
    try require(
      model.dHead > 0 || model.dModel % model.heads == 0,
      "d_model \(model.dModel) is not divisible by heads \(model.heads); "
        + "change one of them or give d_head")
    try requireRange(of: .named("d_head"))
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

  /// Checks a value against what its axis can be.
  private func requireRange(of axis: PointAxis) throws(PointError) {
    switch (axis.kind, axis.value(self)) {
    case (.integer, .integer(let value)):
      guard let range = axis.range, !range.contains(value) else { return }
      throw PointError(
        "\(axis.name) must be \(range.lowerBound) to \(range.upperBound), not \(value)")
    case (.words(let words), .word(let word)) where !words.contains(word):
      throw PointError("\(axis.name) must be \(axis.kind.expected), not \(word)")
    default: return
    }
  }

  private func validateSequence() throws(PointError) {
    for axis in PointAxis.all where axis.section != .model { try requireRange(of: axis) }
    if backend == .cpu {
      try requireParts(of: cut, times: model.layers, "passes through a layer")
    }
    try requireParts(of: head == .chunked ? lossPositions.count : 0, "parts of the loss rows")
    if case .learned(let maximum) = model.positions {
      try require(
        n <= maximum,
        "n_c + n_g is \(n), but the model has learned positions for \(maximum) tokens only")
    }
    try require(
      !lossPositions.isEmpty,
      "no row carries loss: with n_c 0 and next-token rows, n_g must be at least 2")
  }

  /// Checks that rows do not fall into too many chunks.
  private func requireParts(
    of rows: Int, times factor: Int = 1, _ what: String
  ) throws(PointError) {
    let parts = (rows + chunk - 1) / chunk * factor
    let most = 1 << 18
    try require(
      parts <= most,
      "chunk \(chunk) makes \(parts) \(what), more than \(most); use a larger chunk")
  }

  private func validateAxes() throws(PointError) {
    try require(
      dropout >= 0 && dropout < 1, "dropout must be 0 or more and less than 1, not \(dropout)")
    try require(
      dropout == 0 || model.family == .gpt2,
      "dropout goes with gpt2 models, not with \(model.family.rawValue)")
    let ofConfiguration = model.dtype == .float16 ? ", the configuration's own," : ""
    try require(
      dtype != .float16 || backend != .cpu,
      "dtype float16\(ofConfiguration) is counted and not computed; use --dtype bfloat16 to "
        + "compute, or --backend shape to count")
    _ = try trainablePattern()
    try validateAdapter()
    if sharing == .prefix {
      try require(
        recipe == .ballast, "sharing prefix goes with recipe ballast, not \(recipe.rawValue)")
      try require(
        head != .allRows,
        "sharing prefix makes logits for loss rows alone; use head loss-rows or chunked")
      try require(dropout == 0, "sharing prefix goes with dropout 0, not \(dropout)")
    }
    try require(
      mode != .prunedGraph || head != .allRows || recipe != .ballast,
      "pruned-graph makes logits for loss rows alone; use head loss-rows or chunked")
  }

  private func validateAdapter() throws(PointError) {
    try require(
      adapter.isEmpty || lora.isEmpty,
      "adapter and lora both give an adapter; leave one of them out")
    do throws(ValueError) {
      if !lora.isEmpty { _ = try AdapterConfiguration(words: lora) }
      try model.adapter?.requireTargets(in: model)
    } catch {
      throw PointError(error.description)
    }
    if backend == .cpu, let name = model.adapter?.baseReplacement {
      let way =
        name == "loftq"
        ? "kept beside the base that loftq made, with init_lora_weights true"
        : "that save_pretrained wrote with path_initial_model_for_weight_conversion"
      throw PointError(
        "the adapter's init_lora_weights \(quoted(name)) makes PEFT replace the base's weights as "
          + "it loads, which is not computed; use backend shape, whose bytes hold, or an adapter "
          + way
      )
    }
  }

  /// Checks what Hugging Face's code does not do, or does in one way alone.
  private func validateRecipe() throws(PointError) {
    guard let memory = recipe.attentionMemory else { return }
    let name = recipe.rawValue
    try require(
      backend == .shape, "recipe \(name) is counted and not run; use backend shape")
    // First what no combination of a plan chooses, so that its sentence names what was asked for.
    try require(
      lossRows == .nextToken,
      "recipe \(name) goes with loss rows next-token, not \(lossRows.rawValue)")
    try require(
      chunk == Point.standard.chunk,
      "recipe \(name) runs the prefix at once; leave chunk \(chunk) out")
    try require(dropout == 0, "recipe \(name) goes with dropout 0, not \(dropout)")
    try require(
      mode.name == .fullGraph || mode.name == .detachedPrefix,
      "recipe \(name) goes with mode full-graph or detached-prefix, not \(mode.name.rawValue)")
    try require(
      recompute == .none || recompute == .layer,
      "recipe \(name) goes with recompute none or layer, not \(recompute.rawValue)")
    try require(
      recompute == .none || mode.name == .fullGraph,
      "recipe \(name) with recompute layer goes with mode full-graph: transformers drops the "
        + "prefix's cache when it checkpoints layers")
    try require(
      attention == memory,
      "recipe \(name) goes with attention \(memory.rawValue), not \(attention.rawValue)")
    try require(
      head == .allRows, "recipe \(name) goes with head all-rows, not \(head.rawValue)")
  }

  /// Keeps every byte count within 64 bits; work is counted in 128.
  private func validateSize() throws(PointError) {
    guard sizeEstimate >= 0x1p62 else { return }
    let least = Self.spacious.reduce(self) { $0.lessened($1) }
    let axis = PointAxis.named(largestAxis)
    let what =
      least.sizeEstimate < 0x1p62 ? "\(axis.name) \(axis.value(self).text)" : "the model"
    throw PointError("\(what) is too large to count this point's bytes in 64 bits")
  }

  /// More than the bytes of any part of the step.
  private var sizeEstimate: Double {
    let rows = Double(batch) * Double(suffixes) * Double(n + 1)
    let widest = Double(
      [model.dModel, model.queryWidth, model.keyWidth, model.dFF, model.vocab].max() ?? 1)
    let square = attention == .materialized ? rows * Double(n) * Double(model.heads) : 0
    return (square + (rows + Double(model.dModel)) * widest) * Double(model.layers + 2) * 64
  }

  private static let spacious = ["n_c", "n_g", "batch"]

  /// The axis of which less would make the step smallest: `n_c`, `n_g` or `batch`.
  package var largestAxis: String {
    let sizes = Self.spacious.map { ($0, lessened($0).sizeEstimate) }
    return sizes.min { $0.1 < $1.1 }?.0 ?? "n_c"
  }

  /// The point with the least value of an axis.
  private func lessened(_ name: String) -> Point {
    let axis = PointAxis.named(name)
    var point = self
    axis.write(&point, .integer(axis.range?.lowerBound ?? 0))
    return point
  }
}
