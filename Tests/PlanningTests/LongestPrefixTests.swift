import CPUBackend
import Measurement
import Planning
import Reporting
import Retention
import Tensors
import Testing
import TestSupport
import Transformer

@Suite struct `The longest prefix` {
  /// One more token exceeds the memory, and this one does not, by a count that skips nothing.
  @Test(arguments: randomCases(200))
  func `is exactly the longest`(index: Int) throws {
    var step = try RandomStep(index)
    var account = MemoryAccount()
    if index % 3 == 0 { account.parts.insert(.workspace) }
    if index % 4 == 0 { account.gradientDType = .float32 }
    if index % 5 == 0 { account.parts.remove(.optimizer) }
    let goal = Int.random(in: 0...(runsAll ? 1500 : 500), using: &step.generator)
    let (low, high) = try (step.need(nC: goal, account), step.need(nC: goal + 40, account))
    let memory = Int.random(in: low...high, using: &step.generator)
    var request = PlanRequest(step.request, .longestPrefix(memories: [memory]))
    request.account = account
    let row = try onlyRow(request)
    let found = try #require(row.nC)
    #expect(found >= goal && (found < goal + 41 || memory == high), "\(found), \(goal)")
    #expect(try step.need(nC: found, account) <= memory, "\(step.point)")
    // A window lets a prefix be pruned that is as long as can be counted.
    if (try? step.point(nC: found + 1).validate()) != nil {
      #expect(try step.need(nC: found + 1, account) > memory, "\(step.point)")
    }
    #expect(try Int(row.total) == step.need(nC: found, account))
  }

  /// What the search relies on.
  @Test(arguments: randomCases(40))
  func `needs never fall as a prefix grows`(index: Int) throws {
    let step = try RandomStep(index + 1000, mostLayers: 3)
    var account = MemoryAccount()
    account.parts.insert(.workspace)
    var last = 0
    for nC in Array(0..<80) + Array(250..<263) + Array(505..<520) {
      guard (try? step.point(nC: nC).validate()) != nil else { continue }
      let need = try step.need(nC: nC, account)
      #expect(need >= last, "n_c \(nC) of \(step.point)")
      last = need
    }
  }

  @Test func `is none where no step fits, and one byte more lets it`() throws {
    for index in 0..<20 {
      let step = try RandomStep(index + 500)
      let least = try step.need(nC: 0, MemoryAccount())
      for (memory, expected) in [(least - 1, nil), (least, true)] as [(Int, Bool?)] {
        let request = PlanRequest(step.request, .longestPrefix(memories: [memory]))
        #expect(try (onlyRow(request).nC != nil ? true : nil) == expected, "\(step.point)")
      }
    }
  }

  /// With `backend: cpu` a plan counts what `measure` holds against its `--memory`.
  @Test(arguments: 0..<20)
  func `runs under a real limit, and one more token is refused`(index: Int) throws {
    var step = try RandomStep(index + 2000, mostLayers: 3)
    var request = step.request
    // Of a pruned window, more tokens take no more: there would be no end that could be run.
    request.model.configuration.slidingWindow = nil
    try request.settings.set("backend", "cpu")
    try request.settings.set("optimizer", "none")
    // In bfloat16 oneDNN's own scratch, which no plan knows, comes on top.
    try request.settings.set("dtype", "float32")
    let goal = Int.random(in: 20...400, using: &step.generator)
    var sized = request
    sized.settings["n_c"] = AxisValue(goal)
    let memory = try Predictor(engine: .cpu).predict(sized.point).peakAllocatedBytes + 4096
    var plan = PlanRequest(request, .longestPrefix(memories: [memory]))
    plan.account.device = .thisMachine
    let found = try #require(try onlyRow(plan).nC)
    #expect(found >= goal)
    for (nC, status) in [(found, PointStatus.ok), (found + 1, .overLimit)] {
      request.settings["n_c"] = AxisValue(nC)
      let planned = try request.planned()
      let runner = PointRunner(
        engine: .cpu, limit: memory, points: [], listsGradients: false, takesTimes: false)
      let record = runner.run(planned, profile: nil).record
      #expect(record.status == status, "n_c \(nC), \(record.error ?? ""), \(planned.point)")
    }
  }

  @Test func `ends where a model's learned positions do`() throws {
    var request = PointRequest(model: try ModelSource.resolve("gpt2"))
    request.settings["n_g"] = AxisValue(24)
    try request.settings.set("backend", "shape")
    let plan = try Planner(engine: .cpu, threads: 2)
      .plan(PlanRequest(request, .longestPrefix(memories: [1 << 40])))
    #expect(plan.rows.allSatisfy { $0.nC == 1000 })
    #expect(plan.notes.contains { $0.contains("learned positions") })
  }

  @Test func `names the call that runs the recommended row in PyTorch`() throws {
    var request = PointRequest(model: try ModelSource.resolve("llama-3.1-8b"))
    request.settings["n_g"] = AxisValue(128)
    for (axis, word) in [("backend", "shape"), ("mode", "replayed-prefix"), ("head", "chunked")] {
      try request.settings.set(axis, word)
    }
    try request.settings.set("recompute", "layer")
    let plan = try Planner(engine: .cpu, threads: 2)
      .plan(PlanRequest(request, .longestPrefix(memories: [1 << 40])))
    #expect(
      plan.callInPyTorch == """
        prefix_step(model, input_ids, n_c, mode="replayed", chunk=256, loss_chunk=256, recompute=True)
        """)
    #expect(plan.notes.contains { $0.hasPrefix("In PyTorch: prefix_step(") })
  }

  @Test(
    arguments: [
      (["mode": "full-graph"], nil),
      (["mode": "pruned-graph"], #"prefix_step(model, input_ids, n_c, mode="pruned")"#),
      (
        ["mode": "detached-prefix", "keep_prefix": "64", "chunk": "32"],
        #"prefix_step(model, input_ids, n_c, mode="detached", keep=64, chunk=32)"#
      ),
      (
        ["mode": "replayed-prefix", "kv_gradients": "activations"],
        #"prefix_step(model, input_ids, n_c, mode="replayed", chunk=256, kv_gradients=None)"#
      ),
      (
        [
          "mode": "replayed-prefix", "suffixes": "8", "sharing": "prefix",
          "suffixes_at_a_time": "2",
        ],
        #"group_step(model, prompt_ids, completions, mode="replayed", chunk=256, at_a_time=2)"#
      ),
    ] as [([String: String], String?)])
  func `says each way's call`(words: [String: String], call: String?) throws {
    var request = PointRequest(model: try ModelSource.resolve("llama-3.1-8b"))
    request.settings["n_c"] = AxisValue(1024)
    request.settings["n_g"] = AxisValue(128)
    try request.settings.set("backend", "shape")
    for (axis, word) in words { try request.settings.set(axis, word) }
    #expect(Plan.call(of: try request.planned().point) == call)
  }
}
