import Foundation
import Tensors
import TestSupport
import Testing
import Transformer

@Suite struct `Rotary frequencies` {
  private typealias Scaling = DecoderConfiguration.RotaryScaling

  private static let llama31 = Scaling.llama3(
    factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
  private static let llama32 = Scaling.llama3(
    factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
  private static let odd = Scaling.llama3(
    factor: 3.7, lowFrequencyFactor: 1.3, highFrequencyFactor: 5.1, originalContext: 777)

  @Test func `are PyTorch's to the last bit or its neighbour`() {
    let cases: [(Double, Int, Scaling, [UInt32])] = [
      (10_000, 128, .none, RotaryOracle.plain),
      (1_000_000, 128, .none, RotaryOracle.large),
      (500_000, 128, Self.llama31, RotaryOracle.llama31),
      (500_000, 64, Self.llama32, RotaryOracle.llama32),
      (12_345.678, 46, Self.odd, RotaryOracle.odd),
    ]
    for (theta, dHead, scaling, oracle) in cases {
      let configuration = DecoderConfiguration(
        dModel: dHead, heads: 1, dFF: 1, vocab: 1,
        positions: .rotary(theta: theta, scaling: scaling))
      let frequencies = configuration.headRotation(ofLength: 5)?.frequencies ?? []
      #expect(frequencies.count == oracle.count)
      for (ours, theirs) in zip(frequencies, oracle) {
        // PyTorch's vectorized pow is within one unit in the last place, not correctly rounded;
        // the steps of the scaling can pass that on.
        let distance = abs(Int(ours.bitPattern) - Int(theirs))
        #expect(distance <= 2, "\(theta) \(ours) \(Float(bitPattern: theirs))")
      }
      let equal = zip(frequencies, oracle).filter { $0.bitPattern == $1 }.count
      #expect(Double(equal) >= 0.75 * Double(oracle.count), "\(equal) of \(oracle.count)")
    }
  }

  @Test func `are none where positions are learned`() {
    let configuration = DecoderConfiguration(
      dModel: 8, heads: 2, dFF: 8, vocab: 5, positions: .learned(maximum: 4))
    #expect(configuration.headRotation(ofLength: 4) == nil)
  }

  /// `rotary.json`, which `scripts/fixtures` makes with transformers' own code.
  private struct Numbers: Decodable {
    struct Case: Decodable {
      /// The text of a `config.json`.
      let config: String
      let length: Int
      /// Bit patterns.
      let frequencies: [UInt32]
      let attention_factor: Double
    }
    let cases: [Case]
  }

  @Test func `are transformers' for every scaling, within the context and beyond it`() throws {
    let data = try Data(contentsOf: URL(filePath: "\(Repository.path)/Tests/Fixtures/rotary.json"))
    let cases = try JSONDecoder().decode(Numbers.self, from: data).cases
    #expect(cases.count >= 30)
    var distances: [Int] = []
    for wanted in cases {
      let rotation = try #require(
        try configuration(wanted.config).headRotation(ofLength: wanted.length))
      #expect(rotation.frequencies.count == wanted.frequencies.count)
      #expect(rotation.factor == Float(wanted.attention_factor), "\(wanted.config)")
      let apart = zip(rotation.frequencies, wanted.frequencies).map {
        abs(Int($0.bitPattern) - Int($1))
      }
      #expect(apart.allSatisfy { $0 <= 3 }, "\(wanted.config) \(wanted.length) \(apart)")
      distances += apart
    }
    // Most are the very same numbers.
    #expect(distances.count { $0 == 0 } >= distances.count * 3 / 4)
  }
}
