import CPUBackend
import Ledger
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// Completions of different length behind one prompt, as every batch of GRPO has them.
///
/// `AccountingTests` holds A1–A7 and double precision over random ones; here they are held against
/// the steps that must be the same.
@Suite struct `Completions of different length behind one prompt` {
  /// A random point of any family whose completions share their prefix.
  private func group(_ index: Int) -> Point {
    var point = randomFamilyPoint(index + 30_000)
    (point.dtype, point.dropout, point.batch) = (.float32, 0, 1)
    if point.head == .allRows { point.head = .lossRows }
    if index % 3 == 0, point.trainable == nil { point.lora = lora(of: point.model, index) }
    point.mode = Mode.allCases[index % 4]
    if case .detachedPrefix = point.mode {
      point.mode = .detachedPrefix(keep: min(index % 3, point.nC))
    }
    point.sharing = .prefix
    point.suffixesAtATime = [0, 0, 1, 2][index / 4 % 4]
    return point
  }

  private func lora(of model: DecoderConfiguration, _ index: Int) -> LoRA? {
    let targets = model.family == .gpt2 ? "c_attn+c_fc" : "q_proj+v_proj+down_proj"
    return written("r=2,alpha=4,targets=\(index % 2 == 0 ? targets : "all-linear")")
  }

  private func lengths(_ nG: [Int], of point: Point) -> Lengths {
    Lengths(nG.map { (point.nC, $0) })
  }

  /// Loss and gradients of a step with parameters of some consequence.
  private func run(_ point: Point) throws -> (StepResult, [String: [Float]]) {
    let backend = try CPUBackend(threads: point.threads)
    let step = try TrainingStep(point, on: backend.backend)
    drawParameters(of: step, backend, seed: point.seed)
    let result = try step.run()
    #expect(try backend.allocatedBytes(of: .activation) == 0, "A4 \(point)")
    return (result, step.gradients())
  }

  /// What they share is computed once: loss and gradients stay those of sequences of their own.
  @Test(arguments: randomCases(100))
  func `have the loss and the gradients of separate sequences`(index: Int) throws {
    var point = group(index)
    let least = point.nC == 0 && point.lossRows == .nextToken ? 2 : 1
    point.lengths = lengths([12, 1, 5, 1, 8].dropLast(index % 3).map { max($0, least) }, of: point)
    try expectSeparate(point, count: 5 - index % 3)
  }

  /// Behind a layer whose window is a token, no prefix row is needed before the next layer that
  /// sees further.
  @Test(arguments: Mode.allCases, 0..<8)
  func `need no prefix where windows are a token`(mode: Mode, layers: Int) throws {
    let model = DecoderConfiguration(
      layers: 3, dModel: 16, heads: 2, kvHeads: 1, dHead: 8, dFF: 24, vocab: 11, family: .qwen2,
      slidingWindow: 1, slidingLayers: .listed((0..<3).map { layers >> $0 & 1 == 1 }))
    var point = Point(modelName: "windows", model: model, nC: 5, nG: 3)
    (point.mode, point.sharing, point.lossRows) = (mode, .prefix, .generated)
    point.lengths = written("5+3,5+1")
    try expectSeparate(point, count: 2)
    point.lengths = nil
    (point.batch, point.suffixes, point.nG) = (1, 2, 3)
    #expect(try runOnShapes(point).retained == run(point).0.retained)
  }

  /// Holds a step against that of as many separate sequences.
  private func expectSeparate(_ shared: Point, count: Int) throws {
    var point = shared
    let (shared, gradients) = try run(point)
    point.sharing = .none
    #expect((point.batch, point.suffixes) == (count, 1))
    let (separate, expected) = try run(point)
    let loss = try #require(separate.loss)
    #expect(abs((shared.loss ?? .nan) - loss) <= 2e-6 * max(abs(loss), 1), "\(point)")
    #expect(gradients.keys == expected.keys, "\(point)")
    func all(_ gradients: [String: [Float]]) -> [Double] {
      gradients.sorted { $0.key < $1.key }.flatMap { $0.value.map(Double.init) }
    }
    let error = relativeL2(all(gradients), all(expected))
    if error <= 1e-5 { return }
    // Of a badly conditioned step no two exact ways are closer than its own rounding.
    var whole = point
    whole.mode = .fullGraph
    let rounding = relativeL2(all(try run(whole).1), all(expected))
    #expect(point.mode.isExact && error <= 2 * rounding, "\(error) \(rounding) \(point)")
  }

  /// Where none differs, it is the step that `suffixes` describes: every tensor, every bit.
  @Test(arguments: randomCases(48))
  func `of one length are the completions that suffixes gives`(index: Int) throws {
    var point = group(index)
    point.suffixes = 3
    let (whole, gradients) = try run(point)
    point.lengths = lengths([point.nG, point.nG, point.nG], of: point)
    let (each, same) = try run(point)
    #expect(each.saved.map(\.description) == whole.saved.map(\.description), "\(point)")
    #expect(each.saved.map(\.savers) == whole.saved.map(\.savers), "\(point)")
    #expect(
      (each.peakForwardBytes, each.peakBackwardBytes, each.matmulFlops)
        == (whole.peakForwardBytes, whole.peakBackwardBytes, whole.matmulFlops), "\(point)")
    #expect(each.loss == whole.loss && same == gradients, "\(point)")
  }

  /// The order in which they run says nothing about what is kept in the end.
  @Test(arguments: 0..<24)
  func `keep the same in any order`(index: Int) throws {
    var point = group(index)
    point.suffixesAtATime = 0
    point.lengths = lengths([2, 9, 4], of: point)
    let one = try runOnShapes(point).retained
    point.lengths = lengths([9, 4, 2], of: point)
    #expect(try runOnShapes(point).retained == one, "\(point)")
  }

  /// One at a time, the last one's graph is alive, and the prompt.
  @Test(arguments: Mode.allCases)
  func `one at a time keep the prompt and the last one`(mode: Mode) throws {
    var point = group(4)
    (point.mode, point.nC, point.suffixesAtATime) = (mode, 7, 1)
    point.lengths = written("7+12,7+3,7+5")
    let several = try runOnShapes(point).retained
    point.lengths = written("7+5")
    #expect(try runOnShapes(point).retained == several)
  }

  @Test(
    arguments: [
      ("9+4,8+4", "n_c 9 and 8", Packing.packed),
      ("9+4,9+4", "layout padded goes with sharing none", .padded),
      ("0+4,0+1", "no row carries loss", .packed),
    ])
  func `that cannot be are refused`(lengths: String, part: String, packing: Packing) {
    var point = group(0)
    (point.mode, point.lossRows, point.packing) = (.fullGraph, .nextToken, packing)
    point.lengths = written(lengths)
    let error = #expect(throws: PointError.self) { try point.validate() }
    #expect(error.map { "\($0)".contains(part) } ?? false, "\(String(describing: error))")
  }

  @Test func `say themselves how many there are`() {
    var point = group(0)
    point.lengths = written("7+12,7+3,7+5")
    #expect((point.batch, point.suffixes, point.nC, point.nG) == (1, 3, 7, 12))
    point.suffixes = 2
    #expect(throws: PointError.self) { try point.validate() }
  }
}
