import TestSupport
import Testing

@Suite struct `Helpers of tests` {
  @Test func `SplitMix64 gives the published sequence`() {
    // The first outputs for seed 1234567 in Vigna's splitmix64.c.
    var generator = SplitMix64(seed: 1_234_567)
    #expect(generator.next() == 6_457_827_717_110_365_317)
    #expect(generator.next() == 3_203_168_211_198_807_973)
    #expect(generator.next() == 9_817_491_932_198_370_423)
  }

  @Test func `relative error is 0 for equal and for two zero vectors`() {
    #expect(relativeL2([3, 4], [3, 4]) == 0)
    #expect(relativeL2([0, 0], [0, 0]) == 0)
    #expect(relativeL2([3, 5], [3, 4]) == 0.2)
    #expect(relativeL2([1], [0]) == .infinity)
  }

  @Test func `cosine is 1 along, 0 across and -1 against`() {
    #expect(abs(cosine([1, 2], [2, 4]) - 1) < 1e-15)
    #expect(cosine([1, 0], [0, 1]) == 0)
    #expect(abs(cosine([1, 2], [-1, -2]) + 1) < 1e-15)
    #expect(cosine([0], [0]) == 1)
    #expect(cosine([0], [1]) == 0)
  }

  @Test func `normal draws have mean 0 and variance 1`() {
    var generator = SplitMix64(seed: 3)
    let draws = (0..<20_000).map { _ in standardNormal(using: &generator) }
    let mean = draws.reduce(0, +) / 20_000
    let variance = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000
    #expect(abs(mean) < 0.03)
    #expect(abs(variance - 1) < 0.05)
  }
}
