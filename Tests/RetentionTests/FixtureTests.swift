import Retention
import Tensors
import TestSupport
import Testing
import Transformer

@Suite struct `Agreement with PyTorch` {
  @Test func `there are fixtures of every family`() {
    for family in DecoderConfiguration.Family.allCases {
      #expect(Fixture.names.filter { $0.hasPrefix(family.rawValue + "-") }.count >= 2)
    }
  }

  @Test(
    arguments: Fixture.names,
    [
      (Mode.fullGraph, AttentionMemory.materialized), (.fullGraph, .fused),
      (.detachedPrefix(), .materialized), (.detachedPrefix(), .fused),
      (.prunedGraph, .materialized), (.prunedGraph, .fused),
      (.replayedPrefix(), .materialized), (.replayedPrefix(), .fused),
    ])
  func `float32 losses and gradients are PyTorch's`(
    name: String, axes: (mode: Mode, attention: AttentionMemory)
  ) throws {
    let fixture = try Fixture(name)
    var point = fixture.point(axes.mode)
    point.attention = axes.attention
    point.threads = 2
    if axes.mode.name == .detachedPrefix { #expect(point.cut == fixture.numbers.cut) }
    let ours = try fixture.run(point)
    let theirMode = axes.mode.isExact ? Mode.fullGraph : axes.mode
    let loss = try #require(fixture.numbers.modes?[theirMode.name.rawValue]?.loss)
    #expect(abs(ours.loss - loss) <= 1e-5 * loss)
    let theirs = try fixture.gradients(theirMode.name.rawValue)
    #expect(Set(ours.gradients.keys) == Set(theirs.keys))
    for (parameter, expected) in theirs {
      let error = relativeL2(ours.gradients[parameter] ?? [], expected)
      #expect(error <= 2e-5, "\(parameter) \(error)")
    }
  }

  /// Within twice of what PyTorch's own bfloat16 differs from its float32: the loss and every
  /// parameter's gradient, as root mean squares over many batches.
  ///
  /// PyTorch's two attentions are two roundings of the same formulas, so both measure the same spread.
  /// GPT-2's key bias, whose gradient is zero by the formulas, is a part of `c_attn.bias`: its rounding
  /// counts, relative to the gradient of the whole parameter. No parameter here has no gradient at
  /// all; the script refuses such a case.
  @Test(arguments: Fixture.names, [Mode.fullGraph, .detachedPrefix()])
  func `bfloat16 is as near to float32 as PyTorch's own`(name: String, mode: Mode) throws {
    let fixture = try Fixture(name)
    let draws = try fixture.draws()
    let theirs = try fixture.rounding(mode)
    let exact = try fixture.run(fixture.point(mode), over: draws)
    for attention in AttentionMemory.allCases {
      var point = fixture.point(mode, dtype: .bfloat16)
      point.attention = attention
      let ours = differences(try fixture.run(point, over: draws), from: exact)
      #expect(Set(ours.keys) == Set(theirs.keys))
      for (number, difference) in ours {
        let bound = 2 * (theirs[number] ?? 0)
        #expect(difference <= bound, "\(attention) \(number)")
      }
    }
  }

  /// The root mean square over runs of the relative differences of `loss` and of every gradient.
  private func differences(
    _ runs: [Fixture.Outcome], from exact: [Fixture.Outcome]
  ) -> [String: Double] {
    let pairs = Array(zip(runs, exact))
    let loss = ["loss": rootMeanSquare(pairs.map { $0.loss / $1.loss - 1 })]
    return exact[0].gradients.keys.reduce(into: loss) { all, name in
      all[name] = rootMeanSquare(
        pairs.map { relativeL2($0.gradients[name] ?? [], $1.gradients[name] ?? []) })
    }
  }
}
