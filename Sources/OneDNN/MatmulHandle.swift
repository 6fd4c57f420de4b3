internal import COneDNN

/// The C handle of one product; freed with its owner.
@safe final class MatmulHandle {
  private let pointer: OpaquePointer

  /// Compiles a product; with `hasPanels`, `b` is what `Panels` packs.
  init(_ shape: MatmulShape, hasPanels: Bool, slots: Int) throws(OneDNNError) {
    var pointer: OpaquePointer?
    let status = ballast_matmul_description.with(shape, hasPanels: hasPanels) {
      unsafe ballast_matmul_create($0, Int32(slots), &pointer)
    }
    try OneDNNError.check(status, shape)
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
    var bytes = 0
    let status = ballast_matmul_description.with(shape, hasPanels: hasPanels) {
      unsafe ballast_matmul_described_bytes($0, &bytes)
    }
    try OneDNNError.check(status, shape)
    return bytes
  }

  /// Whether oneDNN has its fastest kernel for a product, with `b` in panels or as it is.
  static func isFast(_ shape: MatmulShape, hasPanels: Bool) -> Bool {
    ballast_matmul_description.with(shape, hasPanels: hasPanels) {
      unsafe ballast_matmul_is_fast($0) != 0
    }
  }
}

extension ballast_matmul_description {
  /// Lends the description of a product, whose name of unwanted kernels lives as long.
  fileprivate static func with<Result>(
    _ shape: MatmulShape, hasPanels: Bool,
    _ body: (UnsafePointer<ballast_matmul_description>) -> Result
  ) -> Result {
    var description = unsafe ballast_matmul_description(
      a: ballast_operand(shape.a), b: ballast_operand(shape.b), c: ballast_operand(shape.c),
      rank: Int32(shape.rank), accumulates: shape.accumulates ? 1 : 0,
      has_panels: hasPanels ? 1 : 0, unwanted: nil)
    guard let name = shape.unwantedKernels else { return unsafe body(&description) }
    return unsafe name.withCString {
      unsafe description.unwanted = $0
      return unsafe body(&description)
    }
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
