import CPUBackend
import Ledger
import Tensors
import Testing

extension CPUBackendTests {
  @Test(arguments: DType.numbers, [2, 3, 4])
  func `products of views match the reference`(_ dtype: DType, rank: Int) throws {
    let bench = try Bench(threads: 2, seed: UInt64(rank))
    for trial in 0..<40 {
      func extent(_ most: Int) -> Int { Int.random(in: 1...most, using: &bench.draws) }
      let (m, n, k) = (extent(20), extent(20), extent(20))
      let outer = (0..<rank - 2).map { _ in extent(3) }
      func operand(_ rows: Int, _ columns: Int, isBroadcast: Bool) throws -> Tensor {
        let leading = outer.map { isBroadcast ? 1 : $0 }
        let isTransposed = Bool.random(using: &bench.draws)
        let last = isTransposed ? [columns, rows] : [rows, columns]
        let tensor = try bench.tensor(
          Shape((leading + last).map { .plain($0) }), dtype,
          isView: Bool.random(using: &bench.draws))
        return isTransposed ? tensor.transposed(rank - 2, rank - 1) : tensor
      }
      let a = try operand(m, k, isBroadcast: trial % 5 == 1)
      let b = try operand(k, n, isBroadcast: trial % 5 == 3)
      let c = try bench.tensor(
        Shape((outer + [m, n]).map { .plain($0) }), dtype, isView: trial % 2 == 0)
      let product = Product(a, b, into: c, accumulates: trial % 3 == 0)
      let expected = reference(bench, product, outer, m, n, k)
      try bench.multiply(product)
      #expect(relativeError(bench.values(c), expected) <= (dtype == .float32 ? 1e-6 : 4e-3))
    }
  }

  /// The gradients of a product, as backward computes them: both are cut from 768 tokens on, and
  /// then share a loop. Two products of one shape, here the first and the last, do not.
  @Test(arguments: DType.numbers, [33, 767, 768, 2100])
  func `products that are computed together are those computed one by one`(
    _ dtype: DType, tokens: Int
  ) throws {
    for threads in [1, 2, 5] {
      let bench = try Bench(threads: threads, seed: 9)
      let (wide, narrow) = (96, 64)
      let dy = try bench.tensor(Shape(.plain(tokens), .plain(wide)), dtype)
      let x = try bench.tensor(Shape(.plain(tokens), .plain(narrow)), dtype)
      let w = try bench.tensor(Shape(.plain(wide), .plain(narrow)), dtype)
      let none = x.sliced(0, 0..<0)
      for accumulates in [false, true] {
        func products() throws -> [Product] {
          let all = [
            Product(
              dy.transposed(0, 1), x,
              into: try bench.tensor(w.shape, dtype, values: bench.backend.read(w)),
              accumulates: accumulates),
            Product(
              dy, w, into: try bench.tensor(x.shape, dtype, values: bench.backend.read(x)),
              accumulates: accumulates),
            Product(none, w.transposed(0, 1), into: dy.sliced(0, 0..<0)),
            Product(
              dy.transposed(0, 1), x,
              into: try bench.tensor(w.shape, dtype, values: bench.backend.read(w)),
              accumulates: accumulates),
          ]
          return accumulates ? all : all.dropLast()
        }
        let (together, alone) = (try products(), try products())
        try bench.multiply(together)
        for product in alone { try bench.multiply([product]) }
        for (one, other) in zip(together, alone) {
          #expect(bench.values(one.c) == bench.values(other.c))
        }
        let bytes = try bench.backend.workspaceBytes(for: together)
        let parts = try alone.map { try bench.backend.workspaceBytes(for: [$0]) }
        #expect(bytes >= parts.max() ?? 0 && bytes <= parts.reduce(0) { $0 + $1 + 63 })
        #expect(try CPUBackend.workspaceBytes(for: together, threads: threads) == bytes)
      }
    }
  }

  @Test func `a product over no inner extent is zero or leaves what is there`() throws {
    let bench = try Bench()
    let a = try bench.tensor(Shape(.plain(2), .plain(0)))
    let b = try bench.tensor(Shape(.plain(0), .plain(3)))
    let c = try bench.tensor(Shape(.plain(2), .plain(3)), values: [1, 2, 3, 4, 5, 6])
    try bench.multiply(Product(a, b, into: c, accumulates: true))
    #expect(bench.backend.read(c) == [1, 2, 3, 4, 5, 6])
    try bench.multiply(Product(a, b, into: c))
    #expect(bench.backend.read(c) == [0, 0, 0, 0, 0, 0])
    let none = c.sliced(0, 0..<0)
    try bench.multiply(Product(none, b.transposed(0, 1), into: none.sliced(1, 0..<0)))
  }

  /// `Σ_k a · b` for every element of `c`, plus `c` if it accumulates.
  private func reference(
    _ bench: Bench, _ product: Product, _ outer: [Int], _ m: Int, _ n: Int, _ k: Int
  ) -> [Double] {
    var expected = product.accumulates ? bench.values(product.c) : []
    if !product.accumulates { expected = Array(repeating: 0, count: product.c.count) }
    let (a, b) = (matrices(bench, product.a, outer), matrices(bench, product.b, outer))
    for matrix in 0..<outer.reduce(1, *) {
      for i in 0..<m {
        for j in 0..<n {
          for l in 0..<k {
            expected[(matrix * m + i) * n + j] += a[matrix][i * k + l] * b[matrix][l * n + j]
          }
        }
      }
    }
    return expected
  }

  /// The row-major values of every matrix of a tensor, broadcast over `outer`.
  private func matrices(_ bench: Bench, _ tensor: Tensor, _ outer: [Int]) -> [[Double]] {
    (0..<outer.reduce(1, *)).map { number in
      var view = tensor
      var rest = number
      for axis in outer.indices.reversed() {
        let index = rest % outer[axis]
        rest /= outer[axis]
        view = view.selecting(axis, view.extent(axis) == 1 ? 0 : index)
      }
      let isTransposed = view.strides[1] != 1 && view.extent(1) > 1
      let values = bench.values(isTransposed ? view.transposed(0, 1) : view)
      guard isTransposed else { return values }
      let (rows, columns) = (view.extent(0), view.extent(1))
      return (0..<rows * columns).map { values[$0 % columns * rows + $0 / columns] }
    }
  }
}

extension Bench {
  /// Computes a product.
  func multiply(_ product: Product) throws { try multiply([product]) }

  /// Computes products together with the workspace that they ask for.
  func multiply(_ products: [Product]) throws {
    let bytes = try backend.workspaceBytes(for: products)
    let workspace =
      bytes == 0
      ? nil
      : try factory.make("scratchpad", .scratch, Shape(.plain((bytes + 3) / 4)), for: .workspace)
    try backend.multiply(products, workspace: workspace)
  }
}
