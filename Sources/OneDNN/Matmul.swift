internal import Threading

/// A product that oneDNN has compiled; used by one thread at a time.
package final class Matmul {
  /// What was asked for, before normalisation.
  package let shape: MatmulShape
  /// The scratch bytes that `execute` needs: oneDNN's (`dnnl::primitive_desc::scratchpad_desc`),
  /// and those of an operand that is packed.
  package let scratchpadBytes: Int
  private let cut: (pieces: MatmulPieces, scratch: MatmulScratch)?
  /// The product, or a piece of it.
  private let handle: MatmulHandle
  /// The last piece, if that has fewer rows.
  private let last: MatmulHandle?
  /// Whether what was compiled is the transposed product, so that its rows are consecutive.
  private let isTransposed: Bool

  /// Compiles a product (`dnnl::matmul`).
  ///
  /// - Throws: `OneDNNError` if the operands do not fit, or oneDNN has no kernel for them.
  package init(_ shape: MatmulShape) throws(OneDNNError) {
    self.shape = shape
    isTransposed = shape.isColumnMajor
    let compiled = try Self.compiled(shape)
    guard let pieces = MatmulPieces(compiled) else {
      handle = try MatmulHandle(compiled, hasPanels: false, slots: 1)
      (last, cut) = (nil, nil)
      scratchpadBytes = handle.scratchpadBytes
      return
    }
    (handle, last) = try pieces.compiled()
    let scratch = MatmulScratch(
      pieces, bytes: max(handle.scratchpadBytes, last?.scratchpadBytes ?? 0))
    cut = (pieces, scratch)
    scratchpadBytes = scratch.bytes
  }

  /// The product that is compiled for a shape: one whose rows are consecutive.
  private static func compiled(_ shape: MatmulShape) throws(OneDNNError) -> MatmulShape {
    try shape.validate()
    return (shape.isColumnMajor ? shape.transposed : shape).normalized()
  }

  /// The scratch bytes that a product would need; nothing is compiled.
  ///
  /// - Throws: `OneDNNError`, as the initializer does.
  package static func scratchpadBytes(of shape: MatmulShape) throws(OneDNNError) -> Int {
    let shape = try compiled(shape)
    guard let pieces = MatmulPieces(shape) else {
      return try MatmulHandle.scratchpadBytes(of: shape, hasPanels: false)
    }
    return MatmulScratch(pieces, bytes: try pieces.describedBytes()).bytes
  }

  /// Whether oneDNN multiplies bfloat16 on this processor; 2.6 does so with AVX-512 alone.
  package static let multipliesBFloat16: Bool = {
    let operand = MatmulOperand(.bfloat16, extents: [2, 2], strides: [2, 1])
    return (try? Matmul(MatmulShape(a: operand, b: operand, c: operand))) != nil
  }()

  /// The kernel that oneDNN chose (`impl_info_str`): `brg:…` is its fast path.
  package var implementation: String { handle.implementation }

  /// Computes the product and waits for it (`dnnl_primitive_execute`).
  ///
  /// Unsafe: the pointers reach every element that the shape names; `c` overlaps neither operand,
  /// and `scratchpad` holds `scratchpadBytes`, or is nil where that is 0.
  package func execute(
    a: UnsafeRawPointer, b: UnsafeRawPointer, c: UnsafeMutableRawPointer,
    scratchpad: UnsafeMutableRawPointer?
  ) throws(OneDNNError) {
    precondition(unsafe scratchpadBytes == 0 || scratchpad != nil, "a product lacks its scratchpad")
    let (first, second) = unsafe isTransposed ? (b, a) : (a, b)
    guard let cut else {
      try OneDNNError.check(
        unsafe handle.execute(slot: 0, first, second, c, scratchpad: scratchpad), shape)
      return
    }
    try unsafe execute(cut.pieces, cut.scratch, first, second, c, scratchpad: scratchpad)
  }

  private func execute(
    _ pieces: MatmulPieces, _ scratch: MatmulScratch, _ a: UnsafeRawPointer,
    _ b: UnsafeRawPointer, _ c: UnsafeMutableRawPointer, scratchpad: UnsafeMutableRawPointer?
  ) throws(OneDNNError) {
    var operand = unsafe b
    if let panels = pieces.panels, let scratchpad = unsafe scratchpad {
      unsafe panels.fill(scratchpad, from: b)
      unsafe operand = UnsafeRawPointer(scratchpad)
    }
    let second = unsafe operand
    var failures = [OneDNNError?](repeating: nil, count: pieces.count)
    unsafe failures.withUnsafeMutableBufferPointer { failures in
      Threads.parallel(tasks: pieces.count, threads: pieces.slots) { piece, slot in
        let rows = pieces.rows(of: piece)
        let isWhole = rows.count == MatmulPieces.rows
        guard let handle = isWhole ? handle : last else { preconditionFailure("a piece is lost") }
        let status = unsafe handle.execute(
          slot: slot, a + pieces.shape.a.bytes(toRow: rows.lowerBound), second,
          c + pieces.shape.c.bytes(toRow: rows.lowerBound),
          scratchpad: scratchpad.map { unsafe $0 + scratch.panels + slot * scratch.room })
        do throws(OneDNNError) {
          try OneDNNError.check(status, shape)
        } catch {
          unsafe failures[piece] = error
        }
      }
    }
    if let failure = failures.lazy.compactMap({ $0 }).first { throw failure }
  }
}

/// The products that one backend has compiled; not for several threads.
///
/// oneDNN has a cache too, but making a product from it took 6 to 20 µs; compiling, 0.03 to 1 ms
/// as a rule, 22 ms for the first product of a process.
package final class MatmulCache {
  /// More shapes than a training step has; a step whose shapes all differ must not grow for ever.
  package static let capacity = 1024

  private var products: [MatmulShape: Matmul] = [:]
  /// The thread count that `products` were compiled for.
  private var threads = Threads.count

  package init() {}

  /// The number of products held.
  package var count: Int { products.count }

  /// The compiled product of this shape.
  ///
  /// - Throws: `OneDNNError` if the operands do not fit, or oneDNN has no kernel for them.
  package func matmul(for shape: MatmulShape) throws(OneDNNError) -> Matmul {
    if threads != Threads.count {
      products.removeAll()
      threads = Threads.count
    }
    if let product = products[shape] { return product }
    let product = try Matmul(shape)
    if products.count >= MatmulCache.capacity { products.removeAll(keepingCapacity: true) }
    products[shape] = product
    return product
  }
}
