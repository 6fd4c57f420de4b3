import Foundation
import Ledger
import Measurement
import Profiles
import Reporting
import Retention
import Safetensors
import Sweep
import TestSupport
import Testing
import Transformer

private let fixtures = Repository.fixtures

/// How far every parameter's gradient is from the exact one, and which that is.
@Suite(.serialized) struct GradientErrorTests {
  private func outcomes(
    _ text: String, limit: Int? = nil, file: String = "p.yaml"
  ) throws -> [PointOutcome] {
    let profile = try Profile(text: text, file: file)
    let runner = PointRunner(
      engine: .cpu, limit: limit, points: profile.points, tokens: profile.tokens)
    return profile.points.map { runner.run($0, profile: "p") }
  }

  private struct Case: Decodable {
    let n_c: Int
    let n_g: Int
    let batch: Int
    let loss_rows: String
    let keep_prefix: Int
  }

  private func gradients(_ name: String, _ mode: ModeName) throws -> [String: [Double]] {
    let file = try SafetensorsFile("\(fixtures)/\(name)/\(mode.rawValue).safetensors")
    return try Dictionary(
      uniqueKeysWithValues: file.names.map { ($0, try file.floats($0).map(Double.init)) })
  }

  @Test(arguments: [
    "llama-gqa", "llama-31-rope", "gpt2-untied", "gpt2-gelu-new", "qwen2-tied", "qwen3-head-dim",
    "mistral-window",
  ])
  func `errors are those between PyTorch's gradients`(name: String) throws {
    let numbers = try JSONDecoder().decode(
      Case.self, from: Data(contentsOf: URL(filePath: "\(fixtures)/\(name)/case.json")))
    let outcome = try outcomes(
      """
      model: \(name)
      tokens: \(name)/tokens.json
      n_c: \(numbers.n_c)
      n_g: \(numbers.n_g)
      batch: \(numbers.batch)
      loss_rows: \(numbers.loss_rows)
      mode: detached-prefix
      keep_prefix: \(min(numbers.keep_prefix, numbers.n_c))
      """, file: "\(fixtures)/p.yaml")[0]
    #expect(outcome.record.status == .ok, "\(outcome.record.error ?? "")")
    let (full, detached) = (try gradients(name, .fullGraph), try gradients(name, .detachedPrefix))
    #expect(Set(outcome.gradients.map(\.parameter)) == Set(full.keys))
    for gradient in outcome.gradients {
      let (theirs, exact) = (detached[gradient.parameter] ?? [], full[gradient.parameter] ?? [])
      let error = relativeL2(theirs, exact)
      #expect(gradient.reference == .fullGraph)
      // Gradients are PyTorch's to 2e-5, which is all there is where both are the same.
      #expect(
        abs((gradient.relativeError ?? -1) - error) <= 1e-4 * error + 1e-5, "\(gradient) \(error)")
      let product = zip(theirs, exact).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs((gradient.cosine ?? 9) - product / (norm(theirs) * norm(exact))) <= 1e-5)
      #expect(abs((gradient.norm ?? 0) - norm(theirs)) <= 1e-4 * norm(theirs))
      #expect(abs((gradient.referenceNorm ?? 0) - norm(exact)) <= 1e-4 * norm(exact))
    }
  }

  @Test func `exact modes are off by rounding in every parameter`() throws {
    let outcomes = try outcomes(
      "model: seed\nlayers: 2\nn_c: 40\nn_g: 9\nhead: chunked\nchunk: 4\n"
        + "mode: [full-graph, pruned-graph, replayed-prefix]")
    for outcome in outcomes {
      #expect(outcome.gradients.count == 21 && outcome.record.gradientReference == .fullGraph)
      for gradient in outcome.gradients {
        #expect((gradient.relativeError ?? 1) < 1e-5, "\(gradient)")
        #expect((gradient.cosine ?? 0) > 0.999_999 && (gradient.norm ?? 0) > 0, "\(gradient)")
      }
    }
    #expect(outcomes[0].gradients.allSatisfy { $0.relativeError == 0 && $0.cosine == 1 })
  }

  // MARK: Memory

  private static let long = "model: seed\nlayers: 2\nn_g: 5\nn_c: 400\nattention: materialized\n"

  /// What a point takes, and `copies` of its gradients.
  private func needs(_ record: PointRecord, copies: Int) throws -> Int {
    let gradients = try #require(record.gradientBytes)
    return try #require(record.parameterBytes) + #require(record.peakBytes)
      + #require(record.workspacePeakBytes) + (1 + copies) * gradients
  }

  @Test func `where full-graph does not fit, replayed-prefix is the reference`() throws {
    let modes = ["full-graph", "replayed-prefix", "detached-prefix", "pruned-graph"]
    let roomy = try outcomes(Self.long + "chunk: 64\nmode: [\(modes.joined(separator: ", "))]")
    let full = try needs(roomy[0].record, copies: 2)
    let limit = try needs(roomy[3].record, copies: 2) + 1000
    #expect(limit < full)
    let tight = try outcomes(
      Self.long + "chunk: 64\nmode: [\(modes.joined(separator: ", "))]", limit: limit)
    for (point, exact) in zip(tight[2...], roomy[2...]) {
      #expect(point.record.status == .ok, "\(point.record.error ?? "")")
      #expect(point.record.gradientReference == .replayedPrefix)
      #expect(point.gradients.allSatisfy { $0.reference == .replayedPrefix })
      let error = try #require(point.record.gradientRelativeError)
      #expect(abs(error - (exact.record.gradientRelativeError ?? 0)) < 1e-6)
    }
    // Nothing is compared with itself.
    let replayed = tight[1]
    #expect(replayed.record.status == .ok && replayed.record.gradientReference == nil)
    #expect(replayed.record.gradientRelativeError == nil && replayed.record.gradientCosine == nil)
    for (gradient, known) in zip(replayed.gradients, roomy[1].gradients) {
      #expect(gradient.norm == known.norm && gradient.relativeError == nil)
      #expect(gradient.referenceNorm == nil && gradient.reference == nil)
    }
  }

  @Test func `where no exact gradient fits, the figures stay empty`() throws {
    let roomy = try outcomes(Self.long + "mode: detached-prefix")[0]
    let limit = try needs(roomy.record, copies: 2)
    let tight = try outcomes(Self.long + "mode: detached-prefix", limit: limit)[0]
    #expect(tight.record.status == .ok, "\(tight.record.error ?? "")")
    #expect(tight.record.gradientRelativeError == nil && tight.record.gradientReference == nil)
    #expect(tight.gradients.map(\.norm) == roomy.gradients.map(\.norm))
    #expect(tight.gradients.allSatisfy { $0.relativeError == nil && $0.reference == nil })
  }

  @Test func `a sweep writes a row a parameter`() throws {
    let folder = NSTemporaryDirectory() + "ballast-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let profile = try Profile(
      text: "model: seed\nn_c: 4\nn_g: 4\nmode: [full-graph, detached-prefix]\n"
        + "backend: [cpu, shape]", file: "p.yaml")
    let summary = try SweepRun(
      profile: profile,
      store: ResultsStore(directory: folder, of: profile, memory: nil, opening: .refuse),
      engine: .cpu, limit: MemoryLimit(given: nil)
    ).run()
    #expect(summary.count(of: .ok) == 4)
    let text = try String(contentsOfFile: folder + "/gradients.csv", encoding: .utf8)
    let lines = text.split(separator: "\n")
    #expect(lines.count == 1 + 2 * 12)
    #expect(text.hasPrefix(CSV.header(of: GradientRecord.self)))
    #expect(lines[1].contains(",model.embed_tokens.weight,E,,0.0,1.0,"))
    #expect(lines.filter { $0.contains(",W_Q,0,") }.count == 2)
  }

  // MARK: Numbers

  @Test func `differences neither overflow nor vanish`() throws {
    func difference(_ g: [Float], _ r: [Float]) throws -> GradientDifference {
      try GradientDifference(of: g, from: r, parameter: "w")
    }
    let most = Float.greatestFiniteMagnitude
    let large = try difference([most, most], [most, -most])
    #expect(large.relativeError == 2.0.squareRoot() && large.cosine == 0)
    let least = Float.leastNonzeroMagnitude
    let small = try difference([least, 3 * least], [least, least])
    #expect(small.relativeError == 2.0.squareRoot())
    #expect(abs((small.cosine ?? 0) - 4 / 20.0.squareRoot()) < 1e-15)
    let none = try difference([0, 0], [])
    #expect(none.relativeError == 0 && none.cosine == nil && none.referenceNorm == 0)
    let alone = try difference([3, 4], [0, 0])
    #expect(alone.relativeError == nil && alone.cosine == nil && alone.norm == 5)
    let lost = try difference([], [3, 4])
    #expect(lost.relativeError == 1 && lost.cosine == nil && lost.norm == 0)
    let broken = try difference([.nan, 1], [.infinity, 1])
    #expect(broken.relativeError == nil && broken.cosine == nil && broken.norm == nil)
    let whole = GradientDifference(over: [lost, try difference([0], [12])])
    #expect(whole.relativeError == 1 && whole.referenceNorm == 13)
    #expect(throws: MeasurementError.self) { try difference([1], [1, 2]) }
  }
}
