import Foundation
import Measurement
import Profiles
import Reporting
import Retention
import TestSupport
import Testing

private let fixtures = Repository.fixtures

/// Steps that are computed with stored weights and tokens.
@Suite(.serialized) struct StoredStepTests {
  private func records(_ text: String) throws -> [PointRecord] {
    let profile = try Profile(text: text, file: "\(fixtures)/p.yaml")
    let runner = PointRunner(
      engine: .cpu, limit: nil, points: profile.points, tokens: profile.tokens)
    return profile.points.map { runner.run($0, profile: "p").record }
  }

  @Test func `the reference of a biased gradient has the same weights and tokens`() throws {
    let given = "n_c: 13\nn_g: 5\nbatch: 2\nmodel: llama-gqa\nmode: detached-prefix\n"
    let stored = try records(given + "tokens: llama-gqa/tokens.json")[0]
    // What PyTorch found, in case.json.
    let error = try #require(stored.gradientRelativeError)
    #expect(abs(error - 0.6202) < 1e-4, "\(stored.error ?? "")")
    let beside = try records(
      given.replacing("mode: d", with: "mode: [full-graph, d").replacing(
        "prefix\n", with: "prefix]\n")
        + "tokens: llama-gqa/tokens.json")
    #expect(beside[1].gradientRelativeError == error)
    let drawn = try records(given)[0]
    #expect(drawn.gradientRelativeError != error)
  }

  @Test func `two checkpoints of one shape are two references`() throws {
    let records = try records(
      "n_c: 5\nn_g: 3\nmodel: [llama-gqa, llama-gqa/config.json]\n"
        + "mode: [full-graph, detached-prefix]\n")
    #expect(records.allSatisfy { $0.status == .ok })
    #expect(records[0].loss != records[2].loss)
    #expect(records[1].gradientRelativeError != records[3].gradientRelativeError)
  }

  @Test func `frozen parameters, bfloat16 and dropout are measured as predicted`() throws {
    let records =
      try records(
        "n_c: [1, 9]\nn_g: 4\nmodel: [gpt2-untied, qwen3-head-dim, mistral-window]\n"
          + "mode: [full-graph, detached-prefix]\ndtype: [float32, bfloat16]\n"
          + "trainable: [., attn]\nattention: [materialized, fused]\n")
      + records("n_c: [1, 9]\nn_g: 4\nmodel: gpt2-untied\ndropout: 0.3\ntrainable: [., mlp]\n")
    for record in records {
      #expect(record.status == .ok, "\(record.error ?? "")")
      #expect(record.gradientRelativeError != nil)
    }
    let laws = SeriesLaws(of: records, engine: .cpu)
    #expect(laws.disagreements.isEmpty, "\(laws.disagreements)")
  }

  @Test func `a pattern that is in no name is a failed point`() throws {
    let record = try records("n_c: 4\nn_g: 4\nmodel: llama-gqa\ntrainable: zzz")[0]
    #expect(record.status == .failed)
    #expect(
      record.error == "trainable \"zzz\" is found in no parameter's name, such as "
        + "model.layers.0.input_layernorm.weight")
  }
}
