import Retention
import Testing

@Suite struct ScalingLawTests {
  @Test(arguments: [
    (0, 0, 0), (7, 0, 0), (22_912, 4248, 16), (-5, 3, -2), (1 << 40, 1 << 30, 1 << 20),
  ])
  func `the coefficients of a polynomial come back exactly`(c0: Int, c1: Int, c2: Int) throws {
    for lowest in [0, 1, 17] {
      let law = try ScalingLaw(from: lowest, checkedAt: [lowest, 1000]) {
        c0 + c1 * $0 + c2 * $0 * $0
      }
      #expect(law == ScalingLaw(constant: c0, linear: c1, quadratic: c2, lowest: lowest))
      #expect(law.bytesPerToken(at: 9) == c1 + 17 * c2)
    }
  }

  @Test func `a half-integer coefficient is refused`() {
    #expect(throws: ScalingLawError.halfInteger(nC: 1)) {
      try ScalingLaw(from: 0) { $0 * ($0 + 1) / 2 }
    }
  }

  @Test func `a cubic is refused`() {
    #expect(throws: ScalingLawError.notQuadratic(nC: 4, counted: 64, expected: 58)) {
      try ScalingLaw(from: 0) { $0 * $0 * $0 }
    }
  }

  @Test func `a length of another regime is found by a check`() {
    #expect(throws: ScalingLawError.notQuadratic(nC: 100, counted: 0, expected: 300)) {
      try ScalingLaw(from: 0, checkedAt: [100]) { $0 == 100 ? 0 : 3 * $0 }
    }
  }

  @Test func `a law reads as a formula`() {
    #expect(ScalingLaw(constant: 5, linear: 0, quadratic: 2).description == "5 + 2·n_c²")
    #expect(ScalingLaw(constant: -5, linear: -3, quadratic: 0).description == "−5 − 3·n_c")
    #expect(ScalingLaw(constant: 0, linear: 0, quadratic: 0).description == "0")
  }
}
