import Ledger
import Retention
import TestSupport
import Testing
import Transformer

/// Retained bytes of completions that share a prefix: the prompt once, and each completion.
@Suite struct GroupLawTests {
  /// The law is made at a few lengths and one and two completions; these are others.
  @Test(arguments: randomCases(40))
  func `the law in n_c, n_g and completions holds where it was not made`(index: Int) throws {
    var point = grouped(randomPoint(index + 17_000), index)
    point.suffixesAtATime = 0
    if index % 3 == 0 { point = adapted(point, index) }
    point.mode = Mode.allCases[index % Mode.allCases.count]
    // From where one polynomial holds; the test below has the points before that.
    (point.nC, point.nG) = (max(point.nC, point.lawStart + 1), max(point.nG, 2))
    let law = try GroupLaw(of: point) { try runOnShapes($0).retained.total }
    var generator = SplitMix64(seed: UInt64(index))
    for _ in 0..<4 {
      point.nC = point.lawStart + Int.random(in: 0...40, using: &generator)
      point.nG = Int.random(in: 2...20, using: &generator)
      point.suffixes = Int.random(in: 1...6, using: &generator)
      let counted = try runOnShapes(point).retained.total
      #expect(
        law.bytes(nC: point.nC, nG: point.nG, suffixes: point.suffixes) == counted, "\(point)")
    }
  }

  /// The law is that of completions of one length, whatever lengths the point has.
  @Test(arguments: randomCases(60))
  func `the law holds where completions differ in length`(index: Int) throws {
    var point = grouped(randomPoint(index + 18_000), index)
    // Lengths are of one prompt.
    (point.suffixesAtATime, point.batch) = (0, 1)
    if index % 3 == 0 { point = adapted(point, index) }
    point.mode = Mode.allCases[index % Mode.allCases.count]
    (point.nC, point.nG) = (max(point.nC, point.lawStart + 1), max(point.nG, 2))
    var generator = SplitMix64(seed: UInt64(index) &+ 99)
    func draw() -> Point {
      let nC = point.lawStart + Int.random(in: 0...30, using: &generator)
      let least = point.lossRows == .nextToken && nC == 0 ? 2 : 1
      var other = point
      other.lengths =
        Lengths(
          (0..<Int.random(in: 2...6, using: &generator)).map { _ in
            (nC, Int.random(in: least...15, using: &generator))
          })
      return other
    }
    let law = try GroupLaw(of: draw()) { try runOnShapes($0).retained.total }
    let alike = try GroupLaw(of: point) { try runOnShapes($0).retained.total }
    #expect(law == alike, "\(point)")
    for other in [draw(), draw(), draw()] {
      #expect(try law.bytes(of: other) == runOnShapes(other).retained.total, "\(other)")
    }
  }

  /// Under a window that is shorter than the sequence what is kept is no such sum, or only further on.
  @Test(arguments: randomCases(120))
  func `a law is one that gives the point's own bytes, or there is none`(index: Int) throws {
    var point = grouped(randomPoint(index + 23_000), index)
    point.suffixesAtATime = 0
    if index % 2 == 0 { point.mode = .prunedGraph }
    if point.model.family != .gpt2 { point.model.slidingWindow = [2, 3, 5, 9, 17][index % 5] }
    guard (try? point.validate()) != nil,
      let law = try? GroupLaw(of: point, bytes: { try runOnShapes($0).retained.total })
    else { return }
    let counted = try runOnShapes(point).retained.total
    let (prompt, each) = (
      law.prompt.bytes(at: point.nC), law.completionBytes(nC: point.nC, nG: point.nG)
    )
    #expect((prompt ?? 0) + point.suffixes * (each ?? 0) == counted, "\(point)")
  }

  @Test func `a prompt token and a completion's token cost what the formulas say`() throws {
    let model = DecoderConfiguration(layers: 2, dModel: 16, heads: 2, dFF: 24, vocab: 32)
    var point = Point(modelName: "m", model: model, nC: 9, nG: 4)
    (point.suffixes, point.sharing, point.lossRows) = (3, .prefix, .generated)
    point.mode = .replayedPrefix()
    let law = try GroupLaw(of: point) { try runOnShapes($0).retained.total }
    // K and V of the prompt: 2 layers · 2 · 16 numbers of 4 bytes.
    #expect(law.prompt == ScalingLaw(constant: 0, linear: 256, quadratic: 0))
    // Of a completion's token in a layer: input, its norm, q, k, v, output, sum and its norm of 16
    // each, gate, up and activation, 2 log-sum-exps, 2 statistics; and behind the layers the copied
    // last sum, its statistic and norm, logits and their log-sum-exp.
    let layer = 8 * 16 + 3 * 24 + 2 + 2
    let end = 16 + 1 + 16 + 32 + 1
    #expect((law.constant, law.prefix, law.product, law.square) == (0, 0, 0, 0))
    #expect(law.generated == 4 * (2 * layer + end))
  }
}
