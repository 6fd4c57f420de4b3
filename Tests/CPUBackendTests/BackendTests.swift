import CPUBackend
import Ledger
import Tensors
import Testing

extension CPUBackendTests {
  @Test func `an arena holds exactly the bytes of its allocations`() throws {
    let backend = try CPUBackend(threads: 1)
    for category in Category.allCases {
      var blocks: [Allocation] = []
      for bytes in [0, 1, 7, 100, 4096, 5000, 1 << 20, 3_000_001] {
        let block = try #require(backend.allocate(bytes: bytes, for: category))
        #expect(block.bytes == CPUBackend.sizeClass(bytes))
        #expect(block.bytes >= bytes)
        blocks.append(block)
        let sum = blocks.map(\.bytes).reduce(0, +)
        #expect(try backend.allocatedBytes(of: category) == sum)
      }
      for block in blocks { backend.deallocate(block) }
      #expect(try backend.allocatedBytes(of: category) == 0)
    }
  }

  @Test func `tensors charge the ledger what the arena holds`() throws {
    let bench = try Bench()
    do {
      let shape = Shape(.plain(3), .plain(1000))
      let x = try bench.factory.make("x", .hidden, shape, .float32, for: .activation)
      let y = try bench.factory.make("y", .hidden, shape, .bfloat16, for: .gradient)
      for category in [Category.activation, .gradient, .parameter] {
        #expect(
          try bench.backend.allocatedBytes(of: category)
            == bench.factory.ledger.liveAllocatedBytes[category])
      }
      withExtendedLifetime((x, y)) {}
    }
    #expect(try bench.backend.allocatedBytes(of: .activation) == 0)
  }

  @Test(arguments: DType.numbers)
  func `two threads give the bits of one`(_ dtype: DType) throws {
    #expect(try bits(threads: 1, dtype) == bits(threads: 2, dtype))
  }

  /// The results of every op, on tensors large enough for more than one task.
  private func bits(threads: Int, _ dtype: DType) throws -> [UInt32] {
    let bench = try Bench(threads: threads, seed: 3)
    let backend = bench.backend
    let (batch, tokens, width) = (2, 150, 770)
    let shape = Shape(.plain(batch), .tokens(5..<5 + tokens), .plain(width))
    let cells = Shape(.plain(batch), .tokens(5..<5 + tokens))
    var results: [Tensor] = []
    func fresh(_ isView: Bool = false) throws -> Tensor {
      let tensor = try bench.tensor(shape, dtype, isView: isView)
      results.append(tensor)
      return tensor
    }
    let (x, dy) = try (fresh(true), fresh())
    let weight = try bench.tensor(Shape(.plain(width)), dtype)
    let (y, rstd) = try (fresh(true), bench.tensor(cells))
    backend.rmsNorm(x, weight: weight, epsilon: 1e-6, to: y, rstd: rstd)
    let partials = try bench.tensor(
      Shape(.plain(RowBlock.count(for: batch * tokens)), .plain(width)))
    backend.rmsNormBackward(
      dy, x: x, rstd: rstd, weight: weight, to: try fresh(), accumulates: true, partials: partials)
    let sums = try bench.tensor(Shape(.plain(width)))
    backend.sumRows(partials, to: sums, accumulates: true)
    let (up, gated, dgate, dup) = try (fresh(), fresh(), fresh(), fresh(true))
    backend.swiGLU(gate: x, up: up, to: gated)
    backend.swiGLUBackward(dy, gate: x, up: up, dgate: dgate, dup: dup)
    backend.add(x, to: up)
    let stride = tokens + 5
    let ids = (0..<batch * stride).map { Int32($0 % 7) }
    let table = try bench.tensor(Shape(.plain(7), .plain(width)))
    backend.scatterAddRows(dy, ids: ids, idStride: stride, to: table)
    backend.gatherRows(of: table, ids: ids, idStride: stride, to: try fresh())
    let geometry = HeadGeometry(heads: 10, kvHeads: 5, dHead: 77)
    let rows = Shape(.plain(batch), .tokens(0..<tokens), .plain(770))
    let (q, o) = try (bench.tensor(rows, dtype), bench.tensor(rows, dtype))
    let half = Shape(.plain(batch), .tokens(0..<tokens), .plain(385))
    let (k, v) = try (bench.tensor(half, dtype), bench.tensor(half, dtype))
    var pass = AttentionForward(
      Attention(
        geometry, memory: .fused, window: 100,
        layout: SequenceLayout(nC: 0, nG: tokens, lossRows: 0..<tokens)),
      q: q, blocks: [KeyBlock(k: k, v: v)], output: o)
    pass.kept.logSumExp = try bench.tensor(Shape(.plain(batch), .plain(10), .tokens(0..<tokens)))
    try backend.attention(
      pass, tiles: bench.scratch(for: .forward(pass)), scratchpad: bench.scratch)
    let frequencies = (0..<5).map { 1 / Float($0 + 1) }
    backend.rotate(
      dup.splitting(2, inner: 10), first: 5, by: HeadRotation(frequencies: frequencies),
      isGradient: false)
    let labels = (0..<batch * tokens).map { Int32($0 % width) }
    let (logits, loss) = try (fresh(), bench.tensor(Shape(.plain(1))))
    let sum = backend.crossEntropy(logits, labels: labels, logSumExp: rstd)
    backend.fill(loss, with: Float(sum))
    backend.crossEntropyBackward(logits, labels: labels, logSumExp: rstd, rows: labels.count)
    results += [rstd, partials, sums, table, o, loss]

    let mean = try bench.tensor(cells)
    let morePartials = try bench.tensor(partials.shape)
    let (normal, dnormal, gelu, dgelu) = try (fresh(true), fresh(), fresh(), fresh())
    backend.layerNorm(
      x, weight: weight, bias: weight, epsilon: 1e-5, to: normal, mean: mean, rstd: rstd)
    backend.layerNormBackward(
      dy, x: x, mean: mean, rstd: rstd, weight: weight, to: dnormal, accumulates: true,
      partials: partials)
    backend.partialSums(x, to: morePartials)
    backend.addBias(weight, to: dnormal)
    backend.gelu(x, form: .exact, to: gelu)
    backend.geluBackward(gelu, x: x, form: .tanh, to: dgelu)
    let dropout = Dropout(probability: 0.3, seed: 1, stream: "x", sequenceLength: tokens + 5)
    let mask = try bench.tensor(shape, .uint8, values: Array(repeating: 0, count: shape.count))
    backend.dropout(dgelu, dropout, to: dgelu, mask: mask)
    backend.applyMask(mask, scale: 2, to: x, into: gelu)
    results += [mean, mask, morePartials]
    return results.flatMap { backend.read($0).map(\.bitPattern) }
  }
}
