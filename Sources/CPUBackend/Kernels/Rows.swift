import Tensors
import Threading

/// The rows of a tensor: pointers to its last axis, numbered row-major over the outer axes.
///
/// ```
///   [batch, tokens, width]  ->  row b · tokens + t  ->  width elements, one after the other
/// ```
///
/// Outer axes may have any strides; those that are evenly spaced are merged, so that the usual
/// tensor finds a row with one multiplication. Kernels give each task its own rows or columns,
/// which is why sharing the pointer between threads is sound; the caller keeps the tensor alive.
@safe struct Rows<Element: KernelElement>: @unchecked Sendable {
  /// The number of rows.
  let count: Int
  /// The elements of a row.
  let width: Int
  private let base: UnsafeMutablePointer<Element>
  /// The innermost outer axis has index 0.
  private var extents = InlineArray<5, Int>(repeating: 1)
  private var strides = InlineArray<5, Int>(repeating: 0)
  private var rank = 0

  /// The rows of a tensor whose last axis is contiguous, or all of a contiguous one as one row.
  init(_ tensor: borrowing Tensor, _ isFlat: Bool = false) {
    guard !isFlat else {
      self.init(tensor, width: tensor.count, outerRank: 0)
      return
    }
    let last = tensor.shape.rank - 1
    precondition(last >= 0, "a tensor without axes has no rows")
    precondition(
      tensor.strides[last] == 1 || tensor.extent(last) <= 1, "the last axis is not contiguous")
    self.init(tensor, width: tensor.extent(last), outerRank: last)
  }

  /// Every element of a tensor as a row of one: the statistics of other rows.
  init(cells tensor: borrowing Tensor) {
    self.init(tensor, width: 1, outerRank: tensor.shape.rank)
  }

  private init(_ tensor: borrowing Tensor, width: Int, outerRank: Int) {
    precondition(tensor.dtype == Element.dtype, "the tensors of an op differ in dtype")
    self.width = width
    unsafe base = tensor.address.assumingMemoryBound(to: Element.self)
    var count = 1
    for axis in stride(from: outerRank - 1, through: 0, by: -1) {
      let extent = tensor.extent(axis)
      count *= extent
      if extent == 1 { continue }
      if rank > 0, tensor.strides[axis] == extents[rank - 1] * strides[rank - 1] {
        extents[rank - 1] *= extent
      } else {
        extents[rank] = extent
        strides[rank] = tensor.strides[axis]
        rank += 1
      }
    }
    self.count = count
  }

  /// The first element of row `index`.
  ///
  /// Unsafe: `width` elements follow, valid while the tensor's storage lives.
  @unsafe @inline(__always) subscript(index: Int) -> UnsafeMutablePointer<Element> {
    if rank <= 1 { return unsafe base + index &* strides[0] }
    return unsafe base + offset(of: index)
  }

  private func offset(of index: Int) -> Int {
    var rest = index
    var offset = 0
    for axis in 0..<rank - 1 {
      offset += rest % extents[axis] * strides[axis]
      rest /= extents[axis]
    }
    return offset + rest * strides[rank - 1]
  }
}

/// How kernels divide work: enough elements a task that starting it costs nothing beside it.
enum Grain {
  /// The elements of the smallest task of a kernel that only moves memory.
  static let elements = 32_768
  /// The columns of a row that one task takes at once.
  static let columns = 8192

  /// Rows to a task.
  static func rows(ofWidth width: Int) -> Int { max(1, elements / max(width, 1)) }
}

/// Calls `body(row, columns)` for all of `rows × width`, in parallel, in bounded column ranges.
func forEachBlock(
  rows: Int, width: Int, _ body: @Sendable (_ row: Int, _ columns: Range<Int>) -> Void
) {
  guard rows > 0, width > 0 else { return }
  let panels = (width + Grain.columns - 1) / Grain.columns
  Threads.parallel(rows: rows * panels, grain: Grain.rows(ofWidth: min(width, Grain.columns))) {
    for unit in $0 {
      let (row, panel) = panels == 1 ? (unit, 0) : unit.quotientAndRemainder(dividingBy: panels)
      let first = panel * Grain.columns
      body(row, first..<min(first + Grain.columns, width))
    }
  }
}
