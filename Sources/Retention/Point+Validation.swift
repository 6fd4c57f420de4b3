import Tensors
import Transformer
import Values

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

  private func require(_ condition: Bool, _ error: @autoclosure () -> PointError)
    throws(PointError)
  {
    if !condition { throw error() }
  }

  private func validateModel() throws(PointError) {
    for size in PointAxis.sizes where size.name != "d_head" { try requireRange(of: size) }
    try require(
      model.dHead > 0 || model.dModel % model.heads == 0,
      .sizes(.indivisible("d_model", model.dModel, by: "heads", model.heads)))
    try requireRange(of: .named("d_head"))
    if case .rotary = model.positions {
      try require(
        model.dHead % 2 == 0,
        Self.beyond(.odd(for: "rotary positions"), "d_head", model.dHead.written))
    }
    try require(
      model.heads % model.kvHeads == 0,
      .sizes(.indivisible("heads", model.heads, by: "kv_heads", model.kvHeads)))
    try require(
      model.normEpsilon > 0 && model.normEpsilon < 1,
      Self.beyond(.noFraction, "norm_epsilon", model.normEpsilon.description))
    try require(
      model.ropeTheta >= 1 && model.ropeTheta.isFinite,
      Self.beyond(.lessThanOne, "rope_theta", model.ropeTheta.written))
  }

  private static func beyond(_ fault: BoundFault, _ name: String, _ value: String) -> PointError {
    .value(ValueError(name, WrittenText(value), fault))
  }

  /// Checks a value against what its axis can be.
  private func requireRange(of axis: PointAxis) throws(PointError) {
    let value = axis.value(self)
    if let range = axis.range, let number = value.base as? Int, !range.contains(number) {
      throw Self.beyond(.outside(range), axis.name, value.text)
    }
    if case .words(let words) = axis.kind, !words.contains(value.text) {
      throw Self.beyond(.noChoice(among: words), axis.name, value.text)
    }
  }

  private func validateSequence() throws(PointError) {
    for axis in PointAxis.all where axis.section != .model { try requireRange(of: axis) }
    if backend == .cpu {
      try requireParts(of: cut, times: model.layers, .passes)
    }
    try requireParts(of: head == .chunked ? lossPositions.count : 0, .lossRows)
    if case .learned(let maximum) = model.positions {
      try require(n <= maximum, .sizes(.positions(maximum, wanted: n)))
    }
    try require(!lossPositions.isEmpty, .tokens(.noLossRow))
  }

  /// Checks that rows do not fall into too many chunks.
  private func requireParts(
    of rows: Int, times factor: Int = 1, _ what: PointError.Tokens.Parts
  ) throws(PointError) {
    let parts = (rows + chunk - 1) / chunk * factor
    let most = 1 << 18
    try require(parts <= most, .tokens(.parts(parts, of: what, chunk: chunk, most: most)))
  }

  private func validateAxes() throws(PointError) {
    try require(
      dropout >= 0 && dropout < 1, Self.beyond(.noProbability, "dropout", dropout.written))
    try require(dropout == 0 || model.family == .gpt2, .step(.dropout(of: model.family)))
    try require(
      dtype != .float16 || backend != .cpu,
      .step(.countedType(dtype, isConfigurations: model.dtype == dtype)))
    try validateAdapter()
    if sharing == .prefix {
      try require(
        recipe == .ballast, conflict("sharing", sharing, "recipe", recipe, [Recipe.ballast]))
      try require(head != .allRows, .step(.lossRowsAlone("sharing", sharing.rawValue)))
      try require(dropout == 0, conflict("sharing", sharing, "dropout", dropout, [0.0]))
    }
    try require(
      mode != .prunedGraph || head != .allRows || recipe != .ballast,
      .step(.lossRowsAlone("mode", mode.name.rawValue)))
  }

  /// A value of an axis that does not go with the one that another axis has.
  func conflict<Value: WrittenValue>(
    _ axis: String, _ value: (any WrittenValue)?, _ other: String, _ found: Value,
    _ wanted: [Value]
  ) -> PointError {
    func text(_ value: Value) -> String {
      // A probability of 0 is no fraction to people.
      value as? Double == 0 ? "0" : value.written
    }
    return .goesWith(axis, value, other, wanted.map(text), not: text(found))
  }

  private func validateAdapter() throws(PointError) {
    try require(adapter.isEmpty || lora == nil, .step(.twoAdapters))
    do throws(AdapterError) { try model.adapter?.requireTargets(in: model) } catch {
      throw .step(.adapter(error))
    }
    if backend == .cpu, let name = model.adapter?.baseReplacement {
      throw .step(.replacedBase(initialization: name))
    }
  }

  /// Checks what Hugging Face's code does not do, or does in one way alone.
  private func validateRecipe() throws(PointError) {
    guard let memory = recipe.attentionMemory else { return }
    func require<Value: WrittenValue>(
      _ axis: String, _ found: Value, _ wanted: Value...
    ) throws(PointError) {
      if !wanted.contains(found) { throw conflict("recipe", recipe, axis, found, wanted) }
    }
    try self.require(backend == .shape, .step(.countedRecipe(recipe)))
    // First what no combination of a plan chooses, so that its sentence names what was asked for.
    try require("loss_rows", lossRows, .nextToken)
    try self.require(
      chunk == Point.standard.chunk, .step(.recipeInChunks(recipe, chunk: chunk)))
    try require("dropout", dropout, 0)
    try require("mode", mode.name, .fullGraph, .detachedPrefix)
    try require("recompute", recompute, .none, .layer)
    try self.require(
      recompute == .none || mode.name == .fullGraph, .step(.recipeRecomputing(recipe)))
    try require("attention", attention, memory)
  }

  /// Keeps every byte count within 64 bits; work is counted in 128.
  private func validateSize() throws(PointError) {
    guard sizeEstimate >= 0x1p62 else { return }
    let least = Self.spacious.reduce(self) { $0.lessened($1) }
    let axis = PointAxis.named(largestAxis)
    let isModel = least.sizeEstimate >= 0x1p62
    throw .sizes(
      .beyond64Bits(axis: isModel ? nil : axis.name, value: axis.value(self).text))
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
    axis.write(&point, AxisValue(axis.range?.lowerBound ?? 0))
    return point
  }
}
