import Autograd
import CPUBackend
import Ledger
import Patterns
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// A random small model of any family, with every choice that its family has, and random axes.
func randomFamilyPoint(_ index: Int) -> Point {
  var generator = SplitMix64(seed: UInt64(index) &* 104_729 &+ 5)
  func draw<T>(_ values: [T]) -> T { values[Int.random(in: values.indices, using: &generator)] }
  func flip() -> Bool { Bool.random(using: &generator) }
  let family = DecoderConfiguration.Family.allCases[
    index % DecoderConfiguration.Family.allCases.count]
  let isGPT2 = family == .gpt2
  let kvHeads = draw([1, 2, 3])
  let heads = isGPT2 ? kvHeads : kvHeads * draw([1, 2])
  let dHead = draw(isGPT2 ? [3, 4, 7] : [2, 4, 8])
  let layers = draw([1, 1, 2, 3])
  let hasBias = flip()
  var model = DecoderConfiguration(
    layers: layers, dModel: isGPT2 ? heads * dHead : draw([16, 17, 24]), heads: heads,
    kvHeads: kvHeads, dHead: dHead, dFF: draw([9, 16, 33]), vocab: draw([11, 50]),
    tiedEmbeddings: flip(), family: family, normalization: isGPT2 ? .layer : .rms,
    positions: isGPT2 ? .learned(maximum: 64) : nil,
    mlp: isGPT2 ? .gelu(draw([.tanh, .exact])) : .swiGLU,
    queryKeyValueBias: isGPT2 || family == .qwen2 || (family != .mistral && hasBias),
    outputBias: isGPT2 || (hasBias && (family == .llama || family == .qwen3)),
    mlpBias: isGPT2 || (hasBias && family == .llama), queryKeyNorm: family == .qwen3)
  if family != .gpt2, family != .llama, flip() {
    model.slidingWindow = draw([1, 3, 8])
    model.slidingLayers = draw([.all, .from(1)])
  }
  if flip(), !isGPT2 { model.paddingToken = 3 }
  var point = Point(
    modelName: family.rawValue, model: model, nC: draw([0, 1, 2, 7, 21]), nG: draw([1, 3, 12]))
  point.lossRows = flip() ? .generated : .nextToken
  if point.lossPositions.isEmpty { point.nG += 1 }
  point.batch = draw([1, 1, 2, 3])
  point.attention = flip() ? .materialized : .fused
  point.head = draw(HeadKind.allCases)
  _ = draw(KeyValueGradientKind.allCases)
  point.chunk = draw([1, 3, 256])
  point.threads = draw([1, 2])
  point.dtype = flip() ? .float32 : .bfloat16
  point.dropout = isGPT2 && flip() ? draw([0.1, 0.5]) : 0
  point.trainable = written(
    draw([
      "", "", "", "norm|ln_", "v_proj|c_attn", "k_proj", "mlp", "lm_head|wte|embed",
      "bias|weight$", "layers.0|h.0", "down_proj|c_proj",
    ]))
  point.seed = generator.next()
  if flip() { point.recompute = draw(Recompute.allCases) }
  return point
}

/// Draws parameters that are all of some consequence: norms around 1, biases around 0.
func drawParameters(of step: TrainingStep, _ backend: CPUBackend, seed: UInt64) {
  for parameter in step.decoder.parameters {
    let random = CounterRandom(seed: seed, stream: "test.\(parameter.name)")
    let isNorm = parameter.symbol == "norm"
    let scale = 1 / Float(parameter.value.extent(parameter.value.shape.rank - 1)).squareRoot()
    backend.draw(parameter.value, from: random, deviation: isNorm ? 0.2 : scale)
    if isNorm { backend.write(backend.read(parameter.value).map { 1 + $0 }, to: parameter.value) }
  }
}

@Suite struct `Accounting over families, dtypes, frozen parameters and dropout` {
  @Test(arguments: randomCases(300))
  func `the rules hold`(index: Int) throws {
    let full = randomFamilyPoint(index)
    let fullRun = try check(full)
    let detachedPoint = detached(full, keeping: index)
    let detachedRun = try check(detachedPoint)
    try checkExactModes(full, fullRun)
    let loss = try #require(fullRun.loss)
    let tolerance = full.dtype == .float32 ? 2e-6 : 2e-2
    #expect(
      abs(loss - (detachedRun.loss ?? .nan)) <= tolerance * max(abs(loss), 1), "A5 \(full)")
    // A6: one layer, `generated` rows: prefix rows add nothing to W_Q, W_O and the MLP.
    guard full.model.layers == 1, full.lossRows == .generated, detachedPoint.mode.keepPrefix == 0,
      full.dtype == .float32
    else { return }
    let same = ["q_proj", "o_proj", "attn.c_proj", "mlp", "lm_head", "model.norm", "ln_f", "ln_2"]
    for (name, gradient) in fullRun.gradients where same.contains(where: name.contains) {
      let errors = relativeErrors(
        [name: detachedRun.gradients[name] ?? []], against: [name: gradient])
      #expect(errors.values.allSatisfy { $0 <= 1e-5 }, "A6 \(name) \(errors) \(full)")
    }
  }

  /// Orthogonal axes: every combination works, or is refused with a sentence.
  @Test func `no combination of axes is ignored`() throws {
    var refusals: [String: Int] = [:]
    var runs = 0
    for index in 0..<1500 {
      var generator = SplitMix64(seed: UInt64(index) &* 31 &+ 3)
      var point = randomFamilyPoint(index + 2000)
      point.mode = Mode.allCases.randomElement(using: &generator) ?? .fullGraph
      point.mode.keepPrefix = [-1, 0, 0, 0, 0, 0, 1, 2].randomElement(using: &generator) ?? 0
      point.recipe = Int.random(in: 0..<8, using: &generator) == 0 ? .transformersEager : .ballast
      if point.recipe != .ballast { point.backend = .shape }
      point.dropout = [0, 0, 0, 0, 0.1, 1].randomElement(using: &generator) ?? 0
      do {
        let result = try runOnShapes(point)
        #expect(result.peakBytes > 0, "\(point)")
        runs += 1
      } catch let error as PointError {
        refusals["\(error)".split(separator: " ").prefix(1).joined(), default: 0] += 1
        #expect("\(error)".count > 20, "\(point)")
      }
    }
    #expect(runs > 500, "\(runs) ran, refused: \(refusals)")
    #expect(
      Set(refusals.keys).isSuperset(of: ["mode", "keep_prefix", "dropout", "recipe"]),
      "\(refusals)")
  }

  private struct Outcome {
    let result: StepResult
    let gradients: [String: [Double]]
    var loss: Double? { result.loss }
  }

  /// `pruned-graph` and `replayed-prefix` give `full-graph`'s loss and gradients.
  private func checkExactModes(_ full: Point, _ fullRun: Outcome) throws {
    var others = [full, full]
    others[0].mode = .replayedPrefix(
      gradients: full.seed.isMultiple(of: 2) ? .float32 : .activations)
    others[1].mode = .prunedGraph
    if full.head == .allRows { others[1].head = .lossRows }
    for point in others {
      let run = try check(point)
      let loss = try #require(fullRun.loss)
      let tolerance = full.dtype == .float32 ? 2e-6 : 2e-2
      #expect(abs(loss - (run.loss ?? .nan)) <= tolerance * max(abs(loss), 1), "A5 \(point)")
      #expect(
        Set(run.gradients.keys).isSubset(of: fullRun.gradients.keys), "A5 \(point)")
      guard full.dtype == .float32 else { continue }
      let expected = fullRun.gradients
      // A parameter that no loss row can reach gets no gradient, or zeros.
      let ours = expected.reduce(into: [:]) { all, entry in
        all[entry.key] = run.gradients[entry.key] ?? entry.value.map { _ in 0 }
      }
      let errors = relativeErrors(ours, against: expected)
      #expect(
        errors.values.allSatisfy { $0 <= 1e-5 }, "A5 \(errors.filter { $0.value > 1e-5 }) \(point)")
    }
    // At the boundary a replayed prefix keeps what a detached one keeps.
    var constant = others[0]
    constant.mode = .detachedPrefix()
    if full.trainable == nil {
      #expect(
        try runOnShapes(constant).retained == runOnShapes(others[0]).retained, "\(full)")
    }
    #expect(
      try runOnShapes(others[1]).retained.total
        <= runOnShapes(with(full, head: others[1].head)).retained.total, "\(full)")
  }

  private func with(_ point: Point, head: HeadKind) -> Point {
    var point = point
    point.head = head
    return point
  }

  private func check(_ point: Point) throws -> Outcome {
    let label = Comment(rawValue: "\(point)")
    let backend = try CPUBackend(threads: point.threads)
    let step = try TrainingStep(point, on: backend.backend)
    drawParameters(of: step, backend, seed: point.seed)
    var unsaved: [String] = []
    var allocated = (ledger: 0, arena: 0)
    let result = try step.run { ledger in
      allocated = (
        ledger.liveAllocatedBytes[.activation], try backend.allocatedBytes(of: .activation)
      )
      let saved = Set(ledger.savedStorages().map(\.id))
      unsaved = ledger.liveStorages(of: .activation).filter { !saved.contains($0.id) }
        .map(\.description.tensor)
    }
    #expect(
      result.retained.total == result.saved.reduce(0) { $0 + $1.description.requestedBytes },
      "A1 \(label)")
    #expect(allocated.ledger == allocated.arena, "A2 \(label)")
    #expect(unsaved == ["loss"], "A2 \(label)")
    #expect(try backend.allocatedBytes(of: .activation) == 0, "A4 \(label)")
    let shapes = try runOnShapes(point)
    #expect(shapes.saved.map(\.description) == result.saved.map(\.description), "A3 \(label)")
    #expect(shapes.saved.map(\.savers) == result.saved.map(\.savers), "A3 \(label)")
    #expect(shapes.peakForwardBytes == result.peakForwardBytes, "A3 \(label)")
    #expect(shapes.peakBackwardBytes == result.peakBackwardBytes, "A3 \(label)")
    #expect(shapes.gradientBytes == result.gradientBytes, "A3 \(label)")

    let quietBackend = try CPUBackend(threads: point.threads)
    let quiet = try TrainingStep(point, on: quietBackend.backend, recordsLedger: false)
    drawParameters(of: quiet, quietBackend, seed: point.seed)
    #expect(try quiet.run().loss == result.loss, "A7 \(label)")

    let gradients = step.gradients()
    #expect(gradients == quiet.gradients(), "A7 \(label)")
    let pattern = try point.trainable.map { try Regex($0.written) }
    for parameter in step.decoder.parameters {
      let isTrained = try pattern.map { try $0.firstMatch(in: parameter.name) != nil } ?? true
      #expect((parameter.gradient != nil) == isTrained, "\(parameter.name) \(label)")
    }
    return Outcome(result: result, gradients: gradients.mapValues { $0.map(Double.init) })
  }

  // MARK: Frozen parameters

  private func saved(_ trainable: String, _ attention: AttentionMemory) throws -> [String] {
    var point = Point(
      modelName: "m", model: DecoderConfiguration(dModel: 16, heads: 2, dFF: 24, vocab: 11), nC: 5,
      nG: 3)
    point.trainable = written(trainable)
    point.attention = attention
    return try runOnShapes(point).saved.map { storage in
      "\(storage.savers[0].scope.name):\(storage.savers[0].tensor)"
    }
  }

  @Test func `a frozen weight's input is not saved`() throws {
    let head = ["head:input", "cross_entropy:logits", "cross_entropy:log_sum_exp"]
    #expect(try saved("lm_head", .materialized) == head)
    // Above the only trained weight gradients flow through frozen ones, which need no input.
    #expect(
      try saved("down_proj", .fused) == [
        "down_proj:input", "final_norm:input", "final_norm:rstd", "cross_entropy:logits",
        "cross_entropy:log_sum_exp",
      ])
    #expect(
      try saved("v_proj", .materialized) == [
        "v_proj:input", "attention:probabilities", "mlp_norm:input", "mlp_norm:rstd",
        "swiglu:gate", "swiglu:up", "final_norm:input", "final_norm:rstd",
        "cross_entropy:logits", "cross_entropy:log_sum_exp",
      ])
    #expect(
      try saved("q_proj", .materialized).prefix(4) == [
        "q_proj:input", "attention:k", "attention:v", "attention:probabilities",
      ])
    #expect(
      try saved("k_proj", .materialized).prefix(4) == [
        "k_proj:input", "attention:q", "attention:v", "attention:probabilities",
      ])
  }

  @Test(arguments: ["v_proj", "q_proj|k_proj", "norm", "mlp.up", "embed", "layers.1"])
  func `freezing the others does not change a gradient`(trainable: String) throws {
    var point = Point(
      modelName: "m",
      model: DecoderConfiguration(layers: 2, dModel: 16, heads: 2, dFF: 24, vocab: 11), nC: 5, nG: 3
    )
    for attention in AttentionMemory.allCases {
      point.attention = attention
      point.trainable = nil
      let all = try TrainingStep(point, on: CPUBackend(threads: 1).backend)
      let everything = try all.run()
      point.trainable = written(trainable)
      let some = try TrainingStep(point, on: CPUBackend(threads: 1).backend)
      let part = try some.run()
      #expect(part.loss == everything.loss)
      #expect(part.retained.total < everything.retained.total)
      let gradients = some.gradients()
      #expect(!gradients.isEmpty)
      for (name, gradient) in gradients {
        let error = relativeL2(
          gradient.map(Double.init), (all.gradients()[name] ?? []).map(Double.init))
        #expect(error <= 1e-6, "\(name)")
      }
    }
  }
}
