import Autograd
import Ledger
import Retention
import TestSupport
import Testing
import Transformer
import Values

/// Dropout before an adapter's A: counted, so that every way to run a step drops the same.
@Suite struct `Dropout of adapters` {
  private func with(_ point: Point, _ change: (inout Point) -> Void) -> Point {
    var other = point
    change(&other)
    return other
  }

  /// A random point with dropout: in its own form, as completions of one prefix, with lengths.
  private func dropped(_ index: Int) -> Point {
    var point = adapted(randomPoint(index + 23_000), index)
    if index % 3 == 1 { point = grouped(point, index) }
    if index % 3 == 2 { point = lengthened(point, index) }
    point.lora?.dropout = [0.05, 0.3, 0.6][index % 3]
    return point
  }

  @Test(arguments: randomCases(90))
  func `every mode, sharing and recomputation gives the same loss and gradients`(
    index: Int
  ) throws {
    let point = dropped(index)
    let parameters = drawParameters(for: point.model, seed: point.seed)
    let plain = with(point) {
      ($0.mode, $0.recompute, $0.sharing, $0.suffixesAtATime) = (.fullGraph, .none, .none, 0)
    }
    let reference = try check(plain, parameters)
    let loss = try #require(reference.result.loss)
    var others = [Mode.fullGraph, .prunedGraph, .replayedPrefix(), .detachedPrefix()].map { mode in
      with(point) {
        $0.mode = mode
        if mode == .prunedGraph, $0.head == .allRows { $0.head = .lossRows }
      }
    }
    others.append(with(plain) { $0.recompute = Recompute.allCases[index % 4] })
    if point.lengths != nil { others.append(with(plain) { $0.packing = .padded }) }
    for other in others {
      let run = try check(other, parameters)
      #expect(abs((run.result.loss ?? .nan) - loss) <= 2e-6 * max(loss, 1), "A5 \(other)")
      guard other.mode.isExact else { continue }
      // A parameter that no loss row can reach gets no gradient, or zeros.
      var (expected, ours): ([Double], [Double]) = ([], [])
      for (name, gradient) in reference.gradients.sorted(by: { $0.key < $1.key }) {
        expected += gradient
        ours += run.gradients[name] ?? Array(repeating: 0, count: gradient.count)
      }
      #expect(relativeL2(ours, expected) <= 1e-5, "A5 \(other)")
    }
    // It is not left out.
    let without = with(plain) { $0.model.adapter?.dropout = 0 }
    #expect(try runOnCPU(without, parameters: parameters).result.loss != loss, "\(plain)")
  }

  /// A1 to A4 of one run.
  private func check(_ point: Point, _ parameters: [String: [Double]]) throws -> Run {
    let label = Comment(rawValue: "\(point)")
    let run = try runOnCPU(point, parameters: parameters)
    let result = run.result
    #expect(
      result.retained.total == result.saved.reduce(0) { $0 + $1.description.requestedBytes },
      "A1 \(label)")
    #expect(run.allocatedAtBoundary == run.ledgerAllocatedAtBoundary, "A2 \(label)")
    #expect(run.unsavedAtBoundary.allSatisfy(point.waits), "A2 \(label)")
    #expect(run.unsavedAtBoundary.contains { $0.role == .loss }, "A2 \(label)")
    #expect(run.allocatedAfter == 0, "A4 \(label)")
    let counted = try runOnShapes(point)
    #expect(counted.saved.map(\.description) == result.saved.map(\.description), "A3 \(label)")
    #expect(counted.saved.map(\.savers) == result.saved.map(\.savers), "A3 \(label)")
    #expect(counted.peakForwardBytes == result.peakForwardBytes, "A3 \(label)")
    #expect(counted.peakBackwardBytes == result.peakBackwardBytes, "A3 \(label)")
    return run
  }

  /// What is saved of the last of two layers, by op and name, with its bytes.
  private func saved(_ lora: String, _ recompute: Recompute = .none) throws -> [String: Int] {
    var point = Point(
      modelName: "m",
      model: DecoderConfiguration(layers: 2, dModel: 16, heads: 2, dFF: 24, vocab: 11), nC: 5, nG: 3
    )
    (point.lora, point.recompute) = (written(lora), recompute)
    let all = try runOnShapes(point).saved.filter { $0.savers[0].scope.layer == 1 }
    return Dictionary(
      all.map {
        ("\($0.savers[0].scope.name):\($0.savers[0].tensor)", $0.description.requestedBytes)
      }, uniquingKeysWith: +)
  }

  private func sum(_ bytes: [String: Int]) -> Int { bytes.values.reduce(0, +) }

  @Test func `a mask of a byte and the dropped input are kept for each linear map`() throws {
    let lora = "r=2,alpha=4,targets=q_proj+v_proj"
    let (without, with) = try (saved(lora), saved(lora + ",dropout=0.1"))
    // Eight rows of 16 numbers.
    for map in ["q_proj", "v_proj"] {
      #expect(with["\(map).lora_dropout:mask"] == 128)
      #expect(with["\(map).lora_A:input"] == 512)
    }
    // Without dropout both maps keep one input.
    #expect(without["q_proj.lora_A:input"] == 512 && without["v_proj.lora_A:input"] == nil)
    #expect(sum(with) == sum(without) + 512 + 2 * 128)
    // Made again from what the norm reads, the dropped inputs go, the masks stay.
    let (less, again) = try (
      saved(lora, .elementwise), saved(lora + ",dropout=0.1", .elementwise)
    )
    #expect(sum(again) == sum(less) + 2 * 128, "\(again)")
  }

  @Test(arguments: [
    ("r=2,targets=q_proj,dropout=1", "from 0 to below 1, not \"1\""),
    ("r=2,targets=q_proj,dropout=-0.1", "from 0 to below 1"),
    ("r=2,targets=q_proj,dropout=nan", "from 0 to below 1"),
    ("r=2,targets=q_proj,dropout=", "from 0 to below 1"),
    ("r=2,targets=q_proj,dropout=5%", "from 0 to below 1"),
    ("r=2,targets=q_proj,dropout=0.1,dropout=0.1", "gives dropout twice"),
  ])
  func `what is no probability is refused`(_ words: String, _ part: String) {
    let error = #expect(throws: (any Error).self) { try LoRA(words, for: "lora") }
    #expect("\(error.map { "\($0)" } ?? "")".contains(part))
  }
}
