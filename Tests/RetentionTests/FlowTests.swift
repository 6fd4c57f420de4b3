import Autograd
import CPUBackend
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// The same point in another mode, if it can be.
private func with(_ point: Point, _ mode: Mode) -> Point {
  var other = point
  other.mode = mode
  if mode == .prunedGraph { other.head = .lossRows }
  return other
}

private let exactModes: [Mode] = [.fullGraph, .prunedGraph, .replayedPrefix()]

@Suite struct `The parts of a flow` {
  @Test(arguments: randomCases(120))
  func `each part is the double-precision reference's`(index: Int) throws {
    let point = with(randomPoint(index), exactModes[index % 3])
    let label = Comment(rawValue: "\(point)")
    let backend = try CPUBackend(threads: point.threads)
    let step = try TrainingStep(point, on: backend.backend)
    let parameters = drawParameters(for: point.model, seed: point.seed)
    for parameter in step.decoder.parameters {
      backend.write((parameters[parameter.name] ?? []).map(Float.init), to: parameter.value)
    }
    let stride = point.tokensPerSequence
    let batch = ReferenceDecoder.Batch(
      tokens: (0..<point.batch).map { sequence in
        step.tokens.ids[sequence * stride..<(sequence + 1) * stride].map(Int.init)
      },
      prefixLength: point.nC, lossRows: point.lossRows == .generated ? .generated : .nextToken)
    let reference = ReferenceDecoder(
      referenceConfiguration(of: point.model), parameters: parameters)
    let whole = reference.step(on: batch).gradients
    let ours = try parts(of: step, backend, rows: point.flowRows)
    let moved = reference.moved(seed: point.seed)
    for (rows, part) in zip(point.flowRows, ours) {
      let expected = reference.step(on: batch, rows: rows).gradients
      let gradients = assembled(part, like: step.decoder)
      #expect(Set(gradients.keys) == Set(expected.keys), label)
      for (name, values) in expected {
        let difference = norm(zip(gradients[name] ?? [], values).map { $0 - $1 })
        // Where rows cancel, a part is as exact as the rows that it sums.
        let scale = max(norm(values), 1e-2 * norm(whole[name] ?? []))
        let rounding = 0x1p-22 * norm(whole.values.flatMap(\.self))
        if difference <= max(1e-5 * scale, rounding) { continue }
        // Four times what one rounding of every weight moves it by, as in `Run.errors`.
        let others = moved.step(on: batch, rows: rows).gradients[name] ?? []
        let change = norm(zip(others, values).map { $0 - $1 })
        #expect(difference <= 4 * change, "\(name) \(rows) \(label)")
      }
    }
  }

  @Test(arguments: randomCases(120))
  func `parts sum to the ordinary gradient, whose norm is total_norm`(index: Int) throws {
    let modes = Mode.allCases
    let point = with(randomFamilyPoint(index), modes[index / 5 % modes.count])
    let label = Comment(rawValue: "\(point)")
    let (step, backend) = try makeStep(point)
    _ = try step.run()
    let ordinary = step.gradients().mapValues { $0.map(Double.init) }
    let split = try parts(of: step, backend, rows: point.flowRows)
    let sum = split.dropFirst().reduce(split[0]) { $0.merging($1) { zip($0, $1).map(+) } }
    let gradients = assembled(sum, like: step.decoder)
    let whole = norm(ordinary.values.flatMap(\.self))
    for (name, values) in gradients {
      let expected = ordinary[name] ?? values.map { _ in 0 }
      let difference = norm(zip(values, expected).map(-))
      #expect(difference <= max(1e-6 * norm(expected), 1e-7 * whole), "\(name) \(label)")
    }
    #expect(Set(ordinary.keys).isSubset(of: gradients.keys))

    let flow = try step.flow()
    #expect(
      flow.weights.map { Use(parameter: $0.parameter, weight: $0.weight) }
        == step.decoder.weights.filter { $0.gradient != nil }.map {
          Use(parameter: $0.parameter.name, weight: $0.symbol)
        }, label)
    for weight in flow.weights {
      let use = Use(parameter: weight.parameter, weight: weight.weight)
      let total = norm(sum[use] ?? [])
      #expect(abs(weight.totalNorm - total) <= 1e-12 * total, "\(use) \(label)")
      try checkNorms(weight, use, split, point)
    }
    // Afterwards the step is an ordinary one again, to the bit.
    _ = try step.run()
    #expect(step.gradients().mapValues { $0.map(Double.init) } == ordinary, label)
  }

  /// The norms, the share and the cosine are those of the parts.
  private func checkNorms(
    _ flow: WeightFlow, _ use: Use, _ split: [[Use: [Double]]], _ point: Point
  ) throws {
    let values = split.map { $0[use] ?? [] }
    let zeros = values[0].map { _ in 0.0 }
    func sum(_ isIn: (Range<Int>) -> Bool) -> [Double] {
      zip(point.flowRows, values).filter { isIn($0.0) }.reduce(zeros) { zip($0, $1.1).map(+) }
    }
    let prefix = sum { $0.upperBound <= point.nC }
    let generated = sum { $0.lowerBound >= point.nC }
    let boundary = sum { $0 == point.nC - 1..<point.nC && point.lossRows == .nextToken }
    let (p, g) = (norm(prefix), norm(generated))
    func near(_ ours: Double?, _ theirs: Double) -> Bool {
      ours.map { abs($0 - theirs) <= 1e-9 * abs(theirs) + 1e-300 } ?? false
    }
    #expect(near(flow.prefixNorm, p) && near(flow.generatedNorm, g), "\(use) \(point)")
    let hasBoundary = point.lossRows == .nextToken && point.nC > 0
    #expect((flow.boundaryNorm != nil) == hasBoundary, "\(use) \(point)")
    if hasBoundary { #expect(near(flow.boundaryNorm, norm(boundary)), "\(use) \(point)") }
    if p + g > 0 { #expect(near(flow.prefixShare, p / (p + g)), "\(use) \(point)") }
    #expect((flow.cosine != nil) == (p > 0 && g > 0), "\(use) \(point)")
    if let ours = flow.cosine {
      #expect(abs(ours - cosine(prefix, generated)) <= 1e-9, "\(use) \(point)")
    }
  }

  @Test(arguments: randomCases(60))
  func `exact modes agree, and a detached prefix gives nothing`(index: Int) throws {
    var point = randomFamilyPoint(index)
    point.dtype = .float32
    let label = Comment(rawValue: "\(point)")
    let flows = try exactModes.map { try makeStep(with(point, $0)).step.flow().weights }
    // Where few weights are trained, theirs may all be differences that cancel. What cancels is of
    // the loss's own gradient, whose norm is at least about 1 / √rows; 4 roundings of that are 0.
    let zero = 0x1p-22 * max(norm(flows[0].map(\.totalNorm)), 0.05)
    for other in flows.dropFirst() {
      for (a, b) in zip(flows[0], other) {
        for norms in [\WeightFlow.prefixNorm, \.silentNorm, \.generatedNorm, \.totalNorm] {
          let (x, y) = (a[keyPath: norms], b[keyPath: norms])
          #expect(abs(x - y) <= max(1e-5 * x, zero), "\(a) \(b) \(label)")
          #expect((x == 0) == (y == 0) || max(x, y) <= zero, "\(a) \(b) \(label)")
        }
      }
    }
    let cut = try makeStep(with(point, .detachedPrefix())).step.flow().weights
    #expect(cut.allSatisfy { $0.silentNorm == 0 }, label)
    if point.lossRows == .generated { #expect(cut.allSatisfy { $0.prefixNorm == 0 }, label) }
  }

  // MARK: Exact zeros

  @Test(arguments: [1, 2, 3], LossRows.allCases)
  func `the table of one layer holds in the last layer only`(
    layers: Int, lossRows: LossRows
  ) throws {
    for family in DecoderConfiguration.Family.allCases {
      for mode in exactModes {
        var point = randomFamilyPoint(
          (DecoderConfiguration.Family.allCases.firstIndex(of: family) ?? 0) + 5)
        point.model.layers = layers
        point.model.slidingWindow = nil
        point.model.paddingToken = nil
        (point.nC, point.nG, point.trainable) = (7, 5, nil)
        (point.lossRows, point.mode, point.head) = (lossRows, mode, .lossRows)
        let flow = try makeStep(point).step.flow()
        for weight in flow.weights { check(weight, layers: layers, point) }
      }
    }
  }

  private func check(_ weight: WeightFlow, layers: Int, _ point: Point) {
    let label = Comment(rawValue: "\(weight) \(point)")
    let module = weight.parameter.split(separator: ".").dropLast().last.map(String.init) ?? ""
    let isInLast = weight.layer == layers - 1
    let silent =
      isInLast
      && (["Q", "O", "gate", "up", "down"].contains { weight.weight.hasSuffix("_\($0)") }
        || ["ln_2", "post_attention_layernorm", "q_norm"].contains(module))
      || weight.weight == "U" || weight.layer == nil && weight.weight.hasSuffix("norm")
    #expect((weight.silentNorm == 0) == silent, label)
    #expect(weight.generatedNorm > 0, label)
    guard point.lossRows == .nextToken else {
      #expect(weight.boundaryNorm == nil && (weight.prefixNorm == 0) == silent, label)
      return
    }
    #expect((weight.boundaryNorm ?? 0) > 0, label)
    if silent { #expect(weight.prefixNorm == weight.boundaryNorm, label) }
  }

  // MARK: Single rows

  @Test(arguments: randomCases(80))
  func `a position's norm is that of a part of one row`(index: Int) throws {
    let modes = Mode.allCases
    let point = with(randomFamilyPoint(index + 300), modes[index / 5 % modes.count])
    let label = Comment(rawValue: "\(point)")
    let (step, backend) = try makeStep(point)
    let flow = try step.flow(measuresPositions: true)
    let rows = (0..<point.n).map { $0..<$0 + 1 }
    let single = try parts(of: step, backend, rows: rows)
    #expect(
      Set(flow.positions.map { "\($0.parameter) \($0.weight)" }).count == flow.positions.count)
    var found = 0
    for line in flow.positions {
      #expect(line.norms.count == point.n)
      let uses = step.decoder.weights.filter {
        $0.gradient != nil && $0.symbol == line.weight && $0.parameter.name == line.parameter
      }
      found += uses.count
      let scale = line.norms.max() ?? 0
      for (row, ours) in line.norms.enumerated() {
        let expected = norm(
          uses.flatMap {
            single[row][Use(parameter: $0.parameter.name, weight: $0.symbol)] ?? []
          })
        #expect(
          abs(ours - expected) <= max(2e-6 * expected, 1e-7 * scale),
          "\(line.weight) \(row) \(label)")
        #expect((ours == 0) == (expected == 0), "\(line.weight) \(row) \(label)")
      }
    }
    #expect(found == flow.weights.count, label)
  }

  @Test func `the norm of a sum of outer products needs no matrix`() {
    func draw(_ generator: inout SplitMix64, _ count: Int) -> [Float] {
      (0..<count).map { _ in Float(standardNormal(using: &generator)) }
    }
    func matrixNorm(_ y: [[Float]], _ x: [[Float]]) -> Double {
      norm(
        y[0].indices.flatMap { out in
          x[0].indices.map { column in
            zip(y, x).reduce(0) { $0 + Double($1.0[out]) * Double($1.1[column]) }
          }
        })
    }
    var generator = SplitMix64(seed: 3)
    for count in 1...4 {
      let y = (0..<count).map { _ in draw(&generator, 5) }
      let x = (0..<count).map { _ in draw(&generator, 7) }
      #expect(abs(outerNorm(y, x) / matrixNorm(y, x) - 1) < 1e-12)
    }
    // Two terms that all but cancel: the products of products would leave a few digits, or none.
    let (y, x) = (draw(&generator, 5), draw(&generator, 7))
    var other = x
    other[2] = other[2].nextUp
    let (ys, xs) = ([y, y.map { -$0 }], [x, other])
    #expect(abs(outerNorm(ys, xs) / matrixNorm(ys, xs) - 1) < 1e-9)
    #expect(outerNorm([y, y.map { -$0 }], [x, x]) == 0)
    #expect(outerNorm([y.map { _ in 0 }], [x]) == 0)
  }
}
