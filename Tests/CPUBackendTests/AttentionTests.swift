import CPUBackend
import Foundation
import Ledger
import Tensors
import TestSupport
import Testing
import TiledAttention

/// One random pass of attention: rows that see keys from 0 to their own, in one block or two.
struct AttentionCase: Sendable, CustomTestStringConvertible {
  let number: Int
  let batch: Int
  let geometry: HeadGeometry
  let rows: Range<Int>
  /// Where the second block of keys begins; nil for one block.
  let split: Int?
  let window: Int?
  let dropout: Dropout?
  let memory: AttentionMemory
  let dtype: DType
  let tiling: AttentionTiling
  /// Whether gradients are added to what their sums hold.
  let accumulates: Bool

  var attention: Attention {
    Attention(
      geometry, memory: memory, window: window, dropout: dropout,
      layout: SequenceLayout(nC: rows.lowerBound, nG: rows.count, lossRows: rows))
  }
  var testDescription: String {
    "\(number): \(batch) × \(geometry.heads)/\(geometry.kvHeads) heads of \(geometry.dHead), rows "
      + "\(rows), split \(split ?? 0), window \(window ?? 0), \(memory), \(dtype), tiles of "
      + "\(tiling.rows) × \(tiling.keys)\(dropout == nil ? "" : ", dropout")"
  }

  static let all: [AttentionCase] = {
    var draws = Draws(state: 11)
    return (0..<240).map { number in
      func draw(_ values: [Int]) -> Int { values.randomElement(using: &draws) ?? 1 }
      let first = draw([0, 0, 1, 7, 33, 300])
      let drawn = draw([1, 2, 9, 40, 70, number % 24 == 0 ? 600 : 5])
      // Kept float32 probabilities of several runs of keys.
      let count = number % 24 == 9 ? 600 : drawn
      let kvHeads = draw([1, 2, 3])
      var tiling = AttentionTiling()
      if number % 3 > 0 {
        tiling.rows = draw([1, 3, 16])
        tiling.keys = draw([1, 5, 32])
        tiling.bytes = draw([64, 2000, 100_000])
      }
      return AttentionCase(
        number: number, batch: draw([1, 1, 2, 3]),
        geometry: HeadGeometry(
          heads: kvHeads * draw([1, 1, 2, 4]), kvHeads: kvHeads, dHead: draw([2, 8, 17])),
        rows: first..<first + count, split: first > 0 && number % 8 < 3 ? first : nil,
        window: number % 5 == 0 ? draw([1, 3, 20, 400]) : nil,
        dropout: number % 7 == 0
          ? Dropout(probability: 0.3, seed: 5, stream: "x", sequenceLength: first + count) : nil,
        memory: number % 2 == 0 ? .fused : .materialized,
        dtype: number % 6 > 3 ? .bfloat16 : .float32, tiling: tiling,
        accumulates: Bool.random(using: &draws))
    }
  }()
}

/// The formulas of `Attention`, one number at a time in double precision.
private struct NaiveAttention {
  let c: AttentionCase
  let q: [Double]
  let k: [Double]
  let v: [Double]
  let dO: [Double]
  private(set) var output: [Double]
  private(set) var logSumExp: [Double] = []
  private(set) var probabilities: [Double]
  private(set) var dq: [Double]
  private(set) var dk: [Double]
  private(set) var dv: [Double]
  /// The same sums of absolute terms: what rounding is relative to.
  private(set) var sizes: (output: [Double], dq: [Double], dk: [Double], dv: [Double])
  /// The largest `scale · Σ |q · k|`.
  private(set) var scoreSize = 0.0

  init(_ c: AttentionCase, q: [Double], k: [Double], v: [Double], dO: [Double]) {
    (self.c, self.q, self.k, self.v, self.dO) = (c, q, k, v, dO)
    let keys = c.rows.upperBound
    output = q.map { _ in 0 }
    (dq, dk, dv) = (q.map { _ in 0 }, k.map { _ in 0 }, v.map { _ in 0 })
    sizes = (output, dq, dk, dv)
    probabilities = Array(
      repeating: 0, count: c.batch * c.geometry.heads * c.rows.count * keys)
    for b in 0..<c.batch {
      for h in 0..<c.geometry.heads { for row in c.rows { run(b, h, row, keys) } }
    }
  }

  private mutating func run(_ b: Int, _ h: Int, _ row: Int, _ keys: Int) {
    let g = c.geometry
    let (d, scale) = (g.dHead, Double(g.scale))
    let seen = max(row - (c.window ?? row + 1) + 1, 0)...row
    let x = (b * c.rows.count + row - c.rows.lowerBound) * g.heads * d + h * d
    func y(_ key: Int) -> Int { (b * keys + key) * g.kvHeads * d + h / g.groupSize * d }
    func dot(_ a: [Double], _ i: Int, _ b: [Double], _ j: Int) -> Double {
      (0..<d).reduce(0) { $0 + a[i + $1] * b[j + $1] }
    }
    let scores = seen.map { scale * dot(q, x, k, y($0)) }
    let top = scores.max() ?? 0
    let sum = scores.reduce(0) { $0 + exp($1 - top) }
    logSumExp.append(top + log(sum))
    let p = scores.map { exp($0 - top) / sum }
    let factors = zip(seen, p).map { key, p in
      guard let dropout = c.dropout else { return 1.0 }
      let index = ((b * g.heads + h) * dropout.sequenceLength + row) * dropout.sequenceLength + key
      return dropout.keeps(index) ? Double(dropout.scale) : 0
    }
    let dP = zip(seen, factors).map { dot(dO, x, v, y($0)) * $1 }
    let mean = zip(p, dP).reduce(0) { $0 + $1.0 * $1.1 }
    func size(_ a: [Double], _ i: Int, _ b: [Double], _ j: Int) -> Double {
      (0..<d).reduce(0) { $0 + abs(a[i + $1] * b[j + $1]) }
    }
    scoreSize = max(scoreSize, seen.map { scale * size(q, x, k, y($0)) }.max() ?? 0)
    let dPSize = zip(seen, factors).map { size(dO, x, v, y($0)) * $1 }
    let meanSize = zip(p, dPSize).reduce(0) { $0 + $1.0 * $1.1 }
    let start = ((b * g.heads + h) * c.rows.count + row - c.rows.lowerBound) * keys
    for (index, key) in seen.enumerated() {
      probabilities[start + key] = p[index]
      let dS = scale * p[index] * (dP[index] - mean)
      for i in 0..<d {
        output[x + i] += p[index] * factors[index] * v[y(key) + i]
        dv[y(key) + i] += p[index] * factors[index] * dO[x + i]
        dq[x + i] += dS * k[y(key) + i]
        dk[y(key) + i] += dS * q[x + i]
        let dSSize = scale * p[index] * (dPSize[index] + meanSize)
        sizes.output[x + i] += p[index] * factors[index] * abs(v[y(key) + i])
        sizes.dv[y(key) + i] += p[index] * factors[index] * abs(dO[x + i])
        sizes.dq[x + i] += dSSize * abs(k[y(key) + i])
        sizes.dk[y(key) + i] += dSSize * abs(q[x + i])
      }
    }
  }
}

/// How far rounding may move results, relative to the sums of their terms' absolute values.
///
/// A float32 sum of `n` terms drifts by `√n` roundings of 2⁻²⁴. bfloat16 rounds by 2⁻⁸, and adds the
/// worst of each: P, P once more where it is dropped, and what is stored, once for every block; dk
/// and dv for every tile of rows and head of a group, all the same way where the terms are small.
private struct AttentionRounding {
  let logSumExp: Double
  let probabilities: Double
  let output: Double
  let dq: Double
  let dk: Double
  let dv: Double

  init(_ c: AttentionCase, _ naive: NaiveAttention) {
    let (u, h) = (0x1p-24, c.dtype == .float32 ? 0 : 0x1p-8)
    let width = Double(c.geometry.dHead).squareRoot()
    let keys = Double(c.rows.upperBound).squareRoot()
    let rows = Double(c.rows.count * c.geometry.groupSize).squareRoot()
    let blocks = c.split == nil ? 1.0 : 2
    // A score: the product's sum, then scale and maximum. P has a score and the sum of all, an
    // exponential within 2 units of 2⁻²³, and a quotient.
    let score = u * (width + 3) * naive.scoreSize
    logSumExp = score + u * (keys + 4 + (naive.logSumExp.map { abs($0) }.max() ?? 0))
    let exact = 2 * score + u * (keys + 6)
    probabilities = exact + h
    let factor = exact + h * (c.dropout == nil ? 1 : 2)
    output = factor + u * keys + h * blocks
    // dS: P, dP, D as of the output, and its own rounding, are within twice the output's.
    let dS = 2 * output + u * width
    let stores = Double((c.rows.count + c.tiling.rows - 1) / c.tiling.rows * c.geometry.groupSize)
    dq = dS + u * keys + h * (blocks + 1)
    dk = dS + u * rows + h * (stores + 1)
    dv = factor + u * rows + h * (stores + 1)
  }
}

/// Whether every value is within `bound · size` of what is expected.
private func expectWithin(
  _ bound: Double, of sizes: [Double], _ actual: [Double], _ expected: [Double],
  _ label: String, sourceLocation: SourceLocation = #_sourceLocation
) {
  var largest = 0.0
  for index in expected.indices {
    let error = abs(actual[index] - expected[index])
    largest = max(largest, error == 0 ? 0 : error / sizes[index])
  }
  #expect(
    actual.count == expected.count && largest <= bound, "\(label)",
    sourceLocation: sourceLocation)
}

extension CPUBackendTests {
  @Test(arguments: randomCases(AttentionCase.all.count).map { AttentionCase.all[$0] })
  func `attention and its gradients are the naive ones, however they are cut`(
    _ c: AttentionCase
  ) throws {
    let bench = try Bench(threads: c.number % 2 + 1, seed: UInt64(c.number))
    bench.backend.tiling = c.tiling
    let (g, keys) = (c.geometry, c.rows.upperBound)
    func tensor(_ rows: Range<Int>, _ heads: Int) throws -> Tensor {
      try bench.tensor(
        Shape(.plain(c.batch), .tokens(rows), .plain(heads * g.dHead)), c.dtype,
        isView: c.number % 3 == 0)
    }
    let (q, dO, o) = try (tensor(c.rows, g.heads), tensor(c.rows, g.heads), tensor(c.rows, g.heads))
    let (k, v) = try (tensor(0..<keys, g.kvHeads), tensor(0..<keys, g.kvHeads))
    let naive = NaiveAttention(
      c, q: bench.values(q), k: bench.values(k), v: bench.values(v), dO: bench.values(dO))

    let whole = KeyBlock(k: k, v: v)
    let blocks = c.split.map { [whole.at(rows: 0..<$0), whole.at(rows: $0..<keys)] } ?? [whole]
    var forward = AttentionForward(c.attention, q: q, blocks: blocks, output: o)
    let shape = Shape(.plain(c.batch), .plain(g.heads), .tokens(c.rows), .keys(0..<keys))
    if c.memory == .materialized {
      forward.kept.probabilities = try bench.tensor(shape, c.dtype)
      if c.dropout != nil {
        forward.kept.mask = try bench.tensor(shape, .uint8, range: 0...1)
        if c.number % 4 < 2 { forward.kept.dropped = try bench.tensor(shape, c.dtype) }
      }
    } else {
      forward.kept.logSumExp = try bench.tensor(
        Shape(.plain(c.batch), .plain(g.heads), .tokens(c.rows)))
    }
    try bench.backend.attention(
      forward, tiles: bench.scratch(for: .forward(forward)), scratchpad: bench.scratch)
    let rounding = AttentionRounding(c, naive)
    expectWithin(rounding.output, of: naive.sizes.output, bench.values(o), naive.output, "output")
    if let sums = forward.kept.logSumExp {
      let ones = naive.logSumExp.map { _ in 1.0 }
      expectWithin(rounding.logSumExp, of: ones, bench.values(sums), naive.logSumExp, "log-sum-exp")
    }
    if let all = forward.kept.probabilities {
      // Keys behind a row's own are nobody's to read.
      let ours = zip(bench.values(all), naive.probabilities).map { $1 == 0 ? 0 : $0 }
      expectWithin(
        rounding.probabilities, of: naive.probabilities, ours, naive.probabilities, "P")
    }
    try expectGradients(c, bench, forward, dO: dO, naive)
  }

  private func expectGradients(
    _ c: AttentionCase, _ bench: Bench, _ forward: AttentionForward, dO: Tensor,
    _ naive: NaiveAttention
  ) throws {
    let keys = c.rows.upperBound
    func sum(_ rows: Range<Int>, like tensor: Tensor) throws -> Tensor {
      try bench.tensor(Shape(.plain(c.batch), .tokens(rows), tensor.shape[2]), c.dtype)
    }
    var backward = AttentionBackward(c.attention, dO: dO, blocks: forward.blocks)
    backward.q = forward.q
    backward.k = forward.k
    backward.v = forward.v
    backward.kept = forward.kept
    if c.memory == .fused { backward.output = forward.output }
    // The rows' own keys, and those before them apart, which may be constants.
    let own = c.rows.lowerBound..<keys
    let dq = try sum(c.rows, like: forward.q)
    let dk = try sum(0..<keys, like: forward.k[0])
    let dv = try sum(0..<keys, like: forward.v[0])
    let before = [dq, dk, dv].map { bench.values($0) }
    let parts = c.number % 3 == 1 ? [own] : [own, 0..<own.lowerBound].filter { !$0.isEmpty }
    func sink(_ tensor: Tensor) -> GradientSink {
      GradientSink(tensor, accumulates: c.accumulates)
    }
    backward.dq = sink(dq)
    backward.dk = parts.map { sink(dk.at(rows: $0)) }
    backward.dv = parts.map { sink(dv.at(rows: $0)) }
    try bench.backend.attentionBackward(
      backward, tiles: bench.scratch(for: .backward(backward)), scratchpad: bench.scratch)
    let rounding = AttentionRounding(c, naive)
    let all = [
      ("dq", dq, naive.dq, naive.sizes.dq, rounding.dq, [c.rows]),
      ("dk", dk, naive.dk, naive.sizes.dk, rounding.dk, parts),
      ("dv", dv, naive.dv, naive.sizes.dv, rounding.dv, parts),
    ]
    for (index, (label, tensor, expected, sizes, bound, rows)) in all.enumerated() {
      for part in rows where !part.isEmpty {
        let width = tensor.extent(2)
        let first = tensor.shape[1].start
        let places = (0..<c.batch).flatMap { b in
          part.flatMap { row in
            let start = (b * tensor.extent(1) + row - first) * width
            return start..<start + width
          }
        }
        let held = places.map { c.accumulates ? before[index][$0] : 0 }
        expectWithin(
          bound, of: zip(places, held).map { sizes[$0] + abs($1) },
          bench.values(tensor.at(rows: part)), zip(places, held).map { expected[$0] + $1 },
          "\(label) of rows \(part)")
      }
    }
    let constants = parts.count == 1 ? 0..<c.rows.lowerBound : 0..<0
    #expect(
      bench.values(dk.at(rows: constants)).count == constants.count * c.batch * dk.extent(2))
  }

  @Test(arguments: [AttentionMemory.materialized, .fused])
  func `scores as large as float32 holds give weights that sum to one`(
    memory: AttentionMemory
  ) throws {
    let bench = try Bench()
    let (rows, geometry) = (0..<40, HeadGeometry(heads: 1, kvHeads: 1, dHead: 4))
    let shape = Shape(.plain(1), .tokens(rows), .plain(4))
    let (q, k) = try (
      bench.tensor(shape, range: -1e3...1e3), bench.tensor(shape, range: -1e3...1e3)
    )
    let ones = try bench.tensor(shape, values: Array(repeating: 1, count: 160))
    let o = try bench.tensor(shape)
    let attention = Attention(
      geometry, memory: memory, layout: SequenceLayout(nC: 0, nG: 40, lossRows: rows))
    let pass = AttentionForward(attention, q: q, blocks: [KeyBlock(k: k, v: ones)], output: o)
    try bench.backend.attention(
      pass, tiles: bench.scratch(for: .forward(pass)), scratchpad: bench.scratch)
    // Two sums of up to 40 terms drift by √40 roundings each; a quotient, a product and a store.
    let worst = bench.values(o).map { abs($0 - 1) }.max() ?? 1
    #expect(worst <= 16 * 0x1p-24)
  }
}

extension Bench {
  /// Scratch of exactly the size that a pass says it takes.
  func scratch(for pass: AttentionPass) throws -> Tensor? {
    try scratch(bytes: backend.tileBytes(for: pass))
  }

  func scratch(bytes: Int) throws -> Tensor? {
    bytes > 0
      ? try factory.make("scratch", .scratch, Shape(.plain((bytes + 3) / 4)), for: .workspace) : nil
  }
}
