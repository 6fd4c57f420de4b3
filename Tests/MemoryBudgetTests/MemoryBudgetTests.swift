import BallastTesting
import Foundation
import Testing

/// The file of a shipped profile.
private func profile(_ name: String) -> String {
  var root = URL(fileURLWithPath: #filePath)
  for _ in 0..<3 { root.deleteLastPathComponent() }
  return root.appendingPathComponent("profiles/\(name).yaml").path
}

@Suite struct MemoryBudgetTests {
  /// The seed's case: one layer, 4 conditional and 4 generated tokens.
  private static let seed = MemoryPoint(model: .named("seed"), prefix: 4, generated: 4).with {
    $0.lossRows = .generated
    $0.attention = .materialized
  }

  private static let layers = MemoryPoint(
    model: .sizes(layers: 4, dModel: 512, heads: 8, kvHeads: 2, dFF: 1408, vocab: 8192),
    prefix: 256, generated: 128)

  private static func detached(_ point: MemoryPoint) -> MemoryPoint {
    point.with { $0.mode = .detachedPrefix }
  }

  @Test(arguments: [
    "seed", "one-layer", "recompute", "modes", "depth", "keep-prefix", "replay", "guard",
    "guard-dropout",
  ])
  func `the budgets of a shipped profile hold on shapes, which cannot differ twice`(name: String) {
    expectBudgets(ofProfile: profile(name), backend: .shape)
  }

  @Test(arguments: ["seed", "guard"])
  func `budgets hold when points are computed, every time`(name: String) {
    for _ in 0..<3 { expectBudgets(ofProfile: profile(name)) }
  }

  @Test func `the seed's step keeps what its ledger says, and no less`() {
    // Rows of 64, 172 and 256 floats, 8 tokens, probabilities 4 × 8 × 8 (`ClosedFormTests`).
    let all = 8 * (8 * 64 + 3 * 172 + 4 * 8 + 2) * 4
    let rows = 4 * (2 * 64 + 256 + 2) * 4
    expectRetained(Self.seed, atMost: .bytes(all + rows), atLeast: .bytes(all + rows))
    expectRetained(Self.detached(Self.seed), atMost: .kibibytes(25), atLeast: .kibibytes(24))
  }

  @Test func `a detached prefix token keeps K and V and nothing else`() {
    let point = Self.detached(Self.layers).with { $0.backend = .shape }
    expectRetained(point, atMost: .kibibytes(4), atLeast: .kibibytes(4), perPrefixToken: true)
    let full = Self.layers.with { $0.backend = .shape }
    expectRatio(
      of: point.with { $0.prefix = 4096 }, to: full.with { $0.prefix = 4096 },
      atMost: 0.08, atLeast: 0.07)
    expectRatio(.peak, of: point, to: full, atMost: 1, atLeast: 0.1)
  }

  @Test func `a gradient error has both of its limits`() {
    expectGradientError(Self.detached(Self.seed), atMost: 0.32, atLeast: 0.29)
    expectGradientError(Self.seed.with { $0.mode = .replayedPrefix }, atMost: 1e-5)
  }

  @Test func `allocated and peak bytes are not below what is retained`() {
    expectAllocated(Self.seed, atMost: .kibibytes(48), atLeast: 40160)
    expectPeak(Self.seed, atMost: .kibibytes(48), atLeast: 40160)
  }
}

@Suite struct FailureTextTests {
  private static let seed = MemoryPoint(model: .named("seed"), prefix: 4, generated: 4).with {
    $0.lossRows = .generated
    $0.attention = .materialized
    $0.backend = .shape
  }

  /// The one issue that `body` records.
  private func issue(_ body: () -> Void) -> String {
    let texts = Texts()
    withKnownIssue {
      body()
    } matching: { issue in
      texts.all.append(issue.comments.map(\.rawValue).joined())
      return true
    }
    return texts.all.count == 1 ? texts.all[0] : "\(texts.all.count) issues"
  }

  private final class Texts: @unchecked Sendable { var all: [String] = [] }

  @Test func `a failure names the limit, the figure and the five largest tensors`() {
    let text = issue { expectRetained(Self.seed, atMost: .kibibytes(39)) }
    #expect(text.contains("retained of full-graph n_c=4 is 40160 B, the budget at most 39936 B"))
    let tensors = text.split(separator: "\n").dropFirst()
    #expect(tensors.count == 5)
    #expect(tensors.first?.contains("layers.0.swiglu:gate, 5504 B (1x8x172 float32)") == true)
  }

  @Test func `limits hold from both sides, and per prefix token`() {
    #expect(issue { expectRetained(Self.seed, atLeast: 40161) }.contains("at least 40161 B"))
    expectRetained(Self.seed, atMost: 40160, atLeast: 40160)
    let slope = issue { expectRetained(Self.seed, atMost: 1, perPrefixToken: true) }
    #expect(slope.contains("per_prefix_token of full-graph n_c=4"))
    #expect(issue { expectPeak(Self.seed, atMost: 1) }.contains("peak of full-graph"))
    #expect(issue { expectAllocated(Self.seed, atMost: 1) }.contains("allocated of full-graph"))
    let detached = Self.seed.with { $0.mode = .detachedPrefix }
    #expect(
      issue { expectRatio(of: detached, to: Self.seed, atMost: 0.15) }
        .contains("is 0.628, the budget at most 0.150"))
  }

  @Test func `any axis is set by its name, and a wrong name or value is an issue`() {
    var point = Self.seed
    point["mode"] = "detached-prefix"
    #expect(point.mode == .detachedPrefix && point == Self.seed.with { $0.mode = .detachedPrefix })
    #expect(point["head"] == "loss-rows" && point.chunk == 256 && point.dtype == nil)
    point["keep_prefix"] = "2"
    expectRetained(point, atMost: .kibibytes(40), atLeast: .kibibytes(25))
    for (axis, value, part) in [
      ("modes", "x", "unknown axis \"modes\"; did you mean \"mode\""),
      ("mode", "detached", "unknown mode \"detached\"; did you mean \"detached-prefix\""),
      ("mode", "full-graph", "keep_prefix goes with mode detached-prefix, not with full-graph"),
      ("batch", "two", "batch must be a whole number, not two"),
      ("keep_prefix", "5", "more than the prefix has"),
    ] {
      let text = issue { expectPeak(point.with { $0[axis] = value }, atMost: 1) }
      #expect(text.contains(part), "\(text)")
    }
  }

  @Test func `what cannot be measured is an issue, never a pass`() {
    #expect(issue { expectRetained(Self.seed) }.contains("neither atMost nor atLeast"))
    #expect(issue { expectGradientError(Self.seed, atMost: 1) }.contains("could not be had"))
    let unknown = MemoryPoint(model: .named("gpt-2"), prefix: 1, generated: 1)
    #expect(issue { expectPeak(unknown, atMost: 1) }.contains("did you mean \"gpt2\""))
    let none = MemoryPoint(model: .named("seed"), prefix: 1, generated: 0)
    #expect(issue { expectPeak(none, atMost: 1) }.contains("n_g"))
    #expect(issue { expectBudgets(ofProfile: "none.yaml") }.contains("there is no such file"))
  }
}
