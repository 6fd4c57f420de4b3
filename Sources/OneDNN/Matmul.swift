internal import Threading

/// A product that oneDNN has compiled; used by one thread at a time.
package final class Matmul {
  /// What was asked for, before normalisation.
  package let shape: MatmulShape
  /// The scratch that `execute` needs.
  package let needs: MatmulNeeds
  private let kernel: Kernel
  /// Whether what was compiled is the transposed product, so that its rows are consecutive.
  private let isTransposed: Bool

  private enum Kernel {
    /// oneDNN divides the product over the threads.
    case whole(MatmulHandle)
    case cut(CutMatmul)
  }

  /// Compiles a product (`dnnl::matmul`).
  ///
  /// - Throws: `OneDNNError` if the operands do not fit, or oneDNN has no kernel for them.
  package init(_ shape: MatmulShape) throws(OneDNNError) {
    self.shape = shape
    isTransposed = shape.isColumnMajor
    let compiled = try Self.compiled(shape)
    if let cut = try CutMatmul(compiled) {
      kernel = .cut(cut)
      needs = MatmulNeeds(bytes: cut.scratch.bytes, isCut: true)
    } else {
      let handle = try MatmulHandle(compiled, hasPanels: false, slots: 1)
      kernel = .whole(handle)
      needs = MatmulNeeds(bytes: handle.scratchpadBytes, isCut: false)
    }
  }

  /// The product that is compiled for a shape: one whose rows are consecutive.
  private static func compiled(_ shape: MatmulShape) throws(OneDNNError) -> MatmulShape {
    try shape.validate()
    return (shape.isColumnMajor ? shape.transposed : shape).normalized()
  }

  /// The scratch that a product would need; nothing is compiled.
  ///
  /// - Throws: `OneDNNError`, as the initializer does.
  package static func needs(of shape: MatmulShape) throws(OneDNNError) -> MatmulNeeds {
    let shape = try compiled(shape)
    guard let pieces = MatmulPieces(shape) else {
      let bytes = try MatmulHandle.scratchpadBytes(of: shape, hasPanels: false)
      return MatmulNeeds(bytes: bytes, isCut: false)
    }
    let scratch = MatmulScratch(pieces, bytes: try pieces.describedBytes())
    return MatmulNeeds(bytes: scratch.bytes, isCut: true)
  }

  /// Whether oneDNN multiplies bfloat16 on this processor; 2.6 does so with AVX-512 alone.
  package static let multipliesBFloat16: Bool = {
    let operand = MatmulOperand(.bfloat16, extents: [2, 2], strides: [2, 1])
    return (try? Matmul(MatmulShape(a: operand, b: operand, c: operand))) != nil
  }()

  /// The kernel that oneDNN chose (`impl_info_str`): `brg:…` is its fast path.
  package var implementation: String {
    switch kernel {
    case .whole(let handle): handle.implementation
    case .cut(let cut): cut.whole.implementation
    }
  }

  /// Computes products and waits for them (`dnnl_primitive_execute`): in one loop where all are
  /// cut and no two are of one shape, whose slots they would share; else one after another.
  ///
  /// Unsafe: the addresses reach every element that the shapes name; no `c` overlaps an operand or
  /// another `c`. A scratchpad holds what the product needs, or is nil where that is nothing; it
  /// lies where `MatmulNeeds.places(of:)` says.
  package static func execute(
    _ products: [(matmul: Matmul, operands: MatmulOperands)]
  ) throws(OneDNNError) {
    var cut: [(product: CutMatmul, operands: MatmulOperands, shape: MatmulShape)] = []
    let isOneLoop =
      products.allSatisfy(\.matmul.needs.isCut)
      && Set(products.map { ObjectIdentifier($0.matmul) }).count == products.count
    for (matmul, given) in products {
      precondition(
        unsafe matmul.needs.bytes == 0 || given.scratchpad != nil, "a product lacks its scratchpad")
      let operands = matmul.isTransposed ? given.transposed : given
      switch matmul.kernel {
      case .cut(let product):
        cut.append((product, operands, matmul.shape))
        if isOneLoop { continue }
        try execute(cut)
        cut.removeAll()
      case .whole(let handle):
        let status = unsafe handle.execute(
          slot: 0, operands.a, operands.b, operands.c, scratchpad: operands.scratchpad)
        try OneDNNError.check(status, matmul.shape)
      }
    }
    if !cut.isEmpty { try execute(cut) }
  }

  /// Computes the pieces of products, in the order given, each by a thread that is free.
  private static func execute(
    _ products: [(product: CutMatmul, operands: MatmulOperands, shape: MatmulShape)]
  ) throws(OneDNNError) {
    for (product, operands, _) in products {
      if let panels = product.pieces.panels, let scratchpad = unsafe operands.scratchpad {
        unsafe panels.fill(scratchpad, from: operands.b)
      }
    }
    let counts = products.map(\.product.pieces.count)
    let count = counts.reduce(0, +)
    var failures = [OneDNNError?](repeating: nil, count: count)
    unsafe failures.withUnsafeMutableBufferPointer { failures in
      func compute(_ task: Int, on thread: Int) {
        var (index, piece) = (0, task)
        while piece >= counts[index] {
          piece -= counts[index]
          index += 1
        }
        let (product, operands, shape) = products[index]
        do throws(OneDNNError) {
          try OneDNNError.check(product.execute(piece, on: thread, operands), shape)
        } catch {
          unsafe failures[task] = error
        }
      }
      // Outside of a loop, oneDNN would divide the only piece.
      if count == 1 { return MatmulPieces.onOneThread { compute(0, on: 0) } }
      Threads.parallel(tasks: count, threads: min(count, Threads.count), compute)
    }
    if let failure = failures.lazy.compactMap({ $0 }).first { throw failure }
  }
}

/// The addresses of a product's operands and of its scratch.
@safe package struct MatmulOperands {
  package let a: UnsafeRawPointer
  package let b: UnsafeRawPointer
  package let c: UnsafeMutableRawPointer
  package let scratchpad: UnsafeMutableRawPointer?

  package init(
    a: UnsafeRawPointer, b: UnsafeRawPointer, c: UnsafeMutableRawPointer,
    scratchpad: UnsafeMutableRawPointer?
  ) {
    unsafe (self.a, self.b, self.c, self.scratchpad) = (a, b, c, scratchpad)
  }

  /// Those of the transposed product.
  var transposed: MatmulOperands {
    unsafe MatmulOperands(a: b, b: a, c: c, scratchpad: scratchpad)
  }
}

/// The scratch of a product.
package struct MatmulNeeds: Equatable {
  /// oneDNN's bytes (`dnnl::primitive_desc::scratchpad_desc`), and those of an operand that is
  /// packed.
  package let bytes: Int
  /// Whether the product is cut into pieces, which may share a loop with those of others.
  package let isCut: Bool

  package init(bytes: Int, isCut: Bool) {
    self.bytes = bytes
    self.isCut = isCut
  }

  /// Where the scratch of each of several products lies, and the bytes of all: beside each other
  /// where all are cut and share a loop, at one place where they run one after another.
  package static func places(of products: [MatmulNeeds]) -> (offsets: [Int], bytes: Int) {
    guard products.count > 1, products.allSatisfy(\.isCut) else {
      return (products.map { _ in 0 }, products.map(\.bytes).max() ?? 0)
    }
    var (offsets, bytes): ([Int], Int) = ([], 0)
    for product in products {
      offsets.append(bytes)
      bytes += MatmulScratch.aligned(product.bytes)
    }
    return (offsets, bytes)
  }
}
