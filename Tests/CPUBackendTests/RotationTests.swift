import CPUBackend
import Foundation
import Tensors
import Testing

extension CPUBackendTests {
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
    bench.backend.rotate(x, first: c.start, frequencies: frequencies, inverse: false)
    #expect(relativeError(bench.values(x), expected) <= c.tolerance)
    bench.backend.rotate(x, first: c.start, frequencies: frequencies, inverse: true)
    #expect(relativeError(bench.values(x), before) <= c.tolerance * 2)
  }
}
