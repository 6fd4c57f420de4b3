internal import COneDNN
internal import Threading

/// The C handle of one product; freed with its owner.
@safe private struct MatmulHandle: ~Copyable {
  let pointer: OpaquePointer

  init(_ shape: MatmulShape) throws(OneDNNError) {
    var description = ballast_matmul_description(shape)
    var pointer: OpaquePointer?
    try OneDNNError.check(unsafe ballast_matmul_create(&description, &pointer), shape)
    guard let pointer = unsafe pointer else { throw OneDNNError(message: "no handle (\(shape))") }
    unsafe self.pointer = pointer
  }

  deinit { unsafe ballast_matmul_destroy(pointer) }
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
  private let handle: MatmulHandle
  /// Whether what was compiled is the transposed product, so that its rows are consecutive.
  private let isTransposed: Bool

  /// Compiles a product (`dnnl::matmul`).
  ///
  /// - Throws: `OneDNNError` if the operands do not fit, or oneDNN has no kernel for them.
  package init(_ shape: MatmulShape) throws(OneDNNError) {
    self.shape = shape
    isTransposed = shape.isColumnMajor
    handle = try MatmulHandle(Self.compiled(shape))
    scratchpadBytes = Int(unsafe ballast_matmul_scratchpad_bytes(handle.pointer))
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
    try OneDNNError.check(
      unsafe ballast_matmul_execute(handle.pointer, first, second, c, scratchpad), shape)
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
