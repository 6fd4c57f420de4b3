internal import CKernels
internal import Threading

/// The second operand of a product, `[inner, columns]`, in panels of 64 columns, which oneDNN
/// multiplies without a copy of its own for each piece.
///
/// `[columns / 64, inner, 64]` for float32, `[columns / 64, inner / 2, 64, 2]` for bfloat16.
@safe struct Panels {
  private static let columns = 64
  /// The bytes of the largest operand that is packed: about what caches hold. The head of a large
  /// model would take gigabytes more than it has.
  private static let largest = 16 << 20
  /// Rows of the inner dimension that are packed at once.
  private static let step = 64

  private let b: MatmulOperand
  private let pack: ballast_packer

  /// nil where oneDNN has no fast kernel for a product with panels, or `b` does not fill them, or
  /// is too large.
  init?(of shape: MatmulShape) {
    let b = shape.b
    guard shape.inner * shape.columns * b.type.size <= Self.largest,
      let pack = unsafe ballast_find_packer(), shape.columns.isMultiple(of: Self.columns),
      shape.inner.isMultiple(of: 32), b.strides[0] == 1 || b.strides[1] == 1,
      MatmulHandle.isFast(shape, hasPanels: true)
    else { return nil }
    self.b = b
    unsafe self.pack = pack
  }

  var bytes: Int { b.extents[0] * b.extents[1] * b.type.size }

  /// Packs `b`, on all threads.
  ///
  /// Unsafe: the pointers reach every element of the operand; `panels` is aligned to 64 bytes.
  func fill(_ panels: UnsafeMutableRawPointer, from start: UnsafeRawPointer) {
    let inner = b.extents[0]
    let operand = unsafe ballast_operand_panels(
      type: b.type.rawValue, start: start, inner: inner, columns: b.extents[1],
      row: b.strides[0], column: b.strides[1], panels: panels)
    Threads.parallel(tasks: (inner + Self.step - 1) / Self.step) { task, _ in
      let first = task * Self.step
      unsafe withUnsafePointer(to: operand) {
        unsafe pack($0, first, min(first + Self.step, inner))
      }
    }
  }
}
