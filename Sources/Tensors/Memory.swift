package import Ledger

/// Where tensors live: what hands out blocks and takes them back.
package protocol Memory: AnyObject {
  /// Takes a block from the arena of `category`; nil when the system has no more.
  func allocate(bytes: Int, for category: Category) -> Allocation?
  /// Gives a block back.
  func deallocate(_ allocation: Allocation)
  /// The bytes that a block of `bytes` takes.
  func sizeClass(_ bytes: Int) -> Int
  /// The scratch bytes that products want beside their operands, computed together.
  func workspaceBytes(for products: [Product]) throws -> Int
  /// The scratch bytes that attention's kernels want beside their operands, those of oneDNN aside.
  func tileBytes(for pass: AttentionPass) -> Int
  /// Whether several devices share tensors, of which this is one's memory.
  var isShared: Bool { get }
  /// What is here of the `bytes` of a tensor that is made at a place; less than all where several
  /// devices share it.
  func share(of bytes: Int, _ role: TensorRole, at place: Place) -> Int
}

extension Memory {
  package var isShared: Bool { false }
  package func share(of bytes: Int, _ role: TensorRole, at place: Place) -> Int { bytes }
}

/// A block of memory: an address where there is memory, and the bytes behind it.
@safe package struct Allocation {
  /// Nil where memory is only counted.
  package let address: UnsafeMutableRawPointer?
  /// What the allocator's size class gave (`sallocx`, or `nallocx` where nothing is allocated).
  package let bytes: Int
  package let category: Category

  package init(address: UnsafeMutableRawPointer?, bytes: Int, category: Category) {
    unsafe self.address = address
    self.bytes = bytes
    self.category = category
  }
}

/// Memory that is counted and not there: the same model code, the same events, in microseconds.
package final class CountedMemory: Memory {
  /// What one of several devices holds of a tensor's bytes, by what it is and where it is made.
  package typealias Share = @Sendable (_ bytes: Int, _ role: TensorRole, _ place: Place) -> Int

  private let classes: (Int) -> Int
  private let products: ([Product]) throws -> Int
  private let tiles: (AttentionPass) -> Int
  private let share: Share?

  /// Memory whose blocks are as large as `sizeClass(requested)`, which is jemalloc's `nallocx` in
  /// the program, and whose products and attention take what those of the kernels that it stands
  /// for do. Without `share` it is that of the only device.
  package init(
    sizeClass: @escaping (Int) -> Int, products: @escaping ([Product]) throws -> Int = { _ in 0 },
    tiles: @escaping (AttentionPass) -> Int = { _ in 0 }, share: Share? = nil
  ) {
    classes = sizeClass
    self.products = products
    self.tiles = tiles
    self.share = share
  }

  package func allocate(bytes: Int, for category: Category) -> Allocation? {
    unsafe Allocation(address: nil, bytes: sizeClass(bytes), category: category)
  }
  package func deallocate(_ allocation: Allocation) {}
  package func sizeClass(_ bytes: Int) -> Int { classes(bytes) }
  package func workspaceBytes(for products: [Product]) throws -> Int {
    try self.products(products)
  }
  package func tileBytes(for pass: AttentionPass) -> Int { tiles(pass) }
  package var isShared: Bool { share != nil }
  package func share(of bytes: Int, _ role: TensorRole, at place: Place) -> Int {
    share?(bytes, role, place) ?? bytes
  }
}

/// Where a step runs: its memory, and what computes; with nothing that does, bytes are counted
/// alone.
package struct Backend {
  package let memory: any Memory
  package let kernels: (any Kernels)?

  package init(memory: any Memory, kernels: (any Kernels)?) {
    self.memory = memory
    self.kernels = kernels
  }

  /// Shapes alone.
  package static func shapes(
    sizeClass: @escaping (Int) -> Int, products: @escaping ([Product]) throws -> Int = { _ in 0 },
    tiles: @escaping (AttentionPass) -> Int = { _ in 0 }, share: CountedMemory.Share? = nil
  ) -> Backend {
    Backend(
      memory: CountedMemory(
        sizeClass: sizeClass, products: products, tiles: tiles, share: share),
      kernels: nil)
  }
}
