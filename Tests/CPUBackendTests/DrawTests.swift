import CPUBackend
import Ledger
import Tensors
import Testing

extension CPUBackendTests {
  @Test(arguments: RowCase.all)
  func `a draw depends on its index alone`(_ c: RowCase) throws {
    let bench = try Bench()
    let random = CounterRandom(seed: 7, stream: "w\(c.width)")
    let y = try bench.tensor(c.shape, c.dtype, isView: c.isView)
    bench.backend.draw(y, from: random, deviation: 0.02)
    // The sum of four uniforms on 0 … 65535, of which each operation is exact but two products.
    let expected = (0..<c.shape.count).map { index in
      let word = random.bits(index)
      let sum = (0..<4).reduce(0) { $0 + Int(word >> (16 * $1) & 0xffff) }
      return 0.02 * (Float(sum - 131_070) * (Float(3).squareRoot() / 65_536))
    }
    let rounded = try bench.tensor(c.shape, c.dtype, values: expected)
    #expect(bench.backend.read(y) == bench.backend.read(rounded))
  }

  @Test func `draws have mean 0 and the deviation`() throws {
    let bench = try Bench(threads: 2)
    let (rows, width) = (1000, 1000)
    let y = try bench.tensor(
      Shape(.plain(rows), .plain(width)), values: Array(repeating: .nan, count: rows * width))
    bench.backend.draw(y, from: CounterRandom(seed: 1, stream: "x"), deviation: 3)
    let values = bench.values(y)
    let count = Double(values.count)
    // Four standard deviations of the mean, and of the mean square: the fourth moment of a sum of
    // four uniforms is 3 - 6/5/4, so that squares have variance 1.7.
    #expect(abs(values.reduce(0, +) / count) <= 4 * 3 / count.squareRoot())
    let square = values.reduce(0) { $0 + $1 * $1 } / count / 9
    #expect(abs(square - 1) <= 4 * (1.7 / count).squareRoot())
    #expect(values.allSatisfy { abs($0) <= 3 * 12.0.squareRoot() })
  }
}
