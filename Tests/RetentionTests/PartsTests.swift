import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// A6: in one layer with `generated` rows, `detached-prefix` gives the generated part of a gradient.
@Suite struct `Gradients in parts` {
  static let layers = Fixture.namesOfParts.filter { $0.hasSuffix("-layer") }

  @Test func `there is a layer of every family`() {
    for family in DecoderConfiguration.Family.allCases {
      #expect(Self.layers.contains { $0.hasPrefix("parts-\(family.rawValue)-") })
    }
  }

  @Test(arguments: Fixture.namesOfParts)
  func `prefix and generated part are the gradient`(name: String) throws {
    let fixture = try Fixture(name)
    let prefix = try fixture.gradients("prefix")
    let generated = try fixture.gradients("generated")
    let expected = prefix.merging(generated) { zip($0, $1).map { $0 + $1 } }
    for mode in [Mode.fullGraph, .prunedGraph, .replayedPrefix()] {
      let run = try fixture.run(fixture.point(mode))
      #expect(abs(run.loss / (fixture.numbers.loss ?? .nan) - 1) <= 1e-5)
      try expectEqual(run, expected, "\(mode.name.rawValue)")
    }
  }

  @Test(arguments: layers, AttentionMemory.allCases)
  func `a detached prefix leaves the generated part`(
    name: String, attention: AttentionMemory
  ) throws {
    let fixture = try Fixture(name)
    var point = fixture.point(.detachedPrefix())
    point.attention = attention
    #expect(point.model.layers == 1 && point.lossRows == .generated && point.cut == point.nC)
    try expectEqual(fixture.run(point), fixture.gradients("generated"), "\(attention)")
  }

  private func expectEqual(
    _ run: Fixture.Outcome, _ expected: [String: [Double]], _ label: String
  ) throws {
    #expect(!expected.isEmpty)
    #expect(Set(run.gradients.keys) == Set(expected.keys), "\(label)")
    for (parameter, gradient) in expected {
      let error = relativeL2(run.gradients[parameter] ?? [], gradient)
      #expect(error <= 2e-5, "\(label) \(parameter) \(error)")
    }
  }
}
