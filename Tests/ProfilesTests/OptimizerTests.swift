import Measurement
import Profiles
import Reporting
import Retention
import Testing

@Suite struct OptimizerTests {
  private func records(_ lines: String, limit: Int? = nil) throws -> [PointRecord] {
    let text =
      "model: seed\nn_c: 4\nn_g: 4\nbackend: shape\n"
      + "optimizer: [none, sgd, adamw, adamw-fp32]\n"
    let profile = try Profile(text: text + lines, file: "p.yaml")
    let runner = PointRunner(engine: .cpu, limit: limit, points: profile.points)
    return profile.points.map { runner.run($0, profile: "p").record }
  }

  /// What `torch.optim.AdamW` keeps, and what Megatron's and DeepSpeed's do.
  @Test func `adamw has two moments of every trained element, adamw-fp32 a copy of narrow ones`()
    throws
  {
    let wide = try records("")
    let elements = try #require(wide.first?.parameterBytes) / 4
    #expect(wide.map(\.optimizerBytes) == [0, 0, 8 * elements, 8 * elements])
    #expect(
      try records("dtype: bfloat16").map(\.optimizerBytes)
        == [0, 0, 4 * elements, 12 * elements])
    // Gradients are float32, and only trained elements have some.
    let frozen = try records("trainable: q_proj")
    let trained = try #require(frozen.first?.gradientBytes) / 4
    #expect(trained < elements && frozen.map(\.optimizerBytes) == [0, 0, 8 * trained, 8 * trained])
  }

  @Test func `an optimizer changes no other figure, and counts against the limit`() throws {
    let all = try records("")
    let plain = try #require(all.first)
    #expect(all.allSatisfy { $0.retained == plain.retained && $0.peakBytes == plain.peakBytes })
    let needed = [
      plain.parameterBytes, plain.gradientBytes, plain.peakBytes, all.last?.optimizerBytes,
    ].compactMap(\.self).reduce(1 << 20, +)
    #expect(try records("", limit: needed).map(\.status) == [.ok, .ok, .ok, .ok])
    let state = try #require(all.last?.optimizerBytes)
    let tight = try records("", limit: needed - (1 << 20) - state / 2)
    #expect(tight.last?.status == .overLimit)
    #expect(tight.last?.error?.contains("of optimizer state, ") == true)
  }

  @Test func `points that differ in their optimizer share the exact reference`() throws {
    let references = Set(try records("mode: detached-prefix").map(\.point.exactReference))
    #expect(references.count == 1)
  }
}
