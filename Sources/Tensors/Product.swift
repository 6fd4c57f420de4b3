/// A matrix product `c = a · b`, or `c += a · b`, over equal or broadcast leading axes.
///
/// `a` is `[…, m, k]`, `b` is `[…, k, n]`, `c` is `[…, m, n]`; any strides, so a transposed view
/// costs no copy. A leading axis of extent 1 is broadcast. All three have the same rank, 2 to 4.
package struct Product {
  package let a: Tensor
  package let b: Tensor
  package let c: Tensor
  /// Whether the product is added to what `c` holds.
  package let accumulates: Bool

  package init(_ a: Tensor, _ b: Tensor, into c: Tensor, accumulates: Bool = false) {
    let last = c.shape.rank - 1
    precondition(a.shape.rank == c.shape.rank && b.shape.rank == c.shape.rank)
    precondition(a.extent(last - 1) == c.extent(last - 1), "rows of a and c differ")
    precondition(b.extent(last) == c.extent(last), "columns of b and c differ")
    precondition(a.extent(last) == b.extent(last - 1), "inner extents differ")
    self.a = a
    self.b = b
    self.c = c
    self.accumulates = accumulates
  }

  /// Multiplications and additions: `2 · batch · m · n · k`.
  package var flops: Int128 { 2 * Int128(c.count) * Int128(a.extent(a.shape.rank - 1)) }
}
