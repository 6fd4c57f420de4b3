import Tensors
import Measurement
import Budgets
import Ledger
import Profiles
import Reporting
import Retention
import TestSupport
import Testing

/// Figures of a point, as a test sets them.
private struct Figures {
  var retained = 0
  var allocated = 0
  var peak = 0
  var slope: Int? = 0
  var error: Double? = 0

  func bytes(_ figure: BudgetFigure) -> Int? {
    switch figure {
    case .retained: retained
    case .allocated: allocated
    case .peak: peak
    case .perPrefixToken: slope
    default: nil
    }
  }

  /// The point as if it had been measured so.
  func measured(_ point: Point, saved: [TensorBytes] = []) -> MeasuredPoint {
    MeasuredPoint(record: record(of: point), saved: saved, bytesPerToken: slope)
  }

  func record(of point: Point) -> PointRecord {
    var record = PointRecord(
      profile: "x", point: point, repetition: 1, version: "0", startedAt: "")
    record.retained = RegionBytes(
      prefix: retained / 3, generated: retained - retained / 3, crossing: 0, shared: 0)
    record.retainedAllocatedBytes = allocated
    (record.peakForwardBytes, record.peakBackwardBytes) = (peak, peak / 2)
    record.gradientRelativeError = error
    return record
  }
}

/// One limit of a random budget, with the definition of exceeding it in whole numbers.
private enum Limit {
  case bytes(Int)
  case baseline(percent: Int, bytes: Int)

  var text: String {
    switch self {
    case .bytes(let count): "\(count)"
    case .baseline(0, let bytes) where bytes != 0:
      "baseline \(bytes < 0 ? "-" : "+") \(bytes.magnitude)"
    case .baseline(let percent, _): "baseline \(percent < 0 ? "-" : "+") \(percent.magnitude)%"
    }
  }

  /// 100 times what is left between `value` and the limit, which `value` must not exceed.
  func room(above value: Int, baseline: Int) -> Int {
    switch self {
    case .bytes(let count): 100 * (count - value)
    case .baseline(0, let bytes) where bytes != 0: 100 * (baseline + bytes - value)
    case .baseline(let percent, _): baseline * (100 + percent) - 100 * value
    }
  }
}

private func profile(_ budgets: String, modes: String = "full-graph, detached-prefix") throws
  -> Profile
{
  try Profile(
    text: "model: seed\nn_c: [4, 8]\nn_g: 4\nmode: [\(modes)]\n"
      + "attention: [fused, materialized]\nbudgets:\n" + budgets, file: "x.yaml")
}

private func judge(
  _ profile: Profile, _ points: [MeasuredPoint], _ baseline: [MeasuredPoint]?
) -> [Judgement] {
  Judge(
    profile.budgets, ofProfile: profile.name, file: "x.yaml", points: points,
    baseline: baseline.map { Baseline(of: $0) }
  ).judgements(of: points.map(\.cells))
}

private func budgeted(_ budgets: String) throws -> Profile { try profile(budgets) }

@Suite struct JudgeTests {
  @Test func `bytes are judged as whole numbers say, for any figures and limits`() throws {
    var random = SplitMix64(seed: 5)
    var verdicts: [Judgement.Verdict: Int] = [:]
    for _ in 0..<400 {
      let figure = [BudgetFigure.retained, .allocated, .peak].randomElement(using: &random)!
      let scale = [8, 1000, 1 << 20, 1 << 40].randomElement(using: &random)!
      func limit(_ random: inout SplitMix64) -> Limit {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: .bytes(Int.random(in: 1...2 * scale, using: &random))
        case 1: .baseline(percent: Int.random(in: -30...30, using: &random), bytes: 0)
        default: .baseline(percent: 0, bytes: Int.random(in: -9...9, using: &random))
        }
      }
      let (upper, lower) = (limit(&random), limit(&random))
      var text = "- {figure: \(figure.rawValue), at_most: \(upper.text), at_least: \(lower.text)"
      let isOneMode = Bool.random(using: &random)
      if isOneMode { text += ", mode: detached-prefix" }
      // Two absolute limits the wrong way round are refused, which is another test's matter.
      guard let profile = try? profile(text + "}") else { continue }
      func figures() -> Figures {
        Figures(
          retained: Int.random(in: scale / 2...scale * 3 / 2, using: &random),
          allocated: Int.random(in: scale / 2...scale * 3 / 2, using: &random),
          peak: Int.random(in: scale / 2...scale * 3 / 2, using: &random))
      }
      let before = profile.points.map { _ in figures() }
      let now = before.map { Bool.random(using: &random) ? $0 : figures() }
      let points = profile.points.map(\.point)
      let judgements = judge(
        profile, zip(points, now).map { $1.measured($0) },
        zip(points, before).map { $1.measured($0) })
      let wanted = points.indices.filter { !isOneMode || points[$0].mode.name == .detachedPrefix }
      #expect(judgements.count == wanted.count)
      for (index, judgement) in zip(wanted, judgements) {
        let value = try #require(now[index].bytes(figure))
        let baseline = try #require(before[index].bytes(figure))
        let isOver = upper.room(above: value, baseline: baseline) < 0
        let isUnder = lower.room(above: value, baseline: baseline) > 0
        #expect(
          judgement.verdict == (isOver ? .over : isUnder ? .under : .ok),
          "\(text), \(value) against \(baseline)")
        #expect(judgement.figure == Double(value))
        #expect(((judgement.margin ?? 0) < 0) == (isOver || isUnder))
        verdicts[judgement.verdict, default: 0] += 1
      }
    }
    #expect(verdicts.values.allSatisfy { $0 > 100 } && verdicts.count == 3)
  }

  @Test func `a ratio is of the same point in the other mode`() throws {
    let profile = try profile(
      "- {figure: retained, relative_to: full-graph, at_most: 0.15, at_least: 0.1}")
    let retained = [4: 1000, 8: 2000]
    let parts: [Int: [AttentionMemory: Int]] = [
      4: [.fused: 150, .materialized: 151], 8: [.fused: 200, .materialized: 199],
    ]
    let points = profile.points.map(\.point).map { point in
      let whole = retained[point.nC]!
      let part = parts[point.nC]![point.attention]!
      return Figures(retained: point.mode == .fullGraph ? whole : part).measured(point)
    }
    let judgements = judge(profile, points, nil)
    #expect(judgements.map(\.verdict) == [.ok, .over, .ok, .under])
    #expect(judgements.map(\.figure) == [0.15, 0.151, 0.1, 0.0995])
    #expect(judgements.allSatisfy { $0.unit == "ratio" && $0.title == "retained / full-graph" })
  }

  @Test func `errors and ratios are held against the baseline's`() throws {
    let profile = try profile(
      "- {figure: gradient_error, within: 10%, mode: detached-prefix}\n"
        + "- {figure: peak, relative_to: full-graph, at_most: baseline + 0.1, at_least: baseline - 20%}"
    )
    func points(_ detached: [(peak: Int, error: Double)]) -> [MeasuredPoint] {
      var next = detached[...]
      return profile.points.map(\.point).map { point in
        guard point.mode.name == .detachedPrefix, let (peak, error) = next.popFirst() else {
          return Figures(peak: 1000, error: 0).measured(point)
        }
        return Figures(peak: peak, error: error).measured(point)
      }
    }
    let judgements = judge(
      profile, points([(500, 0.45), (501, 0.43), (320, 0.37), (319, 0.35)]),
      points([(400, 0.4), (400, 0.4), (400, 0.4), (400, 0.4)]))
    #expect(judgements.map(\.verdict) == [.over, .ok, .ok, .under, .ok, .over, .ok, .under])
    // The file holds three digits.
    let entry = Baseline(of: points([(1, 0.123456), (1, 1), (1, 1), (1, .nan)])).entries
    #expect(entry.compactMap { $0.figures[.gradientError] }.filter { $0 > 0 } == [0.123, 1, 1])
  }

  @Test func `the slope of a series is judged at its longest prefix`() throws {
    let profile = try profile("- {figure: per_prefix_token, at_most: 128, mode: detached-prefix}")
    let points = profile.points.map(\.point).map { point in
      Figures(slope: point.nC == 8 ? 129 : 500).measured(point)
    }
    let judgements = judge(profile, points, nil)
    #expect(
      judgements.map(\.figure) == [129, 129] && judgements.allSatisfy { $0.verdict == .over })
    #expect(
      judgements.map(\.point) == [
        "detached-prefix n_c=8 attention=fused", "detached-prefix n_c=8 attention=materialized",
      ])
  }

  @Test func `an error that is no number exceeds its budget, and one not taken is not judged`()
    throws
  {
    let profile = try profile(
      "- {figure: gradient_error, at_most: 1, mode: detached-prefix}\n"
        + "- {figure: gradient_error, at_least: 0, mode: detached-prefix}")
    let errors: [Double?] = [.nan, .infinity, nil, 1]
    let detached = profile.points.map(\.point).filter { $0.mode.name == .detachedPrefix }
    let judgements = judge(
      profile, zip(detached, errors).map { Figures(error: $1).measured($0) }, nil)
    #expect(
      judgements.map(\.verdict) == [
        .over, .over, .notJudged, .ok, .under, .ok, .notJudged, .ok,
      ])
  }

  @Test func `why a figure could not be had is said as it is`() throws {
    let profile = try budgeted(
      "- {figure: gradient_error, at_most: 1, mode: detached-prefix}")
    let point = try #require(
      profile.points.map(\.point).first { $0.mode == .detachedPrefix(keep: 0) })
    func reason(_ change: (inout PointRecord) -> Void) throws -> String? {
      var record = Figures(error: nil).record(of: point)
      change(&record)
      return try #require(judge(profile, [MeasuredPoint(record: record)], nil).first).reason
    }
    #expect(try reason { $0.point.backend = .shape } == "shapes have no gradients")
    #expect(try reason { _ in } == "no exact gradient to compare with fits the memory")
    #expect(
      try reason { $0.gradientReference = .fullGraph }
        == "the exact gradient is 0, and no error is a fraction of that")
    let ratio = try budgeted(
      "- {figure: peak, relative_to: full-graph, at_most: 1, mode: detached-prefix}")
    let points = ratio.points.map(\.point).map { Figures(peak: 0).measured($0) }
    #expect(
      judge(ratio, points, nil).allSatisfy {
        $0.verdict == .notJudged
          && $0.reason == "it is 0 in full-graph, and nothing is a fraction of that"
      })
  }

  @Test func `a point that failed, or has no baseline, fails its budgets`() throws {
    let profile = try profile("- {figure: retained, within: 0%}")
    let points = profile.points.map(\.point).map { Figures(retained: 7).measured($0) }
    var record = Figures(retained: 7).record(of: profile.points[1].point)
    record.status = .outOfMemory
    record.error = "no room"
    var now = points
    now[1] = MeasuredPoint(record: record)
    let judgements = judge(profile, now, Array(points.dropLast()))
    #expect(
      judgements.map(\.verdict) == [.ok, .failed] + Array(repeating: .ok, count: 5) + [.failed])
    #expect(judgements[1].reason == "no room")
    #expect(judgements[7].sentence.contains("--update"))
  }

  @Test func `tensors that grew are named, those with the most bytes first`() throws {
    let profile = try profile("- {figure: retained, within: 0%}", modes: "full-graph")
    func tensor(_ op: String, _ name: String, _ bytes: Int) -> TensorBytes {
      TensorBytes(
        layer: 0, op: op, tensor: name, shape: "1x\(bytes)", dtype: "uint8", bytes: bytes)
    }
    let old = [tensor("a", "x", 10), tensor("b", "y", 50), tensor("c", "z", 9)]
    let new = [
      tensor("a", "x", 10), tensor("b", "y", 20), tensor("b", "y", 50), tensor("d", "w", 90),
    ]
    let point = try #require(profile.points.first).point
    let before = Figures(retained: 69).measured(point, saved: old)
    let after = Figures(retained: 170).measured(point, saved: new)
    let over = try #require(judge(profile, [after], [before]).first)
    #expect(
      over.tensors.map(\.sentence) == [
        "layers.0.d:w appeared, 90 B (1x90 uint8)",
        "layers.0.b:y grew by 20 B to 70 B (1x20 uint8, 1x50 uint8)",
      ])
    let under = try #require(judge(profile, [before], [after]).first)
    #expect(under.tensors.map(\.kind) == [.vanished, .shrank])
    // Nothing grew: the largest are shown instead.
    let limit = try self.absolute(at: point)
    let same = try #require(judge(limit, [after], [after]).first)
    #expect(!same.isDifference && same.tensors.map(\.after) == [90, 70, 10])
  }

  private func absolute(at point: Point) throws -> Profile {
    try profile("- {figure: retained, at_most: 1}", modes: point.mode.name.rawValue)
  }
}
