/// One axis of all three operands; an extent of 1 in `a` or `b` is a broadcast.
private struct LeadingAxis {
  var extent: Int
  /// Nil for a broadcast operand.
  var a: Int?
  var b: Int?
  var c: Int

  /// The one axis that this and the next inner one are, if their strides allow it.
  func merged(with inner: LeadingAxis) -> LeadingAxis? {
    func joins(_ outer: Int?, _ next: Int?) -> Bool {
      outer == next.map { $0 * inner.extent }
    }
    guard joins(a, inner.a), joins(b, inner.b), joins(c, inner.c) else { return nil }
    return LeadingAxis(extent: extent * inner.extent, a: inner.a, b: inner.b, c: inner.c)
  }

  /// Makes neighbours one where their strides allow it.
  static func merge(_ axes: inout [LeadingAxis]) {
    var index = 0
    while index + 1 < axes.count {
      if let one = axes[index].merged(with: axes[index + 1]) {
        axes.replaceSubrange(index...(index + 1), with: [one])
      } else {
        index += 1
      }
    }
  }
}

extension MatmulOperand {
  /// The operand with rows and columns exchanged, in the same memory.
  fileprivate var transposed: MatmulOperand {
    MatmulOperand(type, rank: rank) { axis in
      let source = axis == rank - 1 ? rank - 2 : axis == rank - 2 ? rank - 1 : axis
      return (extents[source], strides[source])
    }
  }
}

extension MatmulShape {
  /// Whether `c` runs down its columns, as the gradient of a weight that is stored transposed does.
  ///
  /// oneDNN has only its reference kernel for such a `c`, which is a thousand times as slow.
  package var isColumnMajor: Bool {
    rows > 1 && columns > 1 && c.strides[rank - 1] != 1 && c.strides[rank - 2] == 1
  }

  /// `cᵀ = bᵀ · aᵀ`: the same product, with `b` as the first operand.
  package var transposed: MatmulShape {
    MatmulShape(
      a: b.transposed, b: a.transposed, c: c.transposed, accumulates: accumulates)
  }

  /// The axes before rows and columns, those of extent 1 aside.
  private var leadingAxes: [LeadingAxis] {
    (0..<(rank - 2)).filter { c.extents[$0] > 1 }.map { axis in
      LeadingAxis(
        extent: c.extents[axis],
        a: a.extents[axis] == 1 ? nil : a.strides[axis],
        b: b.extents[axis] == 1 ? nil : b.strides[axis],
        c: c.strides[axis])
    }
  }

  /// The same product in the form that oneDNN is fastest at; a valid shape stays valid.
  ///
  /// - Leading axes of extent 1 go: at rank 3 oneDNN leaves its fast path (`brg:`) for one.
  /// - Leading axes that `b` lacks become rows, where `a` and `c` run on: one large product.
  /// - Neighbouring leading axes become one.
  /// - Strides along an extent of 1 become those of a dense operand.
  /// - Heads that lie between the columns of bfloat16 rows get a leading 1 again: oneDNN knows the
  ///   layout `acbd` and no such layout of rank 3. 1.2 to 1.3 times as fast; float32 gains nothing.
  package func normalized() -> MatmulShape {
    var rows = rows
    var strideA = a.strides[rank - 2]
    var strideC = c.strides[rank - 2]
    var leading = leadingAxes
    while let last = leading.last, last.b == nil, let outer = last.a,
      rows == 1 || (outer == rows * strideA && last.c == rows * strideC)
    {
      if rows == 1 { (strideA, strideC) = (outer, last.c) }
      rows *= last.extent
      leading.removeLast()
    }
    LeadingAxis.merge(&leading)

    // [rows, inner] · [inner, columns] = [rows, columns]
    let lastA = inner == 1 ? 1 : a.strides[rank - 1]
    let lastB = columns == 1 && inner > 1 ? 1 : b.strides[rank - 1]
    let lastC = columns == 1 ? 1 : c.strides[rank - 1]
    if rows == 1 { (strideA, strideC) = (inner * lastA, columns * lastC) }
    let strideB = inner == 1 ? columns * lastB : b.strides[rank - 2]

    let interleaved =
      leading.count == 1 && a.type == .bfloat16 && b.type == .bfloat16
      && leading[0].a != nil && leading[0].b != nil
    let unit = interleaved ? 1 : 0
    let count = leading.count + 2 + unit
    func operand(
      _ original: MatmulOperand, _ stride: (LeadingAxis) -> Int?,
      _ last: (extent: Int, stride: Int), _ row: (extent: Int, stride: Int)
    ) -> MatmulOperand {
      MatmulOperand(original.type, rank: count) { axis in
        if axis == count - 1 { return last }
        if axis == count - 2 { return row }
        let elements = row.extent * last.extent
        if axis < unit { return (1, elements * leading[0].extent) }
        let entry = leading[axis - unit]
        // A broadcast axis is never moved along; its stride is that of a dense operand.
        return stride(entry).map { (entry.extent, $0) } ?? (1, elements)
      }
    }
    return MatmulShape(
      a: operand(a, \.a, (inner, lastA), (rows, strideA)),
      b: operand(b, \.b, (columns, lastB), (inner, strideB)),
      c: operand(c, { $0.c }, (columns, lastC), (rows, strideC)), accumulates: accumulates)
  }
}
