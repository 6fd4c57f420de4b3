import Measurement
import Planning
import Retention
import Tensors
import TestSupport
import Transformer

/// A step of a random small model, with a value on every axis.
struct RandomStep {
  var generator: SplitMix64
  let request: PointRequest
  /// The step without a prefix.
  let point: Point

  init(_ index: Int, mostLayers: Int = 12) throws {
    var generator = SplitMix64(seed: UInt64(index) &* 7919 &+ 11)
    func draw<T>(_ values: T...) -> T {
      guard let value = values.randomElement(using: &generator) else { preconditionFailure() }
      return value
    }
    let kvHeads = draw(1, 2, 4)
    let isGPT2 = draw(false, false, true)
    let model = DecoderConfiguration(
      layers: Int.random(in: 1...mostLayers, using: &generator), dModel: draw(16, 24, 40),
      heads: isGPT2 ? kvHeads : kvHeads * draw(1, 2), kvHeads: kvHeads, dHead: 8,
      dFF: draw(24, 48), vocab: draw(11, 64), family: .llama,
      slidingWindow: draw(nil, nil, nil, 9))
    var request = PointRequest(model: NamedModel(custom: "random", configuration: model))
    func set(_ axis: String, _ words: String...) throws {
      try request.settings.set(axis, words.randomElement(using: &generator) ?? "")
    }
    try set("mode", "full-graph", "pruned-graph", "detached-prefix", "replayed-prefix")
    try set("recompute", "none", "elementwise", "attention", "layer")
    try set("attention", "materialized", "fused")
    try set("head", "loss-rows", "chunked")
    try set("dtype", "float32", "bfloat16")
    try set("loss_rows", "next-token", "generated")
    try set("optimizer", "none", "sgd", "adamw")
    try set("backend", "shape")
    request.settings["n_g"] = AxisValue(draw(2, 5, 30))
    request.settings["batch"] = AxisValue(draw(1, 1, 3))
    request.settings["chunk"] = AxisValue(draw(7, 32, 256))
    self.generator = generator
    self.request = request
    point = request.point
  }

  /// The point with a prefix of so many tokens.
  func point(nC: Int) -> Point {
    var point = point
    point.nC = nC
    return point
  }

  /// What a plan counts of a step of which every part is run: the sum of its parts.
  func need(nC: Int, _ account: MemoryAccount) throws -> Int {
    let point = point(nC: nC)
    let step = try Predictor(engine: .cpu).step(of: point)
    step.skips = .nothing
    let result = try step.run()
    let size = (account.gradientDType ?? point.dtype).size
    var bytes: [MemoryAccount.Part: Int] = [
      .parameters: result.parameterBytes, .gradients: result.trained.elements * size,
      .optimizer: result.optimizerBytes, .activations: result.peakBytes,
      .workspace: result.workspacePeakBytes,
    ]
    bytes = bytes.filter { account.parts.contains($0.key) }
    return bytes.values.reduce(0, +)
  }
}

/// The plan's only row.
func onlyRow(_ request: PlanRequest) throws -> PlanRow {
  let rows = try Planner(engine: .cpu, threads: 1).plan(request).rows
  guard rows.count == 1, let row = rows.first else { throw RowCount(rows: rows.count) }
  return row
}

/// A table that should be of one row.
private struct RowCount: Error { let rows: Int }
