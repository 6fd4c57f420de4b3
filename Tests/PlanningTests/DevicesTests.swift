import Ledger
import Measurement
import Planning
import Retention
import Tensors
import Testing
import Transformer

/// Activations of a GPT layer that several devices compute together: Korthikanti et al., arXiv
/// 2205.05198, table 2, for bfloat16 and dropout, LayerNorm statistics apart.
@Suite struct `Devices that share a layer` {
  private static let (s, b, h, a) = (256, 2, 512, 8)

  private static func layer(
    recompute: String, _ devices: Int, dividesSequence: Bool
  ) throws -> Int {
    func retained(_ layers: Int) throws -> Int {
      let model = DecoderConfiguration(
        layers: layers, dModel: h, heads: a, dFF: 4 * h, vocab: 64, tiedEmbeddings: true,
        family: .gpt2, normalization: .layer, positions: .learned(maximum: s), mlp: .gelu(.tanh),
        queryKeyValueBias: true, outputBias: true, mlpBias: true)
      var request = PointRequest(model: NamedModel(custom: "gpt", configuration: model))
      for (axis, word) in [
        ("mode", "full-graph"), ("recompute", recompute), ("attention", "materialized"),
        ("head", "loss-rows"), ("backend", "shape"), ("dtype", "bfloat16"),
        ("loss_rows", "generated"),
      ] { try request.settings.set(axis, word) }
      request.settings["dropout"] = AxisValue(0.1)
      request.settings["batch"] = AxisValue(b)
      request.settings["n_g"] = AxisValue(s - 128)
      var plan = PlanRequest(request, .cost(nC: 128, memory: nil))
      plan.account.tensorParallelism.devices = devices
      plan.account.tensorParallelism.dividesSequence = dividesSequence
      return try onlyRow(plan).figures.retained.total
    }
    return try retained(3) - retained(2)
  }

  @Test(arguments: [2, 4, 8])
  func `hold what the published table says`(t: Int) throws {
    let (s, b, h, a) = (Self.s, Self.b, Self.h, Self.a)
    let whole = s * b * h
    let attention = 5 * a * s * s * b
    // Means and deviations of two norms, in float32.
    let statistics = 16 * s * b
    for (recompute, core) in [("none", attention), ("attention", 0)] {
      #expect(
        try Self.layer(recompute: recompute, 1, dividesSequence: false)
          == 34 * whole + core + statistics)
      #expect(
        try Self.layer(recompute: recompute, t, dividesSequence: false)
          == 10 * whole + (24 * whole + core) / t + statistics)
      #expect(
        try Self.layer(recompute: recompute, t, dividesSequence: true)
          == (34 * whole + core + statistics) / t)
    }
    #expect(try Self.layer(recompute: "layer", t, dividesSequence: false) == 2 * whole)
    #expect(try Self.layer(recompute: "layer", t, dividesSequence: true) == 2 * whole / t)
  }
}
