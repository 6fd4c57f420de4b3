internal import OneDNN
package import Tensors
internal import Threading

extension CPUBackend {
  /// The bytes of scratch for this product; compiles it if it is new.
  ///
  /// - Throws: `OneDNNError` if oneDNN has no kernel for these extents, strides and dtypes.
  package func workspaceBytes(for product: Product) throws -> Int {
    try Self.workspaceBytes(for: product) { try products.matmul(for: $0).scratchpadBytes }
  }

  /// The same on so many threads, for a product that is only counted: nothing is compiled.
  ///
  /// - Throws: `OneDNNError`, as above.
  package static func workspaceBytes(for product: Product, threads: Int) throws -> Int {
    let before = Threads.count
    if threads != before { Threads.set(threads) }
    defer { if threads != before { Threads.set(before) } }
    return try workspaceBytes(for: product) { try Matmul.scratchpadBytes(of: $0) }
  }

  private static func workspaceBytes(
    for product: Product, scratchpad: (MatmulShape) throws -> Int
  ) throws -> Int {
    if product.isEmpty { return 0 }
    if let widened = WidenedProduct(product) {
      return try widened.workspaceBytes(scratchpad: scratchpad)
    }
    return try scratchpad(MatmulShape(product))
  }

  /// Computes a product with oneDNN; `c` overlaps neither operand.
  ///
  /// - Throws: `OneDNNError`, as `workspaceBytes(for:)` does.
  package func multiply(_ product: Product, workspace: Tensor?) throws {
    onProduct?(product)
    if product.isEmpty {
      if !product.accumulates, product.c.count > 0 { fill(product.c, with: 0) }
      return
    }
    if let widened = WidenedProduct(product) {
      guard let workspace else { preconditionFailure("a widened product needs a workspace") }
      return try widened.multiply(on: self, workspace: workspace)
    }
    let matmul = try products.matmul(for: MatmulShape(product))
    if matmul.scratchpadBytes > 0 {
      let bytes = workspace.map { $0.count * $0.dtype.size } ?? 0
      precondition(bytes >= matmul.scratchpadBytes, "the workspace is too small for the product")
      precondition(workspace?.isContiguous ?? false, "a workspace is contiguous")
    }
    // The addresses are good while `product` and `workspace` keep their storages.
    try withExtendedLifetime((product, workspace)) {
      try unsafe matmul.execute(
        a: product.a.address, b: product.b.address, c: product.c.address,
        scratchpad: matmul.scratchpadBytes > 0 ? workspace?.address : nil)
    }
  }
}

extension Product {
  /// Whether there is nothing to multiply, which oneDNN refuses.
  fileprivate var isEmpty: Bool { c.count == 0 || a.extent(a.shape.rank - 1) == 0 }
}

extension MatmulShape {
  init(_ product: Product) {
    self.init(
      a: MatmulOperand(product.a), b: MatmulOperand(product.b), c: MatmulOperand(product.c),
      accumulates: product.accumulates)
  }
}

extension MatmulOperand {
  init(_ tensor: Tensor) {
    let type: ElementType =
      switch tensor.dtype {
      case .float32: .float32
      case .bfloat16: .bfloat16
      case .uint8, .int64: refuseMask()
      }
    self.init(type, rank: tensor.shape.rank) { (tensor.extent($0), tensor.strides[$0]) }
  }
}
