import Ledger
import Measurement
import Planning
import Reporting
import Retention
import Testing
import TestSupport

@Suite struct `Laws of a plan` {
  /// Every law against a count that skips nothing, at lengths that were not used to find it.
  @Test(arguments: randomCases(60))
  func `give the bytes of every length in their range`(index: Int) throws {
    var step = try RandomStep(index + 3000, mostLayers: 7)
    let planner = Planner(engine: .cpu, threads: 1)
    let plan = try planner.plan(PlanRequest(step.request, .cost(nC: 300, memory: nil)))
    let laws = try #require(try planner.laws(of: plan, listsAll: true).first)
    // A count that skips nothing takes as long as the prefix.
    let drawn = (0..<(runsAll ? 12 : 8)).map { _ in
      Int.random(in: 1...(runsAll ? 2500 : 1000), using: &step.generator)
    }
    for nC in drawn + [laws.retained.law.lowest, laws.retained.law.lowest + 1] where nC > 0 {
      let point = step.point(nC: nC)
      let run = try Predictor(engine: .cpu).step(of: point)
      run.skips = .nothing
      let counted = try run.run()
      if nC >= laws.retained.law.lowest {
        #expect(laws.retained.law.bytes(at: nC) == counted.retained.total, "\(point)")
        let parts = laws.parts.compactMap { $0.law.bytes(at: nC) }
        #expect(parts.reduce(0, +) == counted.retained.total, "\(point)")
      }
      let peaks = laws.peak.filter { law in
        law.law.lowest <= nC && nC <= law.highest ?? Int.max
          && (nC - law.law.lowest) % law.step == 0
      }
      for law in peaks {
        #expect(law.law.bytes(at: nC) == counted.peakBytes, "n_c \(nC) of \(point)")
      }
    }
    #expect(!laws.peak.isEmpty, "\(step.point)")
    for law in laws.peak {
      #expect(law.pointsMatching == law.pointsChecked && law.pointsChecked >= 4, "\(step.point)")
    }
  }

  /// What a Llama layer keeps, written down by hand.
  @Test func `are the formulas of a layer`() throws {
    var request = PointRequest(model: try ModelSource.resolve("llama-3.1-8b"))
    for (axis, word) in [
      ("mode", "full-graph"), ("recompute", "none"), ("attention", "fused"), ("head", "loss-rows"),
      ("backend", "shape"),
    ] { try request.settings.set(axis, word) }
    request.settings["n_g"] = AxisValue(512)
    let planner = Planner(engine: .cpu, threads: 1)
    let plan = try planner.plan(PlanRequest(request, .cost(nC: 300, memory: nil)))
    let laws = try #require(try planner.laws(of: plan, listsAll: true).first)
    let (layers, width, inner, kv, heads) = (32, 4096, 14336, 1024, 32)
    let linear = Dictionary(uniqueKeysWithValues: laws.parts.map { ($0.part, $0.law.linear) })
    // Both norms' inputs in bfloat16, and their float32 statistics.
    #expect(linear["norms"] == layers * 2 * (2 * width + 4))
    // Input of the projections, q, output; log-sum-exp in float32.
    #expect(linear["attention"] == layers * (3 * 2 * width + 4 * heads))
    #expect(linear["K/V"] == layers * 2 * 2 * kv)
    // Input of gate and up, gate, up, their product.
    #expect(linear["mlp"] == layers * 2 * (width + 3 * inner))
    #expect(linear["head"] == 0)
    #expect(laws.retained.law.quadratic == 0)
  }

  /// What a Llama layer keeps in PyTorch with transformers' code, written down by hand from the table
  /// in `PyTorchOps.swift`, and what one of several devices holds of it.
  @Test(arguments: [(1, false), (8, false), (16, false), (4, true)])
  func `are the formulas of a layer in transformers`(devices: Int, dividesTokens: Bool) throws {
    var request = PointRequest(model: try ModelSource.resolve("llama-3.1-8b"))
    for (axis, word) in [
      ("recipe", "transformers-sdpa"), ("mode", "full-graph"), ("recompute", "none"),
      ("backend", "shape"),
    ] { try request.settings.set(axis, word) }
    request.settings["n_g"] = AxisValue(512)
    let planner = Planner(engine: .cpu, threads: 1)
    var question = PlanRequest(request, .cost(nC: 300, memory: nil))
    question.account.tensorParallelism.devices = devices
    question.account.tensorParallelism.dividesSequence = dividesTokens
    let plan = try planner.plan(question)
    let laws = try #require(try planner.laws(of: plan, listsAll: true).first)
    let (layers, width, inner, kv, heads, dHead) = (32, 4096, 14336, 1024, 32, 128)
    let (tokens, ofKeys) = (dividesTokens ? devices : 1, min(devices, 8))
    let linear = Dictionary(uniqueKeysWithValues: laws.parts.map { ($0.part, $0.law.linear) })
    // The input as a float32 copy, its statistic, and the result in bfloat16 before the weight.
    let norm = (4 * width + 4 + 2 * width) / tokens
    #expect(linear["norms"] == layers * 2 * norm)
    // Input of the projections, q, output, log-sum-exp; cosines and sines for all layers.
    #expect(
      linear["attention"] == layers * (2 * width / tokens + (2 * 2 * width + 4 * heads) / devices)
        + 2 * 2 * dHead)
    #expect(linear["K/V"] == layers * 2 * 2 * kv / ofKeys)
    // Input of gate and up, gate, its activation, up, their product.
    #expect(linear["mlp"] == layers * (2 * width / tokens + 2 * 4 * inner / devices))
    // The final norm, the head's input, logarithmic probabilities in float32 and labels of all rows.
    #expect(linear["head"] == norm + 2 * width / tokens + 4 * 128_256 / devices + 8)
    #expect(linear["embedding"] == 8)
    #expect(laws.retained.law.quadratic == 0)
  }
}
