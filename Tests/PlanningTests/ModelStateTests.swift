import Measurement
import Planning
import PyTorchSteps
import Reporting
import Retention
import Tensors
import Testing
import Transformer

/// Parameters, gradients and optimizer state, each in its own type, and what an optimizer's step
/// holds for a moment.
@Suite struct ModelStateTests {
  private static func row(
    _ settings: [String: String], model: DecoderConfiguration = small(tied: false),
    _ change: (inout MemoryAccount) -> Void = { _ in }
  ) throws -> (row: PlanRow, account: MemoryAccount) {
    var request = PointRequest(model: NamedModel(custom: "small", configuration: model))
    for (axis, word) in settings {
      try request.settings.set(axis, word)
    }
    try request.settings.set("backend", "shape")
    try request.settings.set("mode", "full-graph")
    try request.settings.set("recompute", "none")
    request.settings["n_g"] = AxisValue(9)
    var plan = PlanRequest(request, .cost(nC: 4, memory: nil))
    change(&plan.account)
    return (try onlyRow(plan), plan.account)
  }

  private static func small(tied: Bool) -> DecoderConfiguration {
    var model = DecoderConfiguration(
      layers: 2, dModel: 64, heads: 4, dFF: 96, vocab: 5000, family: .llama)
    model.tiedEmbeddings = tied
    return model
  }

  private static func bytes(
    _ part: MemoryAccount.Part, _ planned: (row: PlanRow, account: MemoryAccount)
  ) -> Int {
    planned.account.bytes(
      of: part, in: planned.row.figures, optimizer: planned.row.combination.point.optimizer)
  }

  /// PEFT casts adapters to float32 (`autocast_adapter_dtype`); Ballast's own keep the base's type.
  @Test(arguments: [("transformers-sdpa", 4), ("ballast", 2)])
  func `gradients and state of adapters are of the adapters' type`(
    recipe: String, size: Int
  ) throws {
    var settings = [
      "recipe": recipe, "dtype": "bfloat16", "optimizer": "adamw", "lora": "r=2,targets=q_proj",
    ]
    if recipe == "ballast" { settings["attention"] = "fused" }
    if recipe == "ballast" { settings["head"] = "all-rows" }
    let planned = try Self.row(settings)
    // A [2, 64] and B [64, 2] in two layers.
    let elements = 2 * (2 * 64 + 64 * 2)
    #expect(Self.bytes(.gradients, planned) == size * elements)
    #expect(Self.bytes(.optimizer, planned) == 2 * size * elements)
    settings["optimizer"] = "adamw-fp32"
    let wide = try Self.row(settings)
    #expect(Self.bytes(.optimizer, wide) == (size == 4 ? 8 : 12) * elements)
  }

  /// What torch 2.13 held beyond the gradients at the end of `loss.backward()` of this very model
  /// on a CPU: 2,059,908 bytes at the most, 779,904 of them gradients, where the head is the
  /// embedding; 1,421,060 and 1,419,904 where it is not.
  @Test func `tied embeddings end backward with two more of their gradients`() throws {
    let settings = ["recipe": "transformers-sdpa", "dtype": "bfloat16"]
    let tied = try Self.row(settings, model: Self.small(tied: true))
    let free = try Self.row(settings, model: Self.small(tied: false))
    let table = 5000 * 64 * 2
    #expect(Self.bytes(.gradients, tied) == 779_904)
    #expect(Self.bytes(.gradients, free) == 1_419_904)
    // The gradient that the embedding's comes from stands beside both, before their sum does; the
    // loss, and the gradient with which backward begins, all through.
    let hidden = (4 + 9) * 64 * 2
    #expect(tied.row.figures.peakBackwardBytes == 2 * table + hidden + 8)
    // In a GPU's blocks: all gradients, the two that make up one of them, the caller's tokens.
    let moment = try #require(tied.row.figures.pytorch?.peaks.step)
    #expect(moment.gradients >= 779_904 && moment.gradients < 779_904 + 512 * 20)
    #expect(moment.rest >= 2 * table && moment.rest < 2 * table + 512 * 8)
    // Untied, the highest moment lies elsewhere: the logits' gradient, in float32 and as it is.
    #expect(free.row.figures.peakBackwardBytes < 2 * table)
  }

  /// What torch 2.13's AdamW made and dropped in a step of these parameters, scalars aside.
  @Test(arguments: [
    (OptimizerStep.foreach, 779_904 as Int), (.forLoop, 2 * 5000 * 64 * 2), (.fused, 0),
  ])
  func `an optimizer's step holds denominators for a moment`(
    step: OptimizerStep, bytes: Int
  ) throws {
    let settings = ["recipe": "transformers-sdpa", "dtype": "bfloat16", "optimizer": "adamw"]
    let planned = try Self.row(settings, model: Self.small(tied: true)) { $0.optimizerStep = step }
    #expect(planned.account.moment(of: .adamw, planned.row.figures.trained) == bytes)
    // PyTorch's own step, in a GPU's blocks; or the sum where its optimizer takes another way.
    let figures = planned.row.figures
    let peaks = try #require(figures.pytorch?.peaks)
    let stepping = figures.parameterBytes + 3 * figures.trained.bytes() + bytes
    #expect(
      planned.account.total(of: figures, optimizer: .adamw)
        == Int128(max(peaks.step.total, step == .foreach ? peaks.optimizer.total : stepping)))
    #expect(peaks.optimizer.rest >= 779_904 && peaks.optimizer.rest < 779_904 + 512 * 20)
  }

  /// A loop over a pair of equal matrices holds three: the root and the denominator of one beside
  /// the denominator of the one before (torch 2.13: 30,730 bytes for bfloat16 8 × 640, six of them).
  @Test func `a loop holds three where neighbours are equal`() throws {
    let planned = try Self.row([
      "recipe": "transformers-sdpa", "dtype": "bfloat16", "optimizer": "adamw",
      "trainable": "mlp.(gate|up)_proj",
    ]) { $0.optimizerStep = .forLoop }
    #expect(
      planned.account.moment(of: .adamw, planned.row.figures.trained) == 3 * 64 * 96 * 2)
  }

  @Test func `the other AdamW's answer stands in a line`() throws {
    let model = Self.small(tied: false)
    var request = PointRequest(model: NamedModel(custom: "small", configuration: model))
    try request.settings.set("backend", "shape")
    try request.settings.set("dtype", "bfloat16")
    try request.settings.set("optimizer", "adamw")
    request.settings["n_g"] = AxisValue(8)
    let cost = try Planner(engine: .cpu, threads: 1).plan(
      PlanRequest(request, .cost(nC: 10, memory: nil)))
    #expect(cost.notes.contains { $0.hasPrefix("With --optimizer adamw-fp32 (two float32") })
    try request.settings.set("optimizer", "adamw-fp32")
    let length = try Planner(engine: .cpu, threads: 1).plan(
      PlanRequest(request, .longestPrefix(memories: [64 << 20])))
    let line = try #require(length.notes.first { $0.hasPrefix("With --optimizer adamw (two") })
    try request.settings.set("optimizer", "adamw")
    let other = try Planner(engine: .cpu, threads: 1).plan(
      PlanRequest(request, .longestPrefix(memories: [64 << 20])))
    let words = length.rows.first(where: \.isRecommended)?.combination.words
    let row = try #require(other.rows.first { $0.combination.words == words })
    #expect(line.contains(Units.grouped(try #require(row.nC))))
    // Float32 parameters need no copy: both are the same.
    try request.settings.set("dtype", "float32")
    let wide = try Planner(engine: .cpu, threads: 1).plan(
      PlanRequest(request, .cost(nC: 10, memory: nil)))
    #expect(wide.other == nil)
  }
}
