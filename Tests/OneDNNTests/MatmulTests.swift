import OneDNN
import Testing
import Threading

/// The types that oneDNN multiplies on this processor.
private let types: [ElementType] = Matmul.multipliesBFloat16 ? [.float32, .bfloat16] : [.float32]

/// Products against naive loops in double precision.
@Suite struct `A product` {
  @Test(arguments: 1...60 as ClosedRange<UInt64>)
  func `of random shapes and layouts is the naive one`(seed: UInt64) throws {
    var random = SplitMix64(state: seed)
    let inputs = types[Int(seed) % types.count]
    let output = inputs == .float32 ? .float32 : types[Int(seed / 2 % 2)]
    let extents = [1, 1, 2, 3, 7, 16, 33, 64]
    func extent() -> Int { extents.randomElement(using: &random) ?? 1 }
    let rank = Int.random(in: 2...5, using: &random)
    var leading = (0..<(rank - 2)).map { _ in Int.random(in: 1...3, using: &random) }
    if rank > 3, Bool.random(using: &random) { leading[0] = 1 }
    let (m, n, k) = (extent(), extent(), extent())
    // Broadcasts of b, and now and then of a.
    let leadingB = leading.map { Bool.random(using: &random) ? $0 : 1 }
    let leadingA = zip(leading, leadingB).map { full, b in
      b == full && Int.random(in: 0..<4, using: &random) == 0 ? 1 : full
    }
    let a = Matrix(inputs, leadingA + [m, k], permuted: true, using: &random)
    let b = Matrix(inputs, leadingB + [k, n], permuted: true, using: &random)
    let c = Matrix(output, leading + [m, n], permuted: false, using: &random)
    try expectNaive(a, b, c, accumulates: Bool.random(using: &random))
  }

  /// The gradient of a weight that is stored transposed, as GPT-2's are.
  @Test(arguments: types, [false, true])
  func `into an output that runs down its columns is a fast one and the naive one`(
    type: ElementType, accumulates: Bool
  ) throws {
    var random = SplitMix64(state: 7)
    let (rows, tokens, columns) = (48, 33, 64)
    let a = Matrix(type, [rows, tokens], strides: [1, rows], using: &random)
    let b = Matrix(type, [tokens, columns], strides: [columns, 1], using: &random)
    let c = Matrix(.float32, [rows, columns], strides: [1, rows], using: &random)
    try expectNaive(a, b, c, accumulates: accumulates)
    let gap = Matrix(.float32, [rows, columns], strides: [1, rows + 16], using: &random)
    try expectNaive(a, b, gap, accumulates: accumulates)
    let shape = MatmulShape(
      a: a.operand, b: b.operand, c: c.operand, accumulates: accumulates)
    #expect(try !Matmul(shape).implementation.hasPrefix("ref"))
  }

  @Test(arguments: types, [false, true])
  func `of heads between the columns of rows is the naive one`(
    type: ElementType, accumulates: Bool
  ) throws {
    var random = SplitMix64(state: 5)
    let (heads, rows, keys, width) = (4, 24, 40, 16)
    let q = Matrix(
      type, [heads, rows, width], strides: [width, heads * width, 1], using: &random)
    let k = Matrix(
      type, [heads, width, keys], strides: [width, 1, heads * width], using: &random)
    let scores = Matrix(
      type, [heads, rows, keys], strides: [rows * 64, 64, 1], using: &random)
    try expectNaive(q, k, scores, accumulates: accumulates)
    let v = Matrix(
      type, [heads, keys, width], strides: [width, heads * width, 1], using: &random)
    let o = Matrix(
      type, [heads, rows, width], strides: [width, heads * width, 1], using: &random)
    try expectNaive(scores, v, o, accumulates: accumulates)
  }

  /// Products of many rows are cut into pieces, and `b` is packed for all of them where its columns
  /// and rows are multiples of 64 and 32 and oneDNN is fastest so, which wants rows without gaps.
  @Test(arguments: types)
  func `of many rows is the naive one, with the same bits for every number of threads`(
    type: ElementType
  ) throws {
    var random = SplitMix64(state: 3)
    for (rows, inner, columns, isTurned, gap) in [
      (768, 64, 256, true, 0), (769, 160, 128, false, 0), (801, 96, 192, true, 3),
      (769, 70, 256, false, 0),
    ] {
      let a = Matrix(type, [rows, inner], strides: [inner + gap, 1], using: &random)
      let strides = isTurned ? [1, inner + 5] : [columns + 5, 1]
      let b = Matrix(type, [inner, columns], strides: strides, using: &random)
      let c = Matrix(type, [rows, columns], strides: [columns + gap, 1], using: &random)
      try expectNaiveOnAnyThreads(a, b, c) { matmul in
        if matmul.implementation.hasPrefix("brg"), gap == 0, inner.isMultiple(of: 32) {
          #expect(matmul.needs.bytes >= inner * columns * (type == .float32 ? 4 : 2))
        }
      }
    }
  }

  /// The gradient of a weight, of many tokens; oneDNN's own division of one over 2,049 and more
  /// gave other bits for other numbers of threads.
  @Test(arguments: types)
  func `over many tokens is the naive one, with the same bits for every number of threads`(
    type: ElementType
  ) throws {
    var random = SplitMix64(state: 4)
    for (rows, tokens, columns, gap) in [
      (13, 4084, 2, 0), (8, 3541, 7, 3), (1, 2500, 9, 0), (9, 2400, 1, 5), (286, 2798, 32, 0),
      (600, 768, 48, 8), (33, 767, 40, 0),
    ] {
      let a = Matrix(type, [rows, tokens], strides: [1, rows + gap], using: &random)
      let b = Matrix(type, [tokens, columns], strides: [columns + gap, 1], using: &random)
      let c = Matrix(.float32, [rows, columns], strides: [columns, 1], using: &random)
      try expectNaiveOnAnyThreads(a, b, c) { matmul in
        #expect(matmul.needs.isCut || tokens < 768 || rows == 1)
      }
    }
  }

  /// Attention's products, with heads one after another or between the columns of rows.
  @Test(arguments: 1...32 as ClosedRange<UInt64>)
  func `of heads has the same bits for every number of threads`(seed: UInt64) throws {
    var random = SplitMix64(state: seed)
    let type = types[Int(seed) % types.count]
    let isBetween = Bool.random(using: &random)
    let heads = Int.random(in: 1...8, using: &random)
    let (rows, keys) = (
      Int.random(in: 1...130, using: &random), Int.random(in: 1...200, using: &random)
    )
    let width = Int.random(in: 1...70, using: &random)
    func ofHeads(_ type: ElementType, _ rows: Int) -> Matrix {
      let strides = isBetween ? [width, heads * width, 1] : [rows * width, width, 1]
      return Matrix(type, [heads, rows, width], strides: strides, using: &random)
    }
    let (q, k, o) = (ofHeads(type, rows), ofHeads(type, keys), ofHeads(.float32, rows))
    let scores = Matrix(
      type, [heads, rows, keys], strides: [rows * keys, keys, 1], using: &random)
    try expectNaiveOnAnyThreads(q, k.transposed, scores) { _ in }
    try expectNaiveOnAnyThreads(scores, k, o) { _ in }
    try expectNaiveOnAnyThreads(scores.transposed, q, ofHeads(.float32, keys)) { _ in }
  }

  /// Expects what loops in double precision give, and the same bits for every number of threads.
  private func expectNaiveOnAnyThreads(
    _ a: Matrix, _ b: Matrix, _ c: Matrix, check: (Matmul) -> Void
  ) throws {
    let before = Threads.count
    defer { Threads.set(before) }
    try expectNaive(a, b, c, accumulates: true)
    let shape = MatmulShape(a: a.operand, b: b.operand, c: c.operand)
    let results = try [1, 2, 3, 7, 8].map { threads in
      Threads.set(threads)
      let matmul = try Matmul(shape)
      #expect(try matmul.needs == Matmul.needs(of: shape))
      check(matmul)
      var result = c
      try run(a, b, &result, accumulates: false)
      return result.bytes
    }
    #expect(results.allSatisfy { $0 == results[0] }, "\(shape)")
  }

  @Test(arguments: types)
  func `packs its second operand where oneDNN is fastest with it and it is small`(
    type: ElementType
  ) throws {
    let size = type == .float32 ? 4 : 2
    func shape(inner: Int, columns: Int) -> MatmulShape {
      MatmulShape(
        a: MatmulOperand(type, extents: [1000, inner], strides: [inner, 1]),
        b: MatmulOperand(type, extents: [inner, columns], strides: [1, inner]),
        c: MatmulOperand(type, extents: [1000, columns], strides: [columns, 1]))
    }
    guard try Matmul(shape(inner: 128, columns: 256)).implementation.hasPrefix("brg") else {
      return
    }
    for (inner, columns) in [(128, 256), (2048, 16 << 20 / 2048 / size)] {
      let bytes = try Matmul.needs(of: shape(inner: inner, columns: columns)).bytes
      #expect(bytes >= inner * columns * size)
      #expect(bytes < inner * columns * size + 4 << 20)
    }
    let large = (inner: 4096, columns: 8192)
    #expect(
      try Matmul.needs(of: shape(inner: large.inner, columns: large.columns)).bytes
        < large.inner * large.columns * size)
  }

  @Test func `writes nothing between the rows of its output`() throws {
    var random = SplitMix64(state: 6)
    let a = Matrix(.float32, [8, 8], strides: [8, 1], using: &random)
    var c = Matrix(.float32, [8, 8], strides: [12, 1], using: &random)
    let before = c.bytes
    try run(a, a, &c, accumulates: false)
    for row in 0..<7 {
      let gap = ((row * 12 + 8) * 4)..<((row * 12 + 12) * 4)
      #expect(c.bytes[gap] == before[gap])
    }
  }

  @Test func `that makes no sense is an error that names the operands`() {
    let a = MatmulOperand(extents: [4, 5], strides: [5, 1])
    let b = MatmulOperand(extents: [6, 3], strides: [3, 1])
    let c = MatmulOperand(extents: [4, 3], strides: [3, 1])
    let shape = MatmulShape(a: a, b: b, c: c)
    #expect {
      _ = try MatmulCache().matmul(for: shape)
    } throws: { error in
      "\(error)".contains("inner extents") && "\(error)".contains("float32[4:5, 5:1]")
    }
    let empty = MatmulOperand(extents: [0, 5], strides: [5, 1])
    #expect(throws: OneDNNError.self) { try Matmul(MatmulShape(a: empty, b: b, c: c)) }
  }

  @Test func `with mixed inputs that oneDNN lacks is an error, not a crash`() {
    let a = MatmulOperand(.float32, extents: [4, 4], strides: [4, 1])
    let b = MatmulOperand(.bfloat16, extents: [4, 4], strides: [4, 1])
    #expect(throws: OneDNNError.self) { try Matmul(MatmulShape(a: a, b: b, c: b)) }
  }

  @Test func `over a batch with one weight is a product of two matrices`() {
    let shape = MatmulShape(
      a: MatmulOperand(extents: [1, 3, 4, 8], strides: [0, 32, 8, 1]),
      b: MatmulOperand(extents: [1, 1, 8, 5], strides: [7, 9, 1, 8]),
      c: MatmulOperand(extents: [1, 3, 4, 5], strides: [0, 20, 5, 1]))
    let plain = MatmulShape(
      a: MatmulOperand(extents: [12, 8], strides: [8, 1]),
      b: MatmulOperand(extents: [8, 5], strides: [1, 8]),
      c: MatmulOperand(extents: [12, 5], strides: [5, 1]))
    #expect(shape.normalized() == plain)
    #expect(plain.normalized() == plain)
  }
}

@Suite struct `A cache of products` {
  private func square(_ size: Int) -> MatmulShape {
    let operand = MatmulOperand(extents: [size, size], strides: [size, 1])
    return MatmulShape(a: operand, b: operand, c: operand)
  }

  @Test func `compiles a shape once`() throws {
    let cache = MatmulCache()
    let one = try cache.matmul(for: square(8))
    #expect(try cache.matmul(for: square(8)) === one)
    #expect(try cache.matmul(for: square(9)) !== one)
    #expect(cache.count == 2)
  }

  @Test func `compiles a shape for each number of threads`() throws {
    let before = Threads.count
    defer { Threads.set(before) }
    let cache = MatmulCache()
    Threads.set(1)
    let one = try cache.matmul(for: square(8))
    Threads.set(2)
    #expect(try cache.matmul(for: square(8)) !== one)
    #expect(cache.count == 1)
  }

  @Test func `is bounded`() throws {
    let cache = MatmulCache()
    for size in 1...(MatmulCache.capacity + 1) { _ = try cache.matmul(for: square(size)) }
    #expect(cache.count <= MatmulCache.capacity)
  }
}

@Suite struct `The fast path` {
  @Test(.enabled(if: Matmul.multipliesBFloat16))
  func `takes bfloat16 heads that lie between the columns of rows`() throws {
    let (heads, rows, keys, width) = (8, 64, 96, 64)
    let shape = MatmulShape(
      a: MatmulOperand(
        .bfloat16, extents: [heads, rows, width], strides: [width, heads * width, 1]),
      b: MatmulOperand(
        .bfloat16, extents: [heads, width, keys], strides: [width, 1, heads * width]),
      c: MatmulOperand(
        .bfloat16, extents: [heads, rows, keys], strides: [rows * keys, keys, 1]))
    let dense = MatmulOperand(.bfloat16, extents: [64, 64], strides: [64, 1])
    let plain = MatmulShape(a: dense, b: dense, c: dense)
    // What is fast depends on the processor, but not on the layout.
    #expect(try Matmul(shape).implementation == Matmul(plain).implementation)
  }
}
