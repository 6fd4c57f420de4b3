import CPUBackend
import Foundation
import Ledger
import Tensors
import Testing

/// Row-wise ops against sums written down naively in float64.
extension CPUBackendTests {
  @Test func `a view holds its values at its strides`() throws {
    let bench = try Bench()
    for dtype in DType.numbers + [.uint8] {
      let whole = try bench.tensor(
        Shape(.plain(3), .plain(5), .plain(20)), dtype, values: (0..<300).map { Float($0 % 256) })
      let view = whole.sliced(1, 1..<3).sliced(2, 2..<19)
      var expected: [Float] = []
      for b in 0..<3 {
        for t in 1..<3 {
          for j in 2..<19 { expected.append(Float((b * 100 + t * 20 + j) % 256)) }
        }
      }
      #expect(bench.backend.read(view) == expected)
      bench.backend.fill(whole, with: 3)
      bench.backend.fill(view, with: 1)
      #expect(bench.backend.read(whole).count { $0 == 1 } == 3 * 2 * 17)
      #expect(bench.backend.read(view.transposed(0, 1)) == Array(repeating: 1, count: 102))
      let copy = try bench.tensor(view.shape, dtype, values: expected)
      bench.backend.copy(copy, to: view)
      #expect(bench.backend.read(view) == expected)
    }
  }

  @Test func `bfloat16 rounds to nearest even and keeps what is not a number`() throws {
    let bench = try Bench()
    let cases: [(Float, Float)] = [
      (1, 1), (1 + 0x1p-8, 1), (1 + 0x1.8p-7, 1 + 0x1p-6), (1 + 0x1.02p-8, 1 + 0x1p-7),
      (-1 - 0x1p-8, -1), (.infinity, .infinity), (-.infinity, -.infinity),
      (.greatestFiniteMagnitude, .infinity), (0x1p-133, 0x1p-133),
    ]
    for padding in [0, 8] {  // once through the tail's scalar path, once through the lanes
      let inputs = cases.map(\.0) + Array(repeating: 0, count: padding)
      let tensor = try bench.tensor(Shape(.plain(inputs.count)), .bfloat16, values: inputs)
      #expect(bench.backend.read(tensor).prefix(cases.count) == cases.map(\.1)[...])
      let quiet = Array(repeating: Float(bitPattern: 0x7F80_0001), count: 9)
      let nans = try bench.tensor(Shape(.plain(9)), .bfloat16, values: quiet)
      #expect(bench.backend.read(nans).allSatisfy { $0.isNaN })
    }
  }

  @Test(arguments: RowCase.all)
  func `copy and add match the reference`(_ c: RowCase) throws {
    let bench = try Bench()
    for other in DType.numbers {
      let x = try bench.tensor(c.shape, c.dtype, isView: c.isView)
      let y = try bench.tensor(c.shape, other)
      let sum = zip(bench.values(x), bench.values(y)).map(+)
      bench.backend.add(x, to: y)
      #expect(relativeError(bench.values(y), sum) <= (other == .float32 ? 1e-7 : 3e-3))
      bench.backend.copy(x, to: y)
      let error = relativeError(bench.values(y), bench.values(x))
      #expect(error <= (other == .float32 || c.dtype == .bfloat16 ? 0 : 3e-3))
    }
  }

  @Test(arguments: RowCase.all)
  func `gathered and scattered rows match the reference`(_ c: RowCase) throws {
    let bench = try Bench()
    let (vocab, stride) = (5, c.start + c.tokens + 2)
    let ids = (0..<c.batch * stride).map { _ in Int32.random(in: 0..<5, using: &bench.draws) }
    let table = try bench.tensor(Shape(.plain(vocab), .plain(c.width)), c.dtype, isView: c.isView)
    let y = try bench.tensor(c.shape, c.dtype)
    bench.backend.gatherRows(of: table, ids: ids, idStride: stride, to: y)
    let rows = (0..<c.rows).map { row in
      Int(ids[row / c.tokens * stride + c.start + row % c.tokens])
    }
    let source = bench.values(table)
    #expect(
      bench.values(y) == rows.flatMap { source[$0 * c.width..<($0 + 1) * c.width] })

    let dy = try bench.tensor(c.shape, c.dtype, isView: c.isView)
    let gradient = try bench.tensor(Shape(.plain(vocab), .plain(c.width)))
    var expected = bench.values(gradient)
    let values = bench.values(dy)
    let kept = ids.indices.map { $0 % 3 == 0 ? -1 - ids[$0] : ids[$0] }
    for row in rows.indices {
      let id = Int(kept[row / c.tokens * stride + c.start + row % c.tokens])
      guard id >= 0 else { continue }
      for j in 0..<c.width { expected[id * c.width + j] += values[row * c.width + j] }
    }
    bench.backend.scatterAddRows(dy, ids: kept, idStride: stride, to: gradient)
    #expect(relativeError(bench.values(gradient), expected) <= 1e-6)
  }

  @Test(arguments: RowCase.all)
  func `rmsNorm and its gradients match the reference`(_ c: RowCase) throws {
    let bench = try Bench()
    let (n, d) = (c.rows, c.width)
    let cells = Shape(.plain(c.batch), .tokens(c.start..<c.start + c.tokens))
    let x = try bench.tensor(c.shape, c.dtype, isView: c.isView)
    let weight = try bench.tensor(Shape(.plain(d)), c.dtype)
    let y = try bench.tensor(c.shape, c.dtype, isView: c.isView)
    let rstd = try bench.tensor(cells, isView: c.isView)
    bench.backend.rmsNorm(x, weight: weight, epsilon: 1e-5, to: y, rstd: rstd)
    let (xs, ws) = (bench.values(x), bench.values(weight))
    let scales = sums(xs.map { $0 * $0 }, width: d, rows: n).map { sum -> Double in
      1 / (sum / Double(d) + 1e-5).squareRoot()
    }
    if d > 0 { #expect(relativeError(bench.values(rstd), scales) <= 1e-6) }
    let normals = (0..<n * d).map { xs[$0] * scales[$0 / d] }
    let expected = (0..<n * d).map { normals[$0] * ws[$0 % d] }
    #expect(relativeError(bench.values(y), expected) <= c.tolerance)

    for accumulates in [false, true] {
      let dy = try bench.tensor(c.shape, c.dtype, isView: c.isView)
      let dx = try bench.tensor(c.shape, c.dtype)
      let partials = try bench.tensor(Shape(.plain(RowBlock.count(for: n)), .plain(d)))
      let dweight = try bench.tensor(Shape(.plain(d)))
      let (dys, before) = (bench.values(dy), bench.values(dx))
      let g = (0..<n * d).map { dys[$0] * ws[$0 % d] }
      let means = sums(zip(g, normals).map(*), width: d, rows: n).map { $0 / Double(d) }
      let gradient = (0..<n * d).map { index -> Double in
        let value = scales[index / d] * (g[index] - normals[index] * means[index / d])
        return value + (accumulates ? before[index] : 0)
      }
      var dweights = accumulates ? bench.values(dweight) : Array(repeating: 0, count: d)
      for index in 0..<n * d { dweights[index % d] += dys[index] * normals[index] }
      bench.backend.rmsNormBackward(
        dy, x: x, rstd: rstd, weight: weight, to: dx, accumulates: accumulates, partials: partials)
      bench.backend.sumRows(partials, to: dweight, accumulates: accumulates)
      // With a width of 1 the two terms all but cancel: the error is relative to what they were.
      guard d > 0 else { continue }
      let size = relativeError(g, Array(repeating: 0, count: n * d)) * (scales.max() ?? 1)
      let error = relativeError(
        zip(bench.values(dx), gradient).map(-), Array(repeating: 0, count: n * d))
      #expect(error <= c.tolerance * max(size, 1e-3) * 2)
      #expect(relativeError(bench.values(dweight), dweights) <= 2e-6)
    }
  }

  @Test(arguments: RowCase.all)
  func `sums of rows match the reference`(_ c: RowCase) throws {
    let bench = try Bench()
    let x = try bench.tensor(c.shape, c.dtype, isView: c.isView)
    let y = try bench.tensor(Shape(.plain(c.width)), c.dtype)
    let values = bench.values(x)
    for accumulates in [true, false] {
      var expected = accumulates ? bench.values(y) : Array(repeating: 0, count: c.width)
      for index in 0..<values.count { expected[index % c.width] += values[index] }
      bench.backend.sumRows(x, to: y, accumulates: accumulates)
      #expect(relativeError(bench.values(y), expected) <= c.tolerance)
    }
  }

  @Test(arguments: RowCase.all)
  func `swiGLU and its gradients match the reference`(_ c: RowCase) throws {
    let bench = try Bench()
    let gate = try bench.tensor(c.shape, c.dtype, isView: c.isView, range: -12...12)
    let up = try bench.tensor(c.shape, c.dtype)
    let y = try bench.tensor(c.shape, c.dtype, isView: c.isView)
    bench.backend.swiGLU(gate: gate, up: up, to: y)
    let (g, u) = (bench.values(gate), bench.values(up))
    let sigma = g.map { 1 / (1 + exp(-$0)) }
    #expect(
      relativeError(bench.values(y), (0..<g.count).map { g[$0] * sigma[$0] * u[$0] })
        <= c.tolerance)

    let dy = try bench.tensor(c.shape, c.dtype, isView: c.isView)
    let dgate = try bench.tensor(c.shape, c.dtype)
    let dup = try bench.tensor(c.shape, c.dtype)
    bench.backend.swiGLUBackward(dy, gate: gate, up: up, dgate: dgate, dup: dup)
    let d = bench.values(dy)
    let expected = (0..<g.count).map { index -> Double in
      d[index] * u[index] * sigma[index] * (1 + g[index] * (1 - sigma[index]))
    }
    #expect(relativeError(bench.values(dgate), expected) <= c.tolerance * 2)
    #expect(
      relativeError(bench.values(dup), (0..<g.count).map { d[$0] * g[$0] * sigma[$0] })
        <= c.tolerance)
  }

  @Test func `swiGLU saturates at large gates`() throws {
    let bench = try Bench()
    let shape = Shape(.plain(9))
    let gate = try bench.tensor(shape, values: [1e30, 1000, 90, 88, 0, -88, -90, -1000, -1e30])
    let up = try bench.tensor(shape, values: Array(repeating: 1, count: 9))
    let y = try bench.tensor(shape)
    bench.backend.swiGLU(gate: gate, up: up, to: y)
    #expect(bench.backend.read(y).prefix(5) == [1e30, 1000, 90, 88, 0])
    #expect(bench.backend.read(y).suffix(4).prefix(3).allSatisfy { $0 <= 0 && $0 > -1e-34 })
  }

  @Test(arguments: RowCase.all)
  func `cross entropy and its gradient match the reference`(_ c: RowCase) throws {
    guard c.width > 0 else { return }
    let bench = try Bench()
    let logits = try bench.tensor(c.shape, c.dtype, isView: c.isView, range: -8...8)
    let labels = (0..<c.rows).map { _ in
      Int32.random(in: 0..<Int32(c.width), using: &bench.draws)
    }
    let cells = Shape(.plain(c.batch), .tokens(c.start..<c.start + c.tokens))
    let logSumExp = try bench.tensor(cells, isView: c.isView)
    let z = bench.values(logits)
    let logSums = sums(z.map { exp($0) }, width: c.width, rows: c.rows).map { log($0) }
    var expected = 0.0
    for row in 0..<c.rows { expected += logSums[row] - z[row * c.width + Int(labels[row])] }
    let sum = bench.backend.crossEntropy(logits, labels: labels, logSumExp: logSumExp)
    #expect(abs(sum - expected) <= 1e-6 * max(1, expected))
    #expect(relativeError(bench.values(logSumExp), logSums) <= 1e-6)

    bench.backend.crossEntropyBackward(
      logits, labels: labels, logSumExp: logSumExp, rows: c.rows + 3)
    let gradient = (0..<z.count).map { index -> Double in
      let row = index / c.width
      let target = Int(labels[row]) == index % c.width ? 1.0 : 0
      return (exp(z[index] - logSums[row]) - target) / Double(c.rows + 3)
    }
    // Where the only class is the label, the gradient is 0 to the rounding of the statistics.
    let error = relativeError(bench.values(logits), gradient)
    #expect(c.width == 1 ? error <= 1e-6 : error <= c.tolerance * 2)
  }

  /// Rows longer than what is summed at once, whose maximum comes early, late, or grows.
  @Test(arguments: [DType.float32, .bfloat16], [-1000, 0, 1000] as [Float])
  func `cross entropy over a large vocabulary is that of double precision`(
    dtype: DType, level: Float
  ) throws {
    let bench = try Bench()
    let (rows, vocab) = (4, 10_007)
    var values = (0..<rows * vocab).map { index -> Float in
      let (row, column) = index.quotientAndRemainder(dividingBy: vocab)
      let slope: [Float] = [0, 30, -30, 0]
      let climb = slope[row] * Float(column) / Float(vocab)
      return level + climb + Float.random(in: -4...4, using: &bench.draws)
    }
    values.replaceSubrange(
      3 * vocab..<3 * vocab + 9000, with: repeatElement(-.infinity, count: 9000))
    let logits = try bench.tensor(
      Shape(.plain(1), .tokens(0..<rows), .plain(vocab)), dtype, values: values)
    let logSumExp = try bench.tensor(Shape(.plain(1), .tokens(0..<rows)))
    let z = bench.values(logits)
    let labels: [Int32] = [0, 10_006, 5000, 9500]
    let total = bench.backend.crossEntropy(logits, labels: labels, logSumExp: logSumExp)
    var expected = 0.0
    for row in 0..<rows {
      let row = (values: z[row * vocab..<(row + 1) * vocab], label: Int(labels[row]), row)
      let top = row.values.max() ?? 0
      let sum = row.values.reduce(0) { $0 + exp($1 - top) }
      let logSum = top + log(sum)
      let ulp = Double(Float(logSum).ulp)
      #expect(abs(bench.values(logSumExp)[row.2] - logSum) <= ulp + 1e-6)
      expected += logSum - z[row.2 * vocab + row.label]
    }
    #expect(abs(total - expected) <= 4 * Double(max(1, abs(level)).ulp) + 4e-6)

    bench.backend.crossEntropyBackward(logits, labels: labels, logSumExp: logSumExp, rows: 1)
    let gradient = bench.values(logits)
    // What float32 makes of a sum of exponentials near `level`.
    let room = Double(max(1, abs(level)).ulp) + (dtype == .bfloat16 ? 0x1p-8 : 0x1p-20)
    for row in 0..<rows {
      #expect(abs(gradient[row * vocab..<(row + 1) * vocab].reduce(0, +)) <= 4 * room)
    }
    #expect(gradient[3 * vocab] == 0)
  }

  @Test func `cross entropy of what is not a number is not a number`() throws {
    let bench = try Bench()
    var values = (0..<6000).map { _ in Float.random(in: -1...1, using: &bench.draws) }
    values[5000] = .nan
    let logits = try bench.tensor(
      Shape(.plain(1), .tokens(0..<1), .plain(values.count)), values: values)
    let logSumExp = try bench.tensor(Shape(.plain(1), .tokens(0..<1)))
    #expect(bench.backend.crossEntropy(logits, labels: [0], logSumExp: logSumExp).isNaN)
  }
}
