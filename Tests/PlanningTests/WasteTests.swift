import Ledger
import Measurement
import Planning
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// From PyTorch's graph to the leanest of Ballast's: every step of the ladder, by name.
@Suite struct `What PyTorch's graph wastes` {
  private static func ladder(
    _ model: DecoderConfiguration, _ settings: [String: String],
    _ question: PlanRequest.Question
  ) throws -> WasteLadder {
    var request = PointRequest(model: NamedModel(custom: "m", configuration: model))
    request.settings["n_g"] = AxisValue(5)
    try request.settings.set("backend", "shape")
    for (axis, value) in settings { try request.settings.set(axis, value) }
    let plan = try Planner(engine: .cpu, threads: 2).plan(PlanRequest(request, question))
    return try #require(plan.ladder)
  }

  private static let llama = DecoderConfiguration(
    layers: 6, dModel: 32, heads: 4, kvHeads: 2, dHead: 8, dFF: 72, vocab: 97)

  private static func bytes(_ ladder: WasteLadder, _ name: String) -> Int? {
    ladder.rungs.flatMap(\.waste).first { $0.name.hasPrefix(name) }?.bytes
  }

  @Test func `llama in bfloat16, in closed forms`() throws {
    let (c, nC, batch) = (Self.llama, 19, 3)
    let rows = batch * (nC + 5)
    let ladder = try Self.ladder(
      c,
      [
        "recipe": "transformers-sdpa", "dtype": "bfloat16", "batch": String(batch),
        "mode": "full-graph", "recompute": "none",
      ], .cost(nC: nC, memory: nil))
    let norms = (2 * c.layers + 1) * rows * c.dModel * 2
    #expect(Self.bytes(ladder, "norms: float32 copies") == norms)
    #expect(Self.bytes(ladder, "norms op by op") == norms)
    #expect(Self.bytes(ladder, "activations op by op") == c.layers * rows * c.dFF * 2)
    #expect(Self.bytes(ladder, "q, k, v") == nil)
    #expect(Self.bytes(ladder, "masks") == nil)
    // cos and sin of every position once, token numbers, labels with one more, and their number.
    let constants = 2 * (nC + 5) * c.dHead * 2 + 8 * rows + 8 * rows + 4
    #expect(Self.bytes(ladder, "constants") == constants)
    // Logits in float32, the inputs of head and final norm, and that norm's statistic.
    #expect(
      Self.bytes(ladder, "head: rows") == batch * nC * (c.vocab * 4 + 2 * c.dModel * 2 + 4))
  }

  @Test func `a detached prefix: masks, and keys and values for every query head`() throws {
    let (c, nC) = (Self.llama, 40)
    let ladder = try Self.ladder(
      c, ["recipe": "transformers-sdpa", "mode": "detached-prefix"],
      .cost(nC: nC, memory: nil))
    let (rows, keys) = (5 + 1, nC + 5)
    #expect(Self.bytes(ladder, "masks") == c.layers * rows * keys * 4)
    #expect(
      Self.bytes(ladder, "q, k, v")
        == c.layers * 2 * keys * (c.heads - c.kvHeads) * c.dHead * 4)
    #expect(Self.bytes(ladder, "norms: float32") == nil)
    #expect(!ladder.rungs.contains { $0.name == "pruned-graph" })
  }

  @Test(arguments: randomCases(40))
  func `names add up, and every graph is counted`(index: Int) throws {
    var generator = SplitMix64(seed: UInt64(index))
    func draw<T>(_ values: T...) -> T { values.randomElement(using: &generator)! }
    var c = Self.llama
    c.layers = draw(1, 2, 5)
    c.family = draw(.llama, .mistral, .qwen2, .qwen3)
    let settings = [
      "recipe": draw("transformers-sdpa", "transformers-eager"),
      "dtype": draw("float32", "bfloat16"), "mode": "full-graph",
      "recompute": draw("none", "none", "layer"), "batch": String(draw(1, 2)),
      "trainable": draw("", "", "q_proj", "layers\\.0"),
    ]
    let memory = draw(1 << 22, 1 << 24)
    let ladder = try Self.ladder(c, settings, .longestPrefix(memories: [memory]))
    for (before, rung) in zip(ladder.rungs, ladder.rungs.dropFirst()) {
      #expect(
        before.retained - rung.retained == rung.waste.reduce(0) { $0 + $1.bytes },
        "\(settings) \(rung.name)")
      #expect(rung.longest ?? 0 >= before.longest ?? 0, "\(settings) \(rung.name)")
    }
    // The first and the last as points of their own.
    var request = PointRequest(model: NamedModel(custom: "m", configuration: c))
    request.settings["n_g"] = AxisValue(5)
    try request.settings.set("backend", "shape")
    request.settings["n_c"] = AxisValue(ladder.nC)
    for (axis, value) in settings { try request.settings.set(axis, value) }
    let predictor = Predictor(engine: .cpu)
    let whole = try predictor.predict(request.planned().point)
    #expect(ladder.rungs.first?.retained == whole.retained.total)
    #expect(ladder.rungs.first?.peak == whole.peakBytes)
    try request.settings.set("recipe", "ballast")
    try request.settings.set("attention", "fused")
    try request.settings.set("head", "loss-rows")
    try request.settings.set("mode", "pruned-graph")
    if request.point.recompute == .none { try request.settings.set("recompute", "elementwise") }
    let least = try predictor.predict(request.planned().point)
    #expect(ladder.rungs.last?.retained == least.retained.total)
  }

  @Test func `Ballast's own graph has no ladder`() throws {
    var request = PointRequest(model: NamedModel(custom: "m", configuration: Self.llama))
    request.settings["n_g"] = AxisValue(5)
    try request.settings.set("backend", "shape")
    let plan = try Planner(engine: .cpu, threads: 2)
      .plan(PlanRequest(request, .cost(nC: 4, memory: nil)))
    #expect(plan.ladder == nil)
  }
}
