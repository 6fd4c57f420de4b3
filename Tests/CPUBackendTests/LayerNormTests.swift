import CPUBackend
import Ledger
import Tensors
import Testing

extension CPUBackendTests {
  @Test(arguments: RowCase.all)
  func `layerNorm and its gradients match the reference`(_ c: RowCase) throws {
    let bench = try Bench()
    let (n, d) = (c.rows, c.width)
    let cells = Shape(.plain(c.batch), .tokens(c.start..<c.start + c.tokens))
    let x = try bench.tensor(c.shape, c.dtype, isView: c.isView)
    let (weight, bias) = try (
      bench.tensor(Shape(.plain(d)), c.dtype), bench.tensor(Shape(.plain(d)), c.dtype)
    )
    let y = try bench.tensor(c.shape, c.dtype, isView: !c.isView)
    let (mean, rstd) = try (bench.tensor(cells, isView: c.isView), bench.tensor(cells))
    bench.backend.layerNorm(
      x, weight: weight, bias: bias, epsilon: 1e-5, to: y, mean: mean, rstd: rstd)
    guard d > 0 else { return }
    let (xs, ws, bs) = (bench.values(x), bench.values(weight), bench.values(bias))
    let means = sums(xs, width: d, rows: n).map { $0 / Double(d) }
    let deviations = xs.indices.map { xs[$0] - means[$0 / d] }
    let scales = sums(deviations.map { $0 * $0 }, width: d, rows: n).map {
      1 / ($0 / Double(d) + 1e-5).squareRoot()
    }
    let zeros = Array(repeating: 0.0, count: n * d)
    #expect(relativeError(bench.values(rstd), scales) <= 1e-5)
    #expect(zip(bench.values(mean), means).allSatisfy { abs($0 - $1) < 1e-6 })
    let normals = deviations.indices.map { deviations[$0] * scales[$0 / d] }
    let expected = normals.indices.map { normals[$0] * ws[$0 % d] + bs[$0 % d] }
    #expect(relativeError(bench.values(y), expected) <= c.tolerance * 2)

    for accumulates in [false, true] {
      let dy = try bench.tensor(c.shape, c.dtype, isView: c.isView)
      let dx = try bench.tensor(c.shape, c.dtype)
      let partials = try bench.tensor(Shape(.plain(RowBlock.count(for: n)), .plain(d)))
      let dweight = try bench.tensor(Shape(.plain(d)))
      let (dys, before) = (bench.values(dy), bench.values(dx))
      let g = dys.indices.map { dys[$0] * ws[$0 % d] }
      let averages = sums(g, width: d, rows: n).map { $0 / Double(d) }
      let weighted = sums(zip(g, normals).map(*), width: d, rows: n).map { $0 / Double(d) }
      let gradient = g.indices.map { index -> Double in
        let row = index / d
        let value = scales[row] * (g[index] - averages[row] - normals[index] * weighted[row])
        return value + (accumulates ? before[index] : 0)
      }
      var dweights = Array(repeating: 0.0, count: d)
      for index in dys.indices { dweights[index % d] += dys[index] * normals[index] }
      bench.backend.layerNormBackward(
        dy, x: x, mean: mean, rstd: rstd, weight: weight, to: dx, accumulates: accumulates,
        partials: partials)
      bench.backend.sumRows(partials, to: dweight, accumulates: false)
      // Narrow rows all but cancel: the error is relative to what the terms were.
      let size = max(relativeError(g, zeros), 1e-3) * (scales.max() ?? 1)
      let error = relativeError(zip(bench.values(dx), gradient).map(-), zeros)
      #expect(error <= c.tolerance * 2 * size)
      if d > 1 { #expect(relativeError(bench.values(dweight), dweights) <= 5e-6) }
      if !accumulates {
        bench.backend.layerNormBackward(
          dy, x: x, mean: mean, rstd: rstd, weight: weight, to: dy, accumulates: false,
          partials: nil)
        #expect(bench.backend.read(dy) == bench.backend.read(dx))
      }
    }
    bench.backend.layerNorm(
      x, weight: weight, bias: bias, epsilon: 1e-5, to: x, mean: mean, rstd: rstd)
    #expect(bench.backend.read(x) == bench.backend.read(y))
  }

  @Test func `layerNorm is accurate far from zero`() throws {
    let bench = try Bench()
    let shape = Shape(.plain(1), .tokens(0..<20), .plain(771))
    let cells = Shape(.plain(1), .tokens(0..<20))
    let root: Float = 1.732_050_8  // a deviation of 1
    let x = try bench.tensor(shape, range: 100 - root...100 + root)
    let weight = try bench.tensor(Shape(.plain(771)), values: Array(repeating: 1, count: 771))
    let bias = try bench.tensor(Shape(.plain(771)), values: Array(repeating: 0, count: 771))
    let y = try bench.tensor(shape)
    let (mean, rstd) = try (bench.tensor(cells), bench.tensor(cells))
    bench.backend.layerNorm(
      x, weight: weight, bias: bias, epsilon: 0, to: y, mean: mean, rstd: rstd)
    let xs = bench.values(x)
    let means = sums(xs, width: 771, rows: 20).map { $0 / 771 }
    let squares = xs.indices.map { (xs[$0] - means[$0 / 771]) * (xs[$0] - means[$0 / 771]) }
    let scales = sums(squares, width: 771, rows: 20).map { 1 / ($0 / 771).squareRoot() }
    #expect(relativeError(bench.values(mean), means) <= 6e-8)
    #expect(relativeError(bench.values(rstd), scales) <= 2e-7)
    let expected = xs.indices.map { (xs[$0] - means[$0 / 771]) * scales[$0 / 771] }
    #expect(relativeError(bench.values(y), expected) <= 5e-6)
  }

  @Test(arguments: RowCase.all)
  func `biases and partial sums match the reference`(_ c: RowCase) throws {
    let bench = try Bench()
    for other in DType.numbers {
      let y = try bench.tensor(c.shape, c.dtype, isView: c.isView)
      let bias = try bench.tensor(Shape(.plain(c.width)), other)
      let (before, values) = (bench.values(y), bench.values(bias))
      bench.backend.addBias(bias, to: y)
      let expected = before.indices.map { before[$0] + values[$0 % c.width] }
      #expect(relativeError(bench.values(y), expected) <= c.tolerance)
    }
    let x = try bench.tensor(c.shape, c.dtype, isView: c.isView)
    let blocks = RowBlock.count(for: c.rows)
    let partials = try bench.tensor(Shape(.plain(blocks), .plain(c.width)), isView: c.isView)
    let values = bench.values(x)
    var expected = Array(repeating: 0.0, count: blocks * c.width)
    for index in values.indices {
      expected[index / c.width / RowBlock.size * c.width + index % c.width] += values[index]
    }
    bench.backend.partialSums(x, to: partials)
    #expect(relativeError(bench.values(partials), expected) <= 1e-6)
  }
}
