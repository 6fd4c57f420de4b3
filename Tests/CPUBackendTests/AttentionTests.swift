import CPUBackend
import Foundation
import Ledger
import Tensors
import Testing

/// One random block of attention scores.
struct ScoreCase: Sendable, CustomTestStringConvertible {
  let batch: Int
  let heads: Int
  let queries: Range<Int>
  let keys: Range<Int>
  let window: Int?
  let dtype: DType
  let isView: Bool

  var shape: Shape { Shape(.plain(batch), .plain(heads), .tokens(queries), .keys(keys)) }
  var tolerance: Double { dtype == .float32 ? 1e-6 : 3e-3 }
  var testDescription: String {
    "\(batch) × \(heads) heads, rows \(queries), keys \(keys), "
      + "window \(window ?? 0), \(dtype)\(isView ? ", view" : "")"
  }

  /// Whether the element at a row-major index is allowed.
  func sees(_ index: Int) -> Bool {
    let key = keys.lowerBound + index % keys.count
    let position = queries.lowerBound + index / keys.count % queries.count
    return key <= position && key > position - (window ?? .max / 2)
  }

  static let all: [ScoreCase] = {
    var draws = Draws(state: 7)
    return (Array(1...70) + Array(1...40) + [300, 1025]).enumerated().flatMap { number, count in
      DType.numbers.map { dtype in
        let rows = Int.random(in: 0...12, using: &draws)
        let row = Int.random(in: 0...count + 5, using: &draws)
        let key = Int.random(in: 0...8, using: &draws)
        return ScoreCase(
          batch: Int.random(in: 1...2, using: &draws),
          heads: Int.random(in: 1...3, using: &draws), queries: row..<row + rows,
          keys: key..<key + count,
          window: number % 3 == 0 ? nil : Int.random(in: 1...count + 5, using: &draws),
          dtype: dtype, isView: Bool.random(using: &draws))
      }
    }
  }()
}

extension CPUBackendTests {
  @Test(arguments: ScoreCase.all)
  func `causal softmax and its gradient match the reference`(_ c: ScoreCase) throws {
    let bench = try Bench()
    let scores = try bench.tensor(c.shape, c.dtype, isView: c.isView, range: -30...30)
    let scale: Float = 0.3
    let s = bench.values(scores)
    var p = s.indices.map { c.sees($0) ? exp(Double(scale) * s[$0]) : 0 }
    let n = c.keys.count
    var logSums: [Double] = []
    for row in 0..<s.count / n {
      let sum = p[row * n..<(row + 1) * n].reduce(0, +)
      for index in row * n..<(row + 1) * n where sum > 0 { p[index] /= sum }
      logSums.append(log(sum))
    }
    let again = try bench.tensor(c.shape, c.dtype)
    bench.backend.copy(scores, to: again)
    let statistic = try bench.tensor(
      Shape(c.shape[0], c.shape[1], c.shape[2]), isView: c.isView)
    bench.backend.causalSoftmax(
      scores, scale: scale, window: c.window, logSumExp: statistic)
    let seeing = logSums.indices.filter { logSums[$0].isFinite }
    #expect(
      relativeError(seeing.map { bench.values(statistic)[$0] }, seeing.map { logSums[$0] }) <= 1e-6)
    bench.backend.causalProbabilities(
      again, scale: scale, window: c.window, logSumExp: statistic)
    #expect(relativeError(bench.values(again), p) <= 2 * c.tolerance)
    #expect(relativeError(bench.values(scores), p) <= c.tolerance)
    #expect(bench.values(scores).indices.allSatisfy { c.sees($0) || bench.values(scores)[$0] == 0 })

    for other in DType.numbers {
      let gradient = try bench.tensor(c.shape, other, isView: !c.isView)
      let (dP, q) = (bench.values(gradient), bench.values(scores))
      var dS = dP.map { _ in 0.0 }
      for row in 0..<s.count / n {
        let range = row * n..<(row + 1) * n
        let sum = range.map { q[$0] * dP[$0] }.reduce(0, +)
        for index in range { dS[index] = Double(scale) * q[index] * (dP[index] - sum) }
      }
      let copy = try bench.tensor(c.shape, other)
      bench.backend.copy(gradient, to: copy)
      bench.backend.causalSoftmaxBackward(
        gradient, probabilities: scores, scale: scale, rowDots: nil)
      let dots = (0..<s.count / n).map { row in
        (row * n..<(row + 1) * n).map { q[$0] * dP[$0] }.reduce(0, +)
      }
      let rowDots = try bench.tensor(
        Shape(c.shape[0], c.shape[1], c.shape[2]), values: dots.map(Float.init))
      bench.backend.causalSoftmaxBackward(
        copy, probabilities: scores, scale: scale, rowDots: rowDots)
      // A row with one key has no gradient; where rows cancel, the error is relative to P · dP.
      for d in [gradient, copy] {
        let values = bench.values(d)
        #expect(values.indices.allSatisfy { c.sees($0) || values[$0] == 0 })
      }
      let error = relativeError(zip(bench.values(gradient), dS).map(-), dS.map { _ in 0 })
      let size = relativeError(zip(q, dP).map(*), dS.map { _ in 0 })
      #expect(error <= (other == .float32 ? 1e-6 : 3e-3) * size)
      let givenError = relativeError(zip(bench.values(copy), dS).map(-), dS.map { _ in 0 })
      #expect(givenError <= (other == .float32 ? 1e-6 : 3e-3) * size)
    }
  }

  @Test(arguments: [0, 1, 7, 16], 1...28)
  func `a window shows a row its last keys alone`(_ lead: Int, window: Int) throws {
    let bench = try Bench()
    let shape = Shape(.plain(1), .plain(1), .tokens(lead..<lead + 9), .keys(0..<23))
    let values = (0..<9 * 23).map { index in
      let (row, key) = (lead + index / 23, index % 23)
      return key <= row && key > row - window ? Float(0) : Float.nan
    }
    let scores = try bench.tensor(shape, values: values)
    bench.backend.causalSoftmax(scores, scale: 1, window: window, logSumExp: nil)
    let p = bench.backend.read(scores)
    for row in 0..<9 {
      let seen = max(0, min(lead + row + 1, 23) - max(0, lead + row + 1 - window))
      let expected = (0..<23).map { values[row * 23 + $0].isNaN ? 0 : 1 / Float(seen) }
      #expect(zip(p[row * 23..<(row + 1) * 23], expected).allSatisfy { abs($0 - $1) < 1e-7 })
    }
  }

  @Test func `softmax rows sum to one however large the scores`() throws {
    let bench = try Bench()
    let shape = Shape(.plain(1), .plain(2), .tokens(100..<130), .keys(0..<130))
    let scores = try bench.tensor(shape, range: -1e4...1e4)
    bench.backend.causalSoftmax(scores, scale: 1, window: nil, logSumExp: nil)
    let p = bench.values(scores)
    for row in 0..<60 {
      #expect(abs(p[row * 130..<(row + 1) * 130].reduce(0, +) - 1) < 1e-6)
    }
  }

  @Test(arguments: DType.numbers)
  func `head dots are sums over the width of a head`(dtype: DType) throws {
    let bench = try Bench()
    let shape = Shape(.plain(2), .tokens(3..<8), .plain(3), .plain(17))
    let (x, y) = (try bench.tensor(shape, dtype, isView: true), try bench.tensor(shape, dtype))
    let dots = try bench.tensor(Shape(.plain(2), .plain(3), .tokens(3..<8)))
    bench.backend.headDots(x, y, to: dots)
    let products = zip(bench.values(x), bench.values(y)).map(*)
    var expected: [Double] = []
    for (batch, head) in (0..<2).flatMap({ batch in (0..<3).map { (batch, $0) } }) {
      for token in 0..<5 {
        let first = ((batch * 5 + token) * 3 + head) * 17
        expected.append(products[first..<first + 17].reduce(0, +))
      }
    }
    #expect(relativeError(bench.values(dots), expected) <= 1e-6)
  }

  @Test func `scores of minus infinity become zero`() throws {
    let bench = try Bench()
    let shape = Shape(.plain(1), .plain(1), .tokens(3..<4), .keys(0..<4))
    let scores = try bench.tensor(shape, values: [0, -.infinity, 0, -.infinity])
    bench.backend.causalSoftmax(scores, scale: 1, window: nil, logSumExp: nil)
    #expect(bench.backend.read(scores) == [0.5, 0, 0.5, 0])
  }

  @Test(arguments: RowCase.all.filter { $0.width % 2 == 0 && $0.width <= 300 })
  func `rotation matches the reference and its inverse undoes it`(_ c: RowCase) throws {
    let bench = try Bench()
    let half = c.width / 2
    let frequencies = (0..<half).map { Float(pow(10_000, -Double($0) / Double(half))) }
    let shape = Shape(
      .plain(c.batch), .tokens(c.start..<c.start + c.tokens), .plain(3), .plain(c.width))
    let x = try bench.tensor(shape, c.dtype, isView: c.isView)
    let before = bench.values(x)
    var expected = before
    for index in before.indices where index % c.width < half {
      let position = Float(c.start + index / (3 * c.width) % c.tokens)
      let angle = Double(position * frequencies[index % c.width])
      let (a, b) = (before[index], before[index + half])
      expected[index] = a * cos(angle) - b * sin(angle)
      expected[index + half] = b * cos(angle) + a * sin(angle)
    }
    bench.backend.rotate(x, frequencies: frequencies, inverse: false)
    #expect(relativeError(bench.values(x), expected) <= c.tolerance)
    bench.backend.rotate(x, frequencies: frequencies, inverse: true)
    #expect(relativeError(bench.values(x), before) <= c.tolerance * 2)
  }
}
