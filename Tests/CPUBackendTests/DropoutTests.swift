import CPUBackend
import Ledger
import Tensors
import Testing

extension CPUBackendTests {
  @Test(arguments: RowCase.all)
  func `dropout keeps what its index says`(_ c: RowCase) throws {
    let bench = try Bench()
    let length = c.start + c.tokens + 3
    let dropout = Dropout(probability: 0.4, seed: 5, stream: "a", sequenceLength: length)
    let x = try bench.tensor(c.shape, c.dtype, isView: c.isView)
    let y = try bench.tensor(c.shape, c.dtype, isView: !c.isView)
    let mask = try bench.tensor(
      c.shape, .uint8, values: Array(repeating: 9, count: c.shape.count))
    bench.backend.dropout(x, dropout, to: y, mask: mask)
    let kept = (0..<c.shape.count).map { index -> Double in
      let (row, column) = (index / c.width, index % c.width)
      let position = c.start + row % c.tokens
      return dropout.keeps((row / c.tokens * length + position) * c.width + column) ? 1 : 0
    }
    #expect(bench.values(mask) == kept)
    let scaled = zip(bench.values(x), kept).map { $0 * $1 / 0.6 }
    #expect(relativeError(bench.values(y), scaled) <= c.tolerance)

    let again = try bench.tensor(c.shape, c.dtype)
    bench.backend.applyMask(mask, scale: dropout.scale, to: x, into: again)
    #expect(bench.backend.read(again) == bench.backend.read(y))
    let copy = try bench.tensor(c.shape, c.dtype)
    bench.backend.copy(x, to: copy)
    bench.backend.applyMask(mask, scale: dropout.scale, to: copy, into: copy)
    #expect(bench.backend.read(copy) == bench.backend.read(y))
    bench.backend.dropout(x, dropout, to: x, mask: nil)
    #expect(bench.backend.read(x) == bench.backend.read(y))
  }

  @Test(arguments: [0, 0.1, 0.5, 0.9, 1])
  func `dropout drops its share`(_ probability: Double) throws {
    let bench = try Bench()
    let shape = Shape(.plain(1), .tokens(0..<1000), .plain(1000))
    let dropout = Dropout(probability: probability, seed: 2, stream: "b", sequenceLength: 1000)
    let x = try bench.tensor(shape, values: Array(repeating: 1, count: 1_000_000))
    bench.backend.dropout(x, dropout, to: x, mask: nil)
    let y = bench.backend.read(x)
    #expect(y.allSatisfy { $0 == 0 || $0 == dropout.scale })
    // Four standard deviations of a binomial share.
    let share = Double(y.count { $0 != 0 }) / 1e6
    let bound = 4e-3 * (probability * (1 - probability)).squareRoot()
    #expect(abs(share - (1 - probability)) <= bound)
  }

  @Test(arguments: DType.numbers)
  func `a slice drops what the whole does`(_ dtype: DType) throws {
    let bench = try Bench()
    let dropout = Dropout(probability: 0.3, seed: 3, stream: "c", sequenceLength: 40)
    let ones = Array(repeating: Float(1), count: 2 * 3 * 40 * 40)

    let scores = Shape(.plain(2), .plain(3), .tokens(0..<40), .keys(0..<40))
    let whole = try bench.tensor(scores, dtype, values: ones)
    let parts = try bench.tensor(scores, dtype, values: ones)
    let masks = try bench.tensor(scores, .uint8, values: ones)
    bench.backend.dropout(whole, dropout, to: whole, mask: nil)
    let kept = bench.values(whole).enumerated().filter { $0.element != 0 }.map(\.offset)
    #expect(kept == (0..<ones.count).filter { dropout.keeps($0) })
    for queries in [0..<7, 7..<8, 8..<40] {
      for keys in [0..<13, 13..<30, 30..<40] {
        let part = parts.at(rows: queries, axis: 2).at(rows: keys, axis: 3)
        let mask = masks.at(rows: queries, axis: 2).at(rows: keys, axis: 3)
        bench.backend.dropout(part, dropout, to: part, mask: mask)
        // A tile of its own, which knows its place by its axes alone.
        let tile = try bench.tensor(
          part.shape, dtype, values: Array(repeating: 1, count: part.count))
        bench.backend.dropout(tile, dropout, to: tile, mask: nil)
        #expect(bench.backend.read(tile) == bench.backend.read(part))
      }
    }
    #expect(bench.backend.read(parts) == bench.backend.read(whole))
    #expect(bench.backend.read(masks) == bench.backend.read(whole).map { $0 == 0 ? 0 : 1 })

    let rows = Shape(.plain(2), .tokens(0..<40), .plain(19))
    let all = try bench.tensor(rows, dtype, values: Array(ones.prefix(rows.count)))
    let chunks = try bench.tensor(rows, dtype, values: Array(ones.prefix(rows.count)))
    bench.backend.dropout(all, dropout, to: all, mask: nil)
    for positions in [0..<11, 11..<12, 12..<40] {
      let chunk = chunks.at(rows: positions)
      bench.backend.dropout(chunk, dropout, to: chunk, mask: nil)
    }
    #expect(bench.backend.read(chunks) == bench.backend.read(all))
  }

  @Test func `what is dropped is zero even where it was not a number`() throws {
    let bench = try Bench()
    let shape = Shape(.plain(1), .tokens(0..<4), .plain(11))
    let dropout = Dropout(probability: 0.5, seed: 3, stream: "d", sequenceLength: 4)
    let mask = try bench.tensor(shape, .uint8, values: Array(repeating: 0, count: 44))
    let x = try bench.tensor(shape, values: Array(repeating: .nan, count: 44))
    let (y, z) = try (bench.tensor(shape), bench.tensor(shape))
    bench.backend.dropout(x, dropout, to: y, mask: mask)
    bench.backend.applyMask(mask, scale: 2, to: x, into: z)
    for values in [bench.values(y), bench.values(z)] {
      #expect(zip(values, bench.values(mask)).allSatisfy { $1 == 1 ? $0.isNaN : $0 == 0 })
    }
  }
}
