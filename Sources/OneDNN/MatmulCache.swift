internal import Threading

/// The products that one backend has compiled; not for several threads.
///
/// oneDNN has a cache too, but making a product from it took 6 to 20 µs; compiling, 0.03 to 1 ms
/// as a rule, 22 ms for the first product of a process.
package final class MatmulCache {
  /// More shapes than a training step has; a step whose shapes all differ must not grow for ever.
  package static let capacity = 1024

  private var products: [MatmulShape: Matmul] = [:]
  /// The products found last: those asked for their scratch are wanted again at once.
  private var last: Matmul?
  private var nextToLast: Matmul?
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
      (last, nextToLast) = (nil, nil)
      threads = Threads.count
    }
    if let last, last.shape == shape { return last }
    if let nextToLast, nextToLast.shape == shape { return nextToLast }
    let product = if let known = products[shape] { known } else { try compile(shape) }
    (last, nextToLast) = (product, last)
    return product
  }

  private func compile(_ shape: MatmulShape) throws(OneDNNError) -> Matmul {
    let product = try Matmul(shape)
    if products.count >= MatmulCache.capacity { products.removeAll(keepingCapacity: true) }
    products[shape] = product
    return product
  }
}
