import Autograd
import CPUBackend
import Ledger
import Retention
import Tensors
import TestSupport
import Transformer

/// What one run on real memory gave, with the oracle's view of the same step.
struct Run {
  let point: Point
  let result: StepResult
  let gradients: [String: [Double]]
  let reference: ReferenceDecoder
  /// The sequences, those of one length together.
  let batches: [Part]
  /// The activation arena's own count at the boundary and after the step (`stats.arenas.<i>`).
  let allocatedAtBoundary: Int
  let allocatedAfter: Int
  /// What the ledger held at the boundary.
  let ledgerAllocatedAtBoundary: Int
  let unsavedAtBoundary: [StorageDescription]
  /// The model's own parameters and its adapter's.
  let parameters: [String: [Double]]

  /// Sequences of one length.
  struct Part {
    let batch: ReferenceDecoder.Batch
    let lossRows: Int
    let cut: Int
  }

  /// All sequences of a run whose lengths are equal.
  var batch: ReferenceDecoder.Batch { batches[0].batch }

  /// The oracle's loss and gradients: the mean over the loss rows of all sequences.
  var exact: ReferenceDecoder.Step { exact(by: reference) }

  private func exact(by reference: ReferenceDecoder) -> ReferenceDecoder.Step {
    guard batches.count > 1 else {
      return reference.step(on: batches[0].batch, cut: batches[0].cut)
    }
    let total = Double(batches.reduce(0) { $0 + $1.lossRows })
    var sum = ReferenceDecoder.Step(loss: 0, gradients: [:])
    for part in batches {
      let (step, share) = (
        reference.step(on: part.batch, cut: part.cut), Double(part.lossRows) / total
      )
      sum.loss += share * step.loss
      for (name, values) in step.gradients {
        let before = sum.gradients[name] ?? values.map { _ in 0 }
        sum.gradients[name] = zip(before, values).map { $0 + share * $1 }
      }
    }
    return sum
  }

  /// The errors that are neither within `tolerance` nor what float32 can be held to: four times what
  /// the oracle's own gradient moves by where every weight moves by one rounding, 2⁻²⁴ of it.
  ///
  /// Where a gradient is a small rest of large terms, no order of float32 sums comes much closer:
  /// the worst of these draws is at 1.9 times.
  func errors(
    above tolerance: Double, of gradients: [String: [Double]], against expected: [String: [Double]]
  ) -> [String: Double] {
    let large = relativeErrors(gradients, against: expected).filter { $0.value > tolerance }
    guard !large.isEmpty else { return [:] }
    let moved = self.expected(exact(by: reference.moved(seed: point.seed)).gradients)
    return large.filter { name, error in
      let (values, others) = (expected[name] ?? [], moved[name] ?? [])
      let change = norm(zip(values, others).map { $0 - $1 }) / norm(values)
      return !(error <= 4 * change)
    }
  }

  /// What the oracle's gradients say of the parameters that are trained.
  ///
  /// The oracle has the adapter in its weights, `W + s B A`: `dA = s Bᵀ dW` and `dB = s dW Aᵀ`.
  func expected(_ whole: [String: [Double]]) -> [String: [Double]] {
    guard let adapter = point.model.adapter else { return whole }
    var expected = whole.filter { gradients[$0.key] != nil }
    for map in AdaptedMap.all(of: point.model) {
      guard let gradient = whole[map.weight], let a = parameters[map.a],
        let b = parameters[map.b]
      else { continue }
      let (r, s) = (adapter.rank, Double(adapter.scale))
      let (input, output) = (a.count / r, b.count / r)
      var (da, db) = (a.map { _ in 0.0 }, b.map { _ in 0.0 })
      for o in 0..<output {
        for k in 0..<r {
          for i in 0..<input {
            let dw = gradient[o * input + i]
            da[k * input + i] += s * b[o * r + k] * dw
            db[o * r + k] += s * dw * a[k * input + i]
          }
        }
      }
      (expected[map.a], expected[map.b]) = (da, db)
    }
    return expected
  }
}

/// A linear map with an adapter: the names of its weight and of A and B.
struct AdaptedMap {
  let weight: String
  let a: String
  let b: String

  static func all(of model: DecoderConfiguration) -> [AdaptedMap] {
    WeightMap(model).tensors.map(\.name).filter { $0.hasSuffix(".lora_A.weight") }.map { a in
      let module = a.dropFirst("base_model.model.".count).dropLast(".lora_A.weight".count)
      return AdaptedMap(
        weight: "\(module).weight", a: a, b: a.replacing(".lora_A.", with: ".lora_B."))
    }
  }
}

/// Parameters of a model without its adapter that computes the same: `W + s B A`.
func merged(_ parameters: [String: [Double]], of model: DecoderConfiguration) -> [String: [Double]]
{
  guard let adapter = model.adapter else { return parameters }
  var merged = parameters
  for map in AdaptedMap.all(of: model) {
    guard let a = parameters[map.a], let b = parameters[map.b] else { continue }
    let (r, input) = (adapter.rank, a.count / adapter.rank)
    for index in 0..<(parameters[map.weight]?.count ?? 0) {
      let (o, i) = index.quotientAndRemainder(dividingBy: input)
      let sum = (0..<r).reduce(0.0) { $0 + b[o * r + $1] * a[$1 * input + i] }
      merged[map.weight]?[index] += Double(adapter.scale) * sum
    }
    (merged[map.a], merged[map.b]) = (nil, nil)
  }
  return merged
}

/// The oracle's description of a point's model.
func referenceConfiguration(of model: DecoderConfiguration) -> ReferenceDecoder.Configuration {
  ReferenceDecoder.Configuration(
    vocab: model.vocab, dModel: model.dModel, layers: model.layers, heads: model.heads,
    kvHeads: model.kvHeads, dHead: model.dHead, dFF: model.dFF,
    epsilon: Double(model.normEpsilon),
    frequencies: model.headRotation(ofLength: 1)?.frequencies.map(Double.init),
    tiesEmbeddings: model.tiedEmbeddings)
}

/// Draws parameters as float32 numbers, so that both sides start from the same values.
func drawParameters(
  for model: DecoderConfiguration, seed: UInt64
) -> [String: [Double]] {
  var generator = SplitMix64(seed: seed)
  var parameters = referenceConfiguration(of: model).randomParameters(using: &generator)
  for tensor in WeightMap(model).tensors where AdapterConfiguration.owns(tensor.name) {
    parameters[tensor.name] = (0..<tensor.shape.reduce(1, *)).map { _ in
      Double.random(in: -0.3...0.3, using: &generator)
    }
  }
  return parameters.mapValues { $0.map { Double(Float($0)) } }
}

/// Runs a point on the CPU with given parameters and the tokens that its seed draws.
func runOnCPU(
  _ point: Point, parameters: [String: [Double]], recordsLedger: Bool = true
) throws -> Run {
  let backend = try CPUBackend(threads: point.threads)
  let step = try TrainingStep(point, on: backend.backend, recordsLedger: recordsLedger)
  for parameter in step.decoder.parameters {
    let values = parameters[parameter.name] ?? []
    backend.write(values.map(Float.init), to: parameter.value)
  }
  let stride = point.tokensPerSequence
  var batches: [Run.Part] = []
  func add(_ point: Point, _ tokens: [[Int]]) {
    let batch = ReferenceDecoder.Batch(
      tokens: tokens, prefixLength: point.nC,
      lossRows: point.lossRows == .generated ? .generated : .nextToken)
    batches.append(
      Run.Part(
        batch: batch, lossRows: tokens.count * point.lossPositions.count,
        cut: point.mode.isExact ? 0 : point.cut))
  }
  var first = 0
  for sequence in point.sequencePoints {
    let end = first + sequence.tokensPerSequence
    add(sequence, [step.tokens.ids[first..<end].map(Int.init)])
    first = end
  }
  if batches.isEmpty {
    add(
      point,
      (0..<point.sequences).map { sequence in
        step.tokens.ids[sequence * stride..<(sequence + 1) * stride].map(Int.init)
      })
  }
  var atBoundary = 0
  var ledgerAtBoundary = 0
  var unsaved: [StorageDescription] = []
  let result = try step.run { ledger in
    atBoundary = try backend.allocatedBytes(of: .activation)
    ledgerAtBoundary = ledger.liveAllocatedBytes[.activation]
    let saved = Set(ledger.savedStorages().map(\.id))
    unsaved = ledger.liveStorages(of: .activation).filter { !saved.contains($0.id) }
      .map(\.description)
  }
  return Run(
    point: point, result: result,
    gradients: step.gradients().mapValues { $0.map(Double.init) },
    reference: ReferenceDecoder(
      referenceConfiguration(of: point.model), parameters: merged(parameters, of: point.model)),
    batches: batches,
    allocatedAtBoundary: atBoundary,
    allocatedAfter: try backend.allocatedBytes(of: .activation),
    ledgerAllocatedAtBoundary: ledgerAtBoundary,
    unsavedAtBoundary: unsaved, parameters: parameters)
}

/// Shapes alone, counted as the CPU takes them.
var shapes: Backend {
  .shapes(
    sizeClass: { CPUBackend.sizeClass($0) }, tiles: { CPUBackend.tileBytes(for: $0, isHere: true) })
}

/// Runs a point on shapes alone, with jemalloc's size classes.
func runOnShapes(_ point: Point) throws -> StepResult {
  try TrainingStep(point, on: shapes).run()
}

/// `‖gradient − expected‖ / ‖expected‖` of every parameter.
///
/// What lies within eight of float32's roundings of the whole gradient, 2⁻²¹ of its norm, counts as
/// 0: a gradient may be zero by the formulas, as W_Q's under a single key, or almost, where a row's
/// `dP − Σ P · dP` cancels: sums of up to 50 terms drift by about √50 roundings.
func relativeErrors(
  _ gradients: [String: [Double]], against expected: [String: [Double]]
) -> [String: Double] {
  let rounding = 0x1p-21 * norm(expected.values.flatMap(\.self))
  return expected.reduce(into: [:]) { errors, entry in
    let ours = gradients[entry.key] ?? []
    guard ours.count == entry.value.count else {
      errors[entry.key] = .infinity
      return
    }
    let difference = norm(zip(ours, entry.value).map { $0 - $1 })
    errors[entry.key] = difference <= rounding ? 0 : difference / norm(entry.value)
  }
}

/// A random point of a small model; every axis that exists takes part.
///
/// `extreme` draws widths of 1 to 5 and vocabularies of 2 too. Those models can be ill-conditioned:
/// a norm over three numbers that almost vanish, sequences of one and the same token.
func randomPoint(_ index: Int, extreme: Bool = false) -> Point {
  var generator = SplitMix64(seed: UInt64(index) &* 7919 &+ 17)
  func draw(_ values: [Int]) -> Int { values.randomElement(using: &generator) ?? 0 }
  func flip() -> Bool { Bool.random(using: &generator) }
  let kvHeads = draw([1, 1, 2, 3])
  let heads = kvHeads * draw([1, 2, 3])
  let dHead = draw([2, 4, 6, 8])
  let model = DecoderConfiguration(
    layers: draw([1, 1, 2, 3]),
    dModel: heads * dHead >= 16 && flip()
      ? heads * dHead : draw(extreme ? [3, 5, 8, 17] : [16, 17, 24, 31]),
    heads: heads, kvHeads: kvHeads, dHead: dHead, dFF: draw(extreme ? [1, 5] : [9, 16, 33]),
    vocab: draw(extreme ? [2, 7] : [11, 50]), ropeTheta: Double(draw([100, 10_000])),
    tiedEmbeddings: flip())
  var point = Point(
    modelName: "random", model: model, nC: draw([0, 1, 2, 3, 7, 16, 21]),
    nG: draw([1, 2, 3, 5, 12]))
  point.lossRows = flip() ? .generated : .nextToken
  if point.lossPositions.isEmpty { point.nG += 1 }
  point.batch = draw([1, 1, 2, 3])
  point.attention = flip() ? .materialized : .fused
  point.head = HeadKind.allCases.randomElement(using: &generator) ?? .lossRows
  point.chunk = draw([1, 3, 8, 256])
  point.threads = draw([1, 2])
  point.seed = generator.next()
  if flip() { point.recompute = Recompute.allCases[draw([1, 2, 3])] }
  return point
}

/// The same point with several completions of each prefix, which share it.
func grouped(_ point: Point, _ index: Int) -> Point {
  var other = point
  other.suffixes = [2, 3, 4][index % 3]
  other.sharing = .prefix
  other.suffixesAtATime = [0, 1, 0, 2][index % 4]
  if other.head == .allRows { other.head = .lossRows }
  return other
}

/// The same point with sequences of different lengths.
func lengthened(_ point: Point, _ index: Int) -> Point {
  var generator = SplitMix64(seed: UInt64(index) &* 31_337 &+ 5)
  var other = point
  other.lengths = Lengths(
    (0..<[2, 3, 5][index % 3]).map { _ in
      let nC = [0, 1, 4, 9, 20].randomElement(using: &generator) ?? 0
      let nG = [1, 2, 5, 11].randomElement(using: &generator) ?? 1
      return (nC, nC == 0 ? nG + 1 : nG)
    })
  return other
}

/// The same point with completions of different length, which share its prefix.
func raggedGroup(_ point: Point, _ index: Int) -> Point {
  var generator = SplitMix64(seed: UInt64(index) &* 7901 &+ 11)
  var other = grouped(point, index)
  let least = other.lossRows == .nextToken && other.nC == 0 ? 2 : 1
  other.lengths =
    Lengths(
      (0..<[2, 3, 5][index / 3 % 3]).map { _ in
        (other.nC, max([1, 2, 5, 11].randomElement(using: &generator) ?? 1, least))
      })
  return other
}

/// The same point with an adapter on some linear maps, and perhaps some of the base trained.
func adapted(_ point: Point, _ index: Int) -> Point {
  var generator = SplitMix64(seed: UInt64(index) &* 104_729 &+ 3)
  let maps = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
  let targets = maps.filter { _ in Bool.random(using: &generator) }
  var other = point
  other.lora = written(
    "r=\([1, 2, 3, 5][index % 4]),alpha=\([1, 4][index % 2]),targets="
      + (targets.isEmpty ? "all-linear" : targets.joined(separator: "+"))
      + (index % 3 == 0 ? ",rslora=true" : ""))
  other.trainable = written(
    ["", "", "norm", "embed|q_proj.weight"][Int(generator.next() % 4)])
  return other
}

/// The same point with the prefix detached, keeping some of its rows at random.
func detached(_ point: Point, keeping index: Int) -> Point {
  var other = point
  let kept = [0, 0, 1, point.nC / 2, point.nC][index % 5].clamped(to: 0...point.nC)
  other.mode = .detachedPrefix(keep: kept)
  return other
}

extension Int {
  func clamped(to range: ClosedRange<Int>) -> Int {
    Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
  }
}

extension Mode {
  /// Every mode, with the default of its settings.
  static var allCases: [Mode] { ModeName.allCases.map(Mode.init) }
}
