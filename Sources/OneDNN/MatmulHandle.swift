internal import COneDNN

/// The C handle of one product; freed with its owner.
@safe final class MatmulHandle {
  private let pointer: OpaquePointer

  /// Compiles a product; with `hasPanels`, `b` is what `Panels` packs.
  init(_ shape: MatmulShape, hasPanels: Bool, slots: Int) throws(OneDNNError) {
    var description = ballast_matmul_description(shape, hasPanels: hasPanels)
    var pointer: OpaquePointer?
    try OneDNNError.check(
      unsafe ballast_matmul_create(&description, Int32(slots), &pointer), shape)
    guard let pointer = unsafe pointer else { throw OneDNNError(message: "no handle (\(shape))") }
    unsafe self.pointer = pointer
  }

  deinit { unsafe ballast_matmul_destroy(pointer) }

  var scratchpadBytes: Int { Int(unsafe ballast_matmul_scratchpad_bytes(pointer)) }

  var implementation: String {
    unsafe String(cString: ballast_matmul_implementation(pointer))
  }

  /// Computes the product in a slot and gives oneDNN's status.
  ///
  /// Unsafe: the pointers reach every element that the shape names.
  func execute(
    slot: Int, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ c: UnsafeMutableRawPointer,
    scratchpad: UnsafeMutableRawPointer?
  ) -> Int32 {
    unsafe ballast_matmul_execute(pointer, Int32(slot), a, b, c, scratchpad)
  }

  /// The scratch bytes that a product would need; nothing is compiled.
  static func scratchpadBytes(
    of shape: MatmulShape, hasPanels: Bool
  ) throws(OneDNNError) -> Int {
    var description = ballast_matmul_description(shape, hasPanels: hasPanels)
    var bytes = 0
    try OneDNNError.check(unsafe ballast_matmul_described_bytes(&description, &bytes), shape)
    return bytes
  }

  /// Whether oneDNN has its fastest kernel for a product, with `b` in panels or as it is.
  static func isFast(_ shape: MatmulShape, hasPanels: Bool) -> Bool {
    var description = ballast_matmul_description(shape, hasPanels: hasPanels)
    return unsafe ballast_matmul_is_fast(&description) != 0
  }
}

extension ballast_matmul_description {
  fileprivate init(_ shape: MatmulShape, hasPanels: Bool) {
    self.init(
      a: ballast_operand(shape.a), b: ballast_operand(shape.b), c: ballast_operand(shape.c),
      rank: Int32(shape.rank), accumulates: shape.accumulates ? 1 : 0,
      has_panels: hasPanels ? 1 : 0)
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
