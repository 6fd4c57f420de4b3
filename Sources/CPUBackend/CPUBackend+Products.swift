import OneDNN
package import Tensors

extension CPUBackend {
  /// The scratchpad of the compiled product, in bytes.
  package func workspaceBytes(for product: Product) throws -> Int {
    try products.matmul(for: MatmulShape(product)).scratchpadBytes
  }

  package func multiply(_ product: Product, workspace: Tensor?) throws {
    guard product.c.count > 0 else { return }
    let matmul = try products.matmul(for: MatmulShape(product))
    precondition(
      matmul.scratchpadBytes <= workspace.map { $0.count * $0.dtype.size } ?? 0,
      "the workspace is smaller than the product's scratchpad")
    try unsafe matmul.execute(
      a: product.a.address, b: product.b.address, c: product.c.address,
      scratchpad: matmul.scratchpadBytes > 0 ? workspace?.address : nil)
  }
}

extension MatmulShape {
  fileprivate init(_ product: Product) {
    self.init(
      a: MatmulOperand(product.a), b: MatmulOperand(product.b), c: MatmulOperand(product.c),
      accumulates: product.accumulates)
  }
}

extension MatmulOperand {
  fileprivate init(_ tensor: borrowing Tensor) {
    let type: ElementType =
      switch tensor.dtype {
      case .float32: .float32
      case .bfloat16: .bfloat16
      }
    let (shape, strides) = (tensor.shape, tensor.strides)
    self.init(type, rank: shape.rank) { (shape[$0].extent, strides[$0]) }
  }
}
