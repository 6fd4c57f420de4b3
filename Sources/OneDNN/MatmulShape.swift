/// The types of elements that products take.
package enum ElementType: Int32, Hashable, Sendable {
  case float32 = 0
  case bfloat16 = 1

  /// Bytes of an element.
  var size: Int { self == .float32 ? 4 : 2 }
}

/// One operand of a product: extents and strides in elements, outermost first.
package struct MatmulOperand: Hashable, Sendable {
  package let type: ElementType
  package let rank: Int
  package private(set) var extents: InlineArray<5, Int>
  package private(set) var strides: InlineArray<5, Int>

  /// An operand whose axes come from a closure, so that no array is made.
  package init(
    _ type: ElementType, rank: Int, axis: (Int) -> (extent: Int, stride: Int)
  ) {
    precondition((2...5).contains(rank), "an operand has 2 to 5 axes")
    self.type = type
    self.rank = rank
    extents = InlineArray(repeating: 0)
    strides = InlineArray(repeating: 0)
    for index in 0..<rank { (extents[index], strides[index]) = axis(index) }
  }

  package init(_ type: ElementType = .float32, extents: [Int], strides: [Int]) {
    precondition(extents.count == strides.count, "an axis has an extent and a stride")
    self.init(type, rank: extents.count) { (extents[$0], strides[$0]) }
  }

  package static func == (left: Self, right: Self) -> Bool {
    guard left.type == right.type, left.rank == right.rank else { return false }
    for axis in 0..<left.rank
    where left.extents[axis] != right.extents[axis] || left.strides[axis] != right.strides[axis] {
      return false
    }
    return true
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(type)
    for axis in 0..<rank {
      hasher.combine(extents[axis])
      hasher.combine(strides[axis])
    }
  }
}

extension MatmulOperand {
  /// One of its matrices.
  fileprivate var matrix: MatmulOperand { matrix(rows: extents[rank - 2]) }

  /// One of its matrices, of other rows with the same strides.
  fileprivate func matrix(rows: Int) -> MatmulOperand {
    MatmulOperand(type, rank: 2) {
      ($0 == 0 ? rows : extents[rank - 1], strides[rank - 2 + $0])
    }
  }

  /// Bytes from the first element to a row of one of the matrices, counted in the order of a
  /// product's leading axes; along an axis of extent 1 all are the same.
  func bytes(toMatrix index: Int, row: Int, of product: MatmulShape) -> Int {
    var (rest, elements) = (index, row * strides[rank - 2])
    for axis in (0..<rank - 2).reversed() {
      let (outer, position) = rest.quotientAndRemainder(dividingBy: product.c.extents[axis])
      if extents[axis] > 1 { elements += position * strides[axis] }
      rest = outer
    }
    return elements * type.size
  }
}

extension MatmulOperand: CustomStringConvertible {
  package var description: String {
    let axes = (0..<rank).map { "\(extents[$0]):\(strides[$0])" }
    return "\(type)[\(axes.joined(separator: ", "))]"
  }
}

/// A product `c = a · b` or `c += a · b`, of `[…, m, k]` by `[…, k, n]` into `[…, m, n]`.
///
/// Ranks are equal. A leading extent of 1 in `a` or `b` is broadcast. Strides are any.
package struct MatmulShape: Hashable, Sendable {
  package let a: MatmulOperand
  package let b: MatmulOperand
  package let c: MatmulOperand
  /// Whether the product is added to what `c` holds.
  package let accumulates: Bool

  package init(
    a: MatmulOperand, b: MatmulOperand, c: MatmulOperand, accumulates: Bool = false
  ) {
    self.a = a
    self.b = b
    self.c = c
    self.accumulates = accumulates
  }

  package var rank: Int { c.rank }
  /// The rows of `a` and `c`, `m`.
  package var rows: Int { c.extents[rank - 2] }
  /// The columns of `b` and `c`, `n`.
  package var columns: Int { c.extents[rank - 1] }
  /// The columns of `a` and rows of `b`, `k`.
  package var inner: Int { a.extents[rank - 1] }

  /// How many products of matrices it is.
  var matrices: Int { (0..<rank - 2).reduce(1) { $0 * c.extents[$1] } }

  /// One of those, with other rows of `a` and `c` in the same memory; of rank 2.
  func matrix(rows: Int) -> MatmulShape {
    MatmulShape(
      a: a.matrix(rows: rows), b: b.matrix, c: c.matrix(rows: rows), accumulates: accumulates)
  }

  /// Throws if the operands do not fit each other.
  package func validate() throws(OneDNNError) {
    func require(_ condition: Bool, _ message: String) throws(OneDNNError) {
      guard condition else { throw OneDNNError(message: "\(message) (\(self))") }
    }
    try require(a.rank == rank && b.rank == rank, "the ranks differ")
    for axis in 0..<rank {
      let smallest = min(a.extents[axis], b.extents[axis], c.extents[axis])
      try require(smallest > 0, "an extent is not positive")
    }
    try require(a.extents[rank - 1] == b.extents[rank - 2], "the inner extents differ")
    try require(a.extents[rank - 2] == rows, "the rows of a and c differ")
    try require(b.extents[rank - 1] == columns, "the columns of b and c differ")
    for axis in 0..<(rank - 2) {
      let extent = c.extents[axis]
      try require(
        [1, extent].contains(a.extents[axis]) && [1, extent].contains(b.extents[axis]),
        "a leading extent is neither 1 nor that of c")
    }
  }
}

extension MatmulShape: CustomStringConvertible {
  package var description: String { "\(a) · \(b) \(accumulates ? "added to" : "into") \(c)" }
}
