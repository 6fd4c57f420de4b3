internal import OneDNN
package import Tensors
internal import Threading

extension CPUBackend {
  /// The bytes of scratch for products that are computed together; compiles those that are new.
  ///
  /// - Throws: `OneDNNError` if oneDNN has no kernel for these extents, strides and dtypes.
  package func workspaceBytes(for products: [Product]) throws -> Int {
    try Self.workspaceBytes(for: products) { try self.products.matmul(for: $0).needs }
  }

  /// The same on so many threads, for products that are only counted: nothing is compiled.
  ///
  /// - Throws: `OneDNNError`, as above.
  package static func workspaceBytes(for products: [Product], threads: Int) throws -> Int {
    let before = Threads.count
    if threads != before { Threads.set(threads) }
    defer { if threads != before { Threads.set(before) } }
    return try workspaceBytes(for: products) { try Matmul.needs(of: $0) }
  }

  private static func workspaceBytes(
    for products: [Product], needs: (MatmulShape) throws -> MatmulNeeds
  ) throws -> Int {
    MatmulNeeds.places(
      of: try products.filter { !$0.isEmpty }.map { product in
        guard let widened = WidenedProduct(product) else { return try needs(MatmulShape(product)) }
        return MatmulNeeds(bytes: try widened.workspaceBytes(needs: needs), isCut: false)
      }
    ).bytes
  }

  /// Computes products with oneDNN; no `c` overlaps an operand or another `c`.
  ///
  /// - Throws: `OneDNNError`, as `workspaceBytes(for:)` does.
  package func multiply(_ products: [Product], workspace: Tensor?) throws {
    precondition(workspace?.isContiguous ?? true, "a workspace is contiguous")
    var plain: [(product: Product, matmul: Matmul)] = []
    for product in products {
      onProduct?(product)
      if product.isEmpty {
        if !product.accumulates, product.c.count > 0 { fill(product.c, with: 0) }
      } else if let widened = WidenedProduct(product) {
        guard let workspace else { preconditionFailure("a widened product needs a workspace") }
        try widened.multiply(on: self, workspace: workspace)
      } else {
        plain.append((product, try self.products.matmul(for: MatmulShape(product))))
      }
    }
    let places = MatmulNeeds.places(of: plain.map(\.matmul.needs))
    let bytes = workspace.map { $0.count * $0.dtype.size } ?? 0
    precondition(bytes >= places.bytes, "the workspace is too small for the products")
    // The addresses are good while `products` and `workspace` keep their storages.
    try withExtendedLifetime((products, workspace)) {
      try Matmul.execute(
        zip(plain, places.offsets).map { entry, offset in
          let scratchpad = unsafe entry.matmul.needs.bytes > 0 ? workspace?.address : nil
          return unsafe (
            entry.matmul,
            MatmulOperands(
              a: entry.product.a.address, b: entry.product.b.address, c: entry.product.c.address,
              scratchpad: scratchpad.map { unsafe $0 + offset })
          )
        })
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
      case .float16, .uint8, .int64, .bool: refuseType()
      }
    self.init(type, rank: tensor.shape.rank) { (tensor.extent($0), tensor.strides[$0]) }
  }
}
