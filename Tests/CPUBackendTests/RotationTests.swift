import CPUBackend
import Foundation
import Tensors
import Testing

extension CPUBackendTests {
  @Test(arguments: RowCase.all.filter { $0.width % 2 == 0 && $0.width <= 300 })
  func `rotation matches the reference and its gradient turns back`(_ c: RowCase) throws {
    let bench = try Bench()
    let half = c.width / 2
    let frequencies = (0..<half).map { Float(pow(10_000, -Double($0) / Double(half))) }
    let shape = Shape(
      .plain(c.batch), .tokens(c.start..<c.start + c.tokens), .plain(3), .plain(c.width))
    let rotation = HeadRotation(frequencies: frequencies, factor: c.isView ? 1 : 1.25)
    let factor = Double(rotation.factor)
    let x = try bench.tensor(shape, c.dtype, isView: c.isView)
    let before = bench.values(x)
    var expected = before
    for index in before.indices where index % c.width < half {
      let position = Float(c.start + index / (3 * c.width) % c.tokens)
      let angle = Double(position * frequencies[index % c.width])
      let (a, b) = (factor * before[index], factor * before[index + half])
      expected[index] = a * cos(angle) - b * sin(angle)
      expected[index + half] = b * cos(angle) + a * sin(angle)
    }
    bench.backend.rotate(x, first: c.start, by: rotation, isGradient: false)
    #expect(relativeError(bench.values(x), expected) <= c.tolerance)
    bench.backend.rotate(x, first: c.start, by: rotation, isGradient: true)
    #expect(relativeError(bench.values(x), before.map { factor * factor * $0 }) <= c.tolerance * 2)
  }

  /// A pair (1, 0) becomes the cosine and sine of its angle.
  @Test(arguments: [0, 1, 4095, 262_144, 1_048_576])
  func `cosines and sines are those of double precision, rounded`(position: Int) throws {
    let bench = try Bench()
    let half = 1001
    let frequencies = (0..<half).map { Float(pow(500_000, -Double($0) / Double(half))) }
    let shape = Shape(
      .plain(1), .tokens(position..<position + 1), .plain(1), .plain(2 * half))
    let x = try bench.tensor(shape, values: (0..<2 * half).map { $0 < half ? 1 : 0 })
    bench.backend.rotate(
      x, first: position, by: HeadRotation(frequencies: frequencies), isGradient: false)
    let values = bench.backend.read(x)
    for (pair, frequency) in frequencies.enumerated() {
      let angle = Double(Float(position) * frequency)
      #expect(abs(Double(values[pair]) - cos(angle)) <= abs(cos(angle)) * 0x1.01p-24)
      #expect(abs(Double(values[half + pair]) - sin(angle)) <= abs(sin(angle)) * 0x1.01p-24)
    }
  }
}
