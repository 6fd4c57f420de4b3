import CPUBackend
import Foundation
import Ledger
import Measurement
import Planning
import Profiles
import Reporting
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

@Suite struct `A plan` {
  private static let profiles = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "profiles")

  /// Every point of every shipped profile: totals from a few layers equal those of all, which the
  /// profile's own check holds against computing; short steps are computed here too.
  @Test(
    arguments: [
      "depth", "guard", "guard-dropout", "keep-prefix", "modes", "one-layer", "recompute", "replay",
      "seed",
    ])
  func `counts what is measured on a shipped profile`(name: String) throws {
    let file = Self.profiles.appending(path: "\(name).yaml").path
    let profile = try Profile(
      text: String(contentsOfFile: file, encoding: .utf8), file: file)
    let predictor = Predictor(engine: .cpu)
    var model: Model?
    var seen: Set<Point> = []
    let machine = try CPUBackend(threads: 2)
    let mostComputed = runsAll ? 600 : 150
    for planned in profile.points where seen.insert(planned.point).inserted {
      let point = planned.point
      guard point.backend == .cpu else { continue }
      let isOther =
        model?.decoder.configuration != point.model || model?.decoder.dtype != point.dtype
      if point.n <= mostComputed, isOther {
        model = nil
        model = try Model(of: point, on: machine.backend)
      }
      let step =
        try point.n <= mostComputed
        ? TrainingStep(point, of: #require(model)) : predictor.step(of: point)
      if point.n > mostComputed { step.skips = .nothing }
      let (measured, planned) = try (step.run(), predictor.totals(of: point))
      let label = Comment(rawValue: "\(point)")
      #expect(planned.retained == measured.retained, label)
      #expect(planned.retainedAllocatedBytes == measured.retainedAllocatedBytes, label)
      #expect(planned.peakForwardBytes == measured.peakForwardBytes, label)
      #expect(planned.peakBackwardBytes == measured.peakBackwardBytes, label)
      #expect(planned.gradientBytes == measured.gradientBytes, label)
      #expect(planned.savedTensors == measured.saved.count, label)
      #expect(planned.matmulFlops == measured.matmulFlops, label)
    }
    #expect(!seen.isEmpty)
  }

  /// What each combination takes is what the point itself takes, and no other completions are asked for.
  @Test func `takes completions of different length as they are`() throws {
    let lengths = "32+8,32+3,32+7"
    let settings = ["lengths": lengths, "sharing": "prefix"]
    let request = PlanRequest(
      try Self.request("seed", settings), .cost(nC: 32, memory: 1 << 30))
    let plan = try Planner(engine: .cpu, threads: 1).plan(request)
    #expect(!plan.rows.isEmpty)
    for row in plan.rows {
      let point = row.combination.point
      #expect((point.lengths?.written, point.suffixes, row.mostSuffixes) == (lengths, 3, nil))
      let alone = try TrainingStep(point, on: .shapes(sizeClass: { CPUBackend.sizeClass($0) }))
        .run()
      #expect(row.figures.retained == alone.retained, "\(point)")
      #expect(row.figures.peakBytes == alone.peakBytes, "\(point)")
    }
  }

  private static func request(_ model: String, _ settings: [String: String] = [:]) throws
    -> PointRequest
  {
    var request = PointRequest(model: try ModelSource.resolve(model))
    request.settings["n_g"] = AxisValue(512)
    try request.settings.set("backend", "shape")
    try request.settings.set("optimizer", "adamw")
    for (axis, value) in settings { try request.settings.set(axis, value) }
    return request
  }

  private static func plan(
    _ request: PointRequest, _ question: PlanRequest.Question,
    _ change: (inout PlanRequest) -> Void = { _ in }
  ) throws -> Plan {
    var plan = PlanRequest(request, question)
    change(&plan)
    return try Planner(engine: .cpu, threads: 2).plan(plan)
  }

  @Test func `goes through every combination that can be, and through none that is given`() throws {
    let all = try Self.plan(Self.request("llama-3.2-1b"), .cost(nC: 100, memory: nil)).rows
    // 4 modes, 4 policies, 2 attentions, 3 heads, less pruned-graph with all rows.
    #expect(all.count == 4 * 4 * 2 * 3 - 4 * 2)
    #expect(Set(all.map(\.combination.words)).count == all.count)
    let given = try Self.plan(
      Self.request("llama-3.2-1b", ["mode": "full-graph", "attention": "fused"]),
      .cost(nC: 100, memory: nil)
    ).rows
    #expect(given.count == 4 * 3)
    #expect(given.allSatisfy { $0.combination.words[0] == "full-graph" })
  }

  /// Marks against the definition, by brute force.
  @Test(arguments: [nil, 32 << 30] as [Int?])
  func `marks what nothing else beats`(memory: Int?) throws {
    let request = try Self.request("llama-3.2-1b")
    let plan =
      try memory.map { try Self.plan(request, .longestPrefix(memories: [$0])) }
      ?? Self.plan(request, .cost(nC: 4096, memory: nil))
    func goodness(_ row: PlanRow) -> [Double] {
      let length = memory == nil ? 0 : Double(row.nC ?? -1)
      return [row.combination.isExact ? 1 : 0, length, -Double(row.total), -row.relativeWork]
    }
    for row in plan.rows {
      let mine = goodness(row)
      // As exact, longer or smaller, and no more work but for a twentieth; or less work alone.
      let isBeaten = plan.rows.contains { other in
        let its = goodness(other)
        let (larger, equal) = (
          (its[1], its[2]) > (mine[1], mine[2]), (its[1], its[2]) == (mine[1], mine[2])
        )
        guard its[0] >= mine[0], larger || equal, other.fits else { return false }
        return larger || its[0] > mine[0]
          ? other.relativeWork <= 1.05 * row.relativeWork : other.relativeWork < row.relativeWork
      }
      let isFirst = plan.rows.first { goodness($0) == mine }?.combination.words
      #expect(row.isBest == (row.fits && !isBeaten && isFirst == row.combination.words))
    }
    let recommended = plan.rows.filter(\.isRecommended)
    #expect(recommended.count == 1 && recommended[0].combination.isExact)
    let best = plan.rows.filter { $0.combination.isExact && $0.fits }.map(goodness)
    #expect(recommended.map(goodness)[0][1] == best.map { $0[1] }.max())
  }

  /// ZeRO's stages, and what AdamW keeps of bfloat16: two moments, 4 bytes an element.
  @Test func `divides parameters, gradients and optimizer state as its stages say`() throws {
    let elements = 1_235_814_400  // of Llama 3.2 1B, whose head is its embedding
    let request = try Self.request("llama-3.2-1b")
    for (stage, shares) in [(1, [1, 1, 8]), (2, [1, 8, 8]), (3, [8, 8, 8])] {
      let row = try #require(
        try Self.plan(request, .cost(nC: 10, memory: nil)) {
          $0.account.sharding.devices = 8
          $0.account.sharding.stage = stage
        }.rows.first)
      var account = MemoryAccount()
      account.sharding.devices = 8
      account.sharding.stage = stage
      let parts = account.counted(in: row.figures, optimizer: .adamw).map(\.bytes)
      #expect(parts[0] == 2 * elements / shares[0])
      #expect(parts[1] == 2 * elements / shares[1])
      #expect(parts[2] == 4 * elements / shares[2])
      #expect(row.total == parts.reduce(0) { $0 + Int128($1) })
    }
  }

  @Test func `shows what freezing saves`() throws {
    let all = try Self.plan(try Self.request("llama-3.2-1b"), .cost(nC: 1000, memory: nil))
    let some = try Self.plan(
      Self.request("llama-3.2-1b", ["trainable": "q_proj"]), .cost(nC: 1000, memory: nil))
    for (all, some) in zip(all.rows, some.rows) {
      #expect(some.figures.trained.elements == 16 * 2048 * 2048)
      #expect(some.figures.optimizerBytes == 4 * 16 * 2048 * 2048)
      #expect(some.figures.peakBytes <= all.figures.peakBytes)
      #expect(some.figures.retained.total <= all.figures.retained.total)
    }
    // Of the MLP, gate and up stay, which the gradient of what comes before them reads.
    let names = ["full-graph", "none", "fused", "loss-rows"]
    func retained(_ plan: Plan) -> Int? {
      plan.rows.first { $0.combination.words == names }?.figures.retained.total
    }
    let saved = try #require(retained(all)) - #require(retained(some))
    // Inputs of down_proj in every layer; of the frozen head its norm's output.
    #expect(saved >= 16 * 1512 * 2 * 8192)
  }

  @Test(arguments: [
    ("zzz", "is found in no parameter's name"), ("(", "not a regular expression"),
  ])
  func `refuses a pattern that trains nothing`(pattern: String, sentence: String) throws {
    let error = #expect(throws: (any Error).self) {
      let request = try Self.request("llama-3.2-1b", ["trainable": pattern])
      _ = try Self.plan(request, .cost(nC: 10, memory: nil))
    }
    #expect(error.map { "\($0)".contains(sentence) } == true)
  }

  @Test func `refuses memories that do not hold the parameters`() throws {
    let request = try Self.request("llama-3.1-8b")
    #expect(throws: PlanError.self) {
      try Self.plan(request, .longestPrefix(memories: [8 << 30]))
    }
    // Beside a memory that does, it has no length.
    let both = try Self.plan(request, .longestPrefix(memories: [8 << 30, 160 << 30]))
    #expect(both.rows.prefix(both.rows.count / 2).allSatisfy { !$0.fits })
    #expect(both.rows.suffix(both.rows.count / 2).contains { $0.fits })
    // Sixteen devices that share them do.
    let plan = try Self.plan(request, .longestPrefix(memories: [80 << 30, 9 << 30])) {
      $0.account.sharding.devices = 16
    }
    #expect(plan.rows.contains { $0.fits })
  }

  @Test func `says of a step that does not fit what it takes, and what would`() throws {
    var request = try Self.request("llama-3.1-8b")
    try request.settings.set("optimizer", "adamw-fp32")
    let plan = try Self.plan(request, .longestPrefix(memories: [80 << 30]))
    #expect(plan.recommendation.hasPrefix("Not even a step without a prefix fits 80.00 GiB"))
    let ways = Dictionary(uniqueKeysWithValues: plan.further.map { ($0.options, $0.nC) })
    let devices = try #require(ways["--shard-parameters 8"])
    let shared = try Self.plan(request, .longestPrefix(memories: [80 << 30])) {
      $0.account.sharding.devices = 8
    }
    #expect(shared.rows.filter(\.combination.isExact).compactMap(\.nC).max() == devices)
  }

  @Test func `fits a hundred columns`() throws {
    for (model, memories) in [("llama-3.1-405b", [1 << 43]), ("llama-3.1-8b", [1 << 38])] {
      let request = try Self.request(model)
      for question in [
        PlanRequest.Question.cost(nC: 1 << 20, memory: nil), .longestPrefix(memories: memories),
      ] {
        let text = try Self.plan(request, question).text(listsAll: true)
        for line in text.split(separator: "\n") where line.count > 100 {
          Issue.record("\(line.count) columns: \(line)")
        }
      }
    }
  }
}
