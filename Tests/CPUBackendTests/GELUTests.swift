import CPUBackend
import Foundation
import Ledger
import Tensors
import Testing

extension GELU {
  /// The value in float64.
  func reference(_ x: Double) -> Double {
    switch self {
    case .exact: x * erfc(-x / 2.0.squareRoot()) / 2
    case .tanh: x / 2 * (1 + Foundation.tanh(Self.inner * (x + 0.044715 * x * x * x)))
    }
  }

  /// The derivative in float64.
  func slope(_ x: Double) -> Double {
    switch self {
    case .exact:
      return erfc(-x / 2.0.squareRoot()) / 2 + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
    case .tanh:
      let t = Foundation.tanh(Self.inner * (x + 0.044715 * x * x * x))
      return (1 + t) / 2 + x / 2 * (1 - t * t) * Self.inner * (1 + 3 * 0.044715 * x * x)
    }
  }

  private static let inner = (2 / Double.pi).squareRoot()
}

extension CPUBackendTests {
  @Test(arguments: RowCase.all, [GELU.exact, .tanh])
  func `gelu and its gradient match the reference`(_ c: RowCase, form: GELU) throws {
    let bench = try Bench()
    let x = try bench.tensor(c.shape, c.dtype, isView: c.isView, range: -6...6)
    let y = try bench.tensor(c.shape, c.dtype, isView: !c.isView)
    bench.backend.gelu(x, form: form, to: y)
    let xs = bench.values(x)
    #expect(relativeError(bench.values(y), xs.map(form.reference)) <= c.tolerance)
    let dy = try bench.tensor(c.shape, c.dtype, isView: c.isView)
    let dx = try bench.tensor(c.shape, c.dtype)
    let expected = zip(bench.values(dy), xs).map { $0 * form.slope($1) }
    bench.backend.geluBackward(dy, x: x, form: form, to: dx)
    #expect(relativeError(bench.values(dx), expected) <= c.tolerance)
    bench.backend.geluBackward(dy, x: x, form: form, to: dy)
    #expect(bench.backend.read(dy) == bench.backend.read(dx))
    bench.backend.gelu(x, form: form, to: x)
    #expect(bench.backend.read(x) == bench.backend.read(y))
  }

  @Test(arguments: [GELU.exact, .tanh])
  func `gelu is within 3e-7 of float64 everywhere`(_ form: GELU) throws {
    let bench = try Bench()
    let count = 400_001
    let values = (0..<count).map { Float($0) / 20_000 - 10 }
    let shape = Shape(.plain(count))
    let x = try bench.tensor(shape, values: values)
    let y = try bench.tensor(shape)
    let dx = try bench.tensor(shape, values: Array(repeating: 1, count: count))
    bench.backend.gelu(x, form: form, to: y)
    bench.backend.geluBackward(dx, x: x, form: form, to: dx)
    let (ys, slopes) = (bench.values(y), bench.values(dx))
    var (error, slopeError) = (0.0, 0.0)
    for index in 0..<count {
      let input = Double(values[index])
      error = max(error, abs(ys[index] - form.reference(input)) / max(1, abs(input)))
      slopeError = max(slopeError, abs(slopes[index] - form.slope(input)))
    }
    #expect(error <= 2e-7)
    #expect(slopeError <= 3e-7)
  }

  @Test(arguments: [GELU.exact, .tanh], DType.numbers)
  func `gelu saturates at large inputs`(_ form: GELU, dtype: DType) throws {
    let bench = try Bench()
    let large: [Float] = [10, 12, 100, 1e4, 1e10, 1e15, 1e20, 3e38, .infinity]
    for values in [large, large.map { -$0 }] {
      let x = try bench.tensor(Shape(.plain(9)), dtype, values: values)
      let y = try bench.tensor(Shape(.plain(9)), dtype)
      let dx = try bench.tensor(Shape(.plain(9)), dtype, values: Array(repeating: 1, count: 9))
      bench.backend.gelu(x, form: form, to: y)
      bench.backend.geluBackward(dx, x: x, form: form, to: dx)
      if values == large {
        #expect(bench.backend.read(y) == bench.backend.read(x))
        #expect(bench.backend.read(dx) == Array(repeating: 1, count: 9))
      } else {
        #expect(bench.backend.read(y).allSatisfy { abs($0) < 1e-20 })
        #expect(bench.backend.read(dx).allSatisfy { abs($0) < 1e-19 })
      }
    }
    let nan = try bench.tensor(Shape(.plain(9)), dtype, values: Array(repeating: .nan, count: 9))
    bench.backend.gelu(nan, form: form, to: nan)
    #expect(bench.backend.read(nan).allSatisfy { $0.isNaN })
  }
}
