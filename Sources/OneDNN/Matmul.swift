internal import COneDNN
internal import Threading

/// The C handle of one product; freed with its owner.
@safe private final class MatmulHandle {
  let pointer: OpaquePointer

  init(_ shape: MatmulShape, slots: Int) throws(OneDNNError) {
    var description = ballast_matmul_description(shape)
    var pointer: OpaquePointer?
    try OneDNNError.check(
      unsafe ballast_matmul_create(&description, Int32(slots), &pointer), shape)
    guard let pointer = unsafe pointer else { throw OneDNNError(message: "no handle (\(shape))") }
    unsafe self.pointer = pointer
  }

  deinit { unsafe ballast_matmul_destroy(pointer) }

  var scratchpadBytes: Int { Int(unsafe ballast_matmul_scratchpad_bytes(pointer)) }
}

/// How a product is cut by its rows, into pieces that one thread computes each.
///
/// oneDNN divides a product evenly; where cores run at different speeds, since other programs share
/// them, the faster ones wait. Pieces go to whoever is free. A product is cut by its shape alone,
/// so that its bits do not depend on the number of threads.
private struct MatmulPieces {
  /// Rows of a piece: enough that packing `b` for each costs little beside it.
  static let rows = 192

  let count: Int
  /// Pieces that are computed at the same time.
  let slots: Int

  /// nil for a product that oneDNN divides: one of few rows, or of columns that run down `a`.
  init?(_ shape: MatmulShape) {
    guard shape.rank == 2, shape.rows >= 4 * Self.rows, shape.a.strides[1] == 1,
      shape.columns * shape.inner >= 1 << 14
    else { return nil }
    count = (shape.rows + Self.rows - 1) / Self.rows
    slots = min(count, Threads.count)
  }

  /// The rows of a piece.
  func rows(of index: Int, _ shape: MatmulShape) -> Range<Int> {
    index * Self.rows..<min((index + 1) * Self.rows, shape.rows)
  }

  /// Makes something for one thread.
  static func onOneThread<Result>(
    _ body: () throws(OneDNNError) -> Result
  ) throws(OneDNNError) -> Result {
    let before = Threads.count
    Threads.set(1)
    defer { Threads.set(before) }
    return try body()
  }
}

extension ballast_matmul_description {
  fileprivate init(_ shape: MatmulShape) {
    self.init(
      a: ballast_operand(shape.a), b: ballast_operand(shape.b), c: ballast_operand(shape.c),
      rank: Int32(shape.rank), accumulates: shape.accumulates ? 1 : 0)
  }
}

extension ballast_operand {
  fileprivate init(_ operand: MatmulOperand) {
    self.init()
    type = operand.type.rawValue
    unsafe withUnsafeMutableBytes(of: &extents) { bytes in
      let extents = unsafe bytes.bindMemory(to: Int64.self)
      for axis in 0..<operand.rank { unsafe extents[axis] = Int64(operand.extents[axis]) }
    }
    unsafe withUnsafeMutableBytes(of: &strides) { bytes in
      let strides = unsafe bytes.bindMemory(to: Int64.self)
      for axis in 0..<operand.rank { unsafe strides[axis] = Int64(operand.strides[axis]) }
    }
  }
}

/// A product that oneDNN has compiled; used by one thread at a time.
package final class Matmul {
  /// What was asked for, before normalisation.
  package let shape: MatmulShape
  /// The scratch bytes that `execute` needs (`dnnl::primitive_desc::scratchpad_desc`).
  package let scratchpadBytes: Int
  /// The product in the form that is computed.
  private let compiled: MatmulShape
  private let pieces: MatmulPieces?
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
    self.compiled = compiled
    pieces = MatmulPieces(compiled)
    guard let pieces else {
      handle = try MatmulHandle(compiled, slots: 1)
      last = nil
      scratchpadBytes = handle.scratchpadBytes
      return
    }
    let rest = compiled.rows % MatmulPieces.rows
    (handle, last) = try MatmulPieces.onOneThread { () throws(OneDNNError) in
      (
        try MatmulHandle(compiled.with(rows: MatmulPieces.rows), slots: pieces.slots),
        rest == 0 ? nil : try MatmulHandle(compiled.with(rows: rest), slots: pieces.slots)
      )
    }
    let bytes = max(handle.scratchpadBytes, last?.scratchpadBytes ?? 0)
    scratchpadBytes = pieces.slots * Self.aligned(bytes)
  }

  /// Slots of scratch begin at a multiple of 64 bytes.
  private static func aligned(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }

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
    guard let pieces = MatmulPieces(shape) else { return try describedBytes(shape) }
    let rest = shape.rows % MatmulPieces.rows
    let bytes = try MatmulPieces.onOneThread { () throws(OneDNNError) in
      max(
        try describedBytes(shape.with(rows: MatmulPieces.rows)),
        rest == 0 ? 0 : try describedBytes(shape.with(rows: rest)))
    }
    return pieces.slots * aligned(bytes)
  }

  private static func describedBytes(_ shape: MatmulShape) throws(OneDNNError) -> Int {
    var description = ballast_matmul_description(shape)
    var bytes = 0
    try OneDNNError.check(unsafe ballast_matmul_described_bytes(&description, &bytes), shape)
    return bytes
  }

  /// Whether oneDNN multiplies bfloat16 on this processor; 2.6 does so with AVX-512 alone.
  package static let multipliesBFloat16: Bool = {
    let operand = MatmulOperand(.bfloat16, extents: [2, 2], strides: [2, 1])
    return (try? Matmul(MatmulShape(a: operand, b: operand, c: operand))) != nil
  }()

  /// The kernel that oneDNN chose (`impl_info_str`): `brg:…` is its fast path.
  package var implementation: String {
    unsafe String(cString: ballast_matmul_implementation(handle.pointer))
  }

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
    guard let pieces else {
      try OneDNNError.check(
        unsafe ballast_matmul_execute(handle.pointer, 0, first, second, c, scratchpad), shape)
      return
    }
    let room = scratchpadBytes / pieces.slots
    var failures = [OneDNNError?](repeating: nil, count: pieces.count)
    unsafe failures.withUnsafeMutableBufferPointer { failures in
      Threads.parallel(tasks: pieces.count, threads: pieces.slots) { piece, slot in
        let rows = pieces.rows(of: piece, compiled)
        let isWhole = rows.count == MatmulPieces.rows
        guard let handle = isWhole ? handle : last else { preconditionFailure("a piece is lost") }
        let status = unsafe ballast_matmul_execute(
          handle.pointer, Int32(slot), first + compiled.a.bytes(toRow: rows.lowerBound), second,
          c + compiled.c.bytes(toRow: rows.lowerBound), scratchpad.map { unsafe $0 + slot * room })
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
