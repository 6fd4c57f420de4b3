/// A strided view of a storage: a small value with one reference.
///
/// Activations are `[batch, tokens, width]` or `[batch, tokens, heads, d_head]`, weights
/// `[out, in]`, attention probabilities `[batch, heads, tokens, keys]`; the last axis of a new
/// tensor is contiguous.
package struct Tensor {
  package private(set) var storage: Storage
  package private(set) var shape: Shape
  package let dtype: DType
  /// Elements between neighbours along each axis.
  package private(set) var strides: InlineArray<5, Int>
  /// Elements before the first one of this view.
  package private(set) var offset: Int

  /// The whole of a storage, row-major.
  init(storage: Storage, shape: Shape, dtype: DType) {
    self.storage = storage
    self.shape = shape
    self.dtype = dtype
    offset = 0
    strides = Tensor.rowMajor(shape)
  }

  private static func rowMajor(_ shape: Shape) -> InlineArray<5, Int> {
    var strides = InlineArray<5, Int>(repeating: 0)
    var step = 1
    for index in stride(from: shape.rank - 1, through: 0, by: -1) {
      strides[index] = step
      step *= shape[index].extent
    }
    return strides
  }

  /// The number of elements in the view.
  package var count: Int { shape.count }

  /// The extent of an axis.
  package func extent(_ axis: Int) -> Int { shape[axis].extent }

  /// Whether the elements lie one after the other.
  package var isContiguous: Bool {
    let packed = Tensor.rowMajor(shape)
    return (0..<shape.rank).allSatisfy { extent($0) == 1 || strides[$0] == packed[$0] }
  }

  /// The address of the view's first element.
  ///
  /// Unsafe: valid while the storage lives; the caller keeps to the view's extents and strides.
  package var address: UnsafeMutableRawPointer {
    unsafe storage.address + offset * dtype.size
  }

  /// Whether no other tensor holds the storage, so that it may be written in place.
  package mutating func isUniquelyReferenced() -> Bool { isKnownUniquelyReferenced(&storage) }

  // MARK: Views

  /// The entries `range` of an axis, counted from the view's own start.
  package func sliced(_ axis: Int, _ range: Range<Int>) -> Tensor {
    precondition(range.lowerBound >= 0 && range.upperBound <= extent(axis))
    var view = self
    view.shape[axis].extent = range.count
    if shape[axis].kind != .plain { view.shape[axis].start += range.lowerBound }
    view.offset += range.lowerBound * strides[axis]
    return view
  }

  /// The entries of a `tokens` or `keys` axis at these rows of the sequence layout.
  package func at(rows: Range<Int>, axis: Int = 1) -> Tensor {
    let start = shape[axis].start
    return sliced(axis, (rows.lowerBound - start)..<(rows.upperBound - start))
  }

  /// A contiguous tensor in the same memory, from byte `offset` on: how kernels divide scratch.
  package func carved(at offset: Int, _ shape: Shape, _ dtype: DType) -> Tensor {
    precondition(offset % dtype.size == 0, "a tensor begins at a whole element")
    precondition(
      offset + shape.count * dtype.size <= storage.requestedBytes, "scratch is too small")
    var view = Tensor(storage: storage, shape: shape, dtype: dtype)
    view.offset = offset / dtype.size
    return view
  }

  /// Entry `index` of an axis, which goes away.
  package func selecting(_ axis: Int, _ index: Int) -> Tensor {
    precondition(index >= 0 && index < extent(axis))
    var view = self
    view.shape.remove(at: axis)
    for position in axis..<shape.rank - 1 { view.strides[position] = strides[position + 1] }
    view.offset += index * strides[axis]
    return view
  }

  /// Two axes exchanged.
  package func transposed(_ first: Int, _ second: Int) -> Tensor {
    var view = self
    view.shape[first] = shape[second]
    view.shape[second] = shape[first]
    view.strides.swapAt(first, second)
    return view
  }

  /// One axis seen as two, `[outer, inner]`, whose extents multiply to its own.
  package func splitting(_ axis: Int, inner: Int) -> Tensor {
    precondition(shape[axis].kind == .plain && extent(axis) % inner == 0)
    var view = self
    view.shape[axis] = .plain(extent(axis) / inner)
    view.shape.insert(.plain(inner), at: axis + 1)
    for position in 0..<view.shape.rank {
      view.strides[position] =
        position < axis
        ? strides[position]
        : position == axis ? strides[axis] * inner : strides[position - 1]
    }
    return view
  }

  /// A new outermost axis of extent 1.
  package func addingUnitAxis() -> Tensor {
    var view = self
    view.shape.insert(.plain(1), at: 0)
    for position in 0..<shape.rank { view.strides[position + 1] = strides[position] }
    view.strides[0] = 0
    return view
  }

  /// Two neighbouring axes seen as one; `nil` unless they are evenly spaced.
  package func merging(_ axis: Int) -> Tensor? {
    let outer = extent(axis)
    let inner = extent(axis + 1)
    guard outer == 1 || inner == 1 || strides[axis] == inner * strides[axis + 1] else { return nil }
    var view = self
    view.shape[axis] = .plain(outer * inner)
    view.shape.remove(at: axis + 1)
    view.strides[axis] = inner == 1 ? strides[axis] : strides[axis + 1]
    for position in axis + 1..<view.shape.rank { view.strides[position] = strides[position + 1] }
    return view
  }
}
