import Tensors
import Autograd
import CPUBackend
import Foundation
import Retention
import Safetensors
import TestSupport
import Testing
import Transformer

@Suite struct `Agreement of a flow with PyTorch` {
  @Test func `there are parts of every family`() {
    for family in DecoderConfiguration.Family.allCases {
      #expect(Fixture.namesOfParts.contains { $0.hasPrefix("parts-\(family.rawValue)-") })
    }
  }

  @Test(arguments: Fixture.namesOfParts, [Mode.fullGraph, .prunedGraph, .replayedPrefix()])
  func `prefix, boundary and generated parts are PyTorch's`(name: String, mode: Mode) throws {
    let fixture = try Fixture(name)
    for attention in AttentionMemory.allCases {
      var point = fixture.point(mode)
      point.attention = attention
      let backend = try CPUBackend(threads: 2)
      let step = try TrainingStep(point, of: fixture.model(on: backend))
      step.tokens = fixture.tokens
      let split = try parts(of: step, backend, rows: point.flowRows)
      var regions = ["prefix": 0..<point.nC, "generated": point.nC..<point.n]
      if point.lossRows == .nextToken { regions["boundary"] = point.nC - 1..<point.nC }
      for (region, rows) in regions {
        let sum = zip(point.flowRows, split).filter { rows.contains($0.0.lowerBound) }
          .reduce(into: [Use: [Double]]()) { sum, part in
            sum.merge(part.1) { zip($0, $1).map(+) }
          }
        try expectEqual(
          assembled(sum, like: step.decoder), fixture.gradients(region),
          // Row 0 sees one key: what W_Q and W_K get from it is zero, but fused attention takes it as
          // the difference of two sums that rounding keeps apart.
          isExact: point.nC > 1 || attention == .materialized, "\(region) \(attention)")
      }
    }
  }

  private func expectEqual(
    _ ours: [String: [Double]], _ theirs: [String: [Double]], isExact: Bool, _ label: String
  ) throws {
    #expect(Set(ours.keys) == Set(theirs.keys), "\(label)")
    let rounding = 0x1p-22 * norm(theirs.values.flatMap(\.self))
    for (parameter, expected) in theirs {
      let difference = norm(zip(ours[parameter] ?? [], expected).map(-))
      #expect(
        difference <= max(2e-5 * norm(expected), rounding),
        "\(label) \(parameter) \(difference / norm(expected))")
      if isExact, norm(expected) == 0 {
        #expect(norm(ours[parameter] ?? []) == 0, "\(label) \(parameter)")
      }
    }
  }
}
