package import Ledger

/// Why a tensor could not be had.
package enum AllocationError: Error, Equatable, CustomStringConvertible {
  /// `mallocx` returned null.
  case refused(tensor: String, bytes: Int)
  /// The storage would lift the live bytes over the limit that the user set.
  case overLimit(tensor: String, bytes: Int, live: Int, limit: Int)

  package var description: String {
    switch self {
    case .refused(let tensor, let bytes):
      "the system refused \(bytes) bytes for tensor \"\(tensor)\"; "
        + "shorten the prefix or use a smaller model"
    case .overLimit(let tensor, let bytes, let live, let limit):
      "tensor \"\(tensor)\" needs \(bytes) bytes beside \(live) live ones, "
        + "more than the limit of \(limit) bytes; raise --memory or shorten the prefix"
    }
  }
}

/// The memory behind one or more tensors; charged to the ledger in `init`, credited in `deinit`.
///
/// ```
///   Tensor ─┐
///   Tensor ─┼─▶ Storage ──▶ Ledger          (bytes, category, regions)
///   Saved  ─┘        └────▶ Memory ──▶ arena (the block itself)
/// ```
///
/// It owns the ledger and the memory strongly, so that no block outlives its arena.
package final class Storage {
  package let id: StorageID
  /// The bytes that the tensor asked for.
  package let requestedBytes: Int
  package let category: Category
  private let allocation: Allocation
  private let memory: any Memory
  private let ledger: Ledger

  /// Takes a block from `memory` and enters it into `ledger`.
  ///
  /// - Throws: `AllocationError.refused` if there is none left.
  fileprivate init(
    tensor: String, role: TensorRole, isGradient: Bool, shape: Shape, dtype: DType,
    category: Category, layout: SequenceLayout, memory: any Memory, ledger: Ledger
  ) throws {
    var regions = shape.regions(in: layout, elementSize: dtype.size)
    let place = ledger.scope.op.place
    if memory.isShared { regions = regions.mapped { memory.share(of: $0, role, at: place) } }
    let bytes = regions.total
    guard let allocation = memory.allocate(bytes: bytes, for: category) else {
      throw AllocationError.refused(tensor: tensor, bytes: bytes)
    }
    self.allocation = allocation
    self.memory = memory
    self.ledger = ledger
    self.category = category
    requestedBytes = bytes
    id = ledger.charge(
      StorageDescription(
        tensor: tensor, role: role, isGradient: isGradient, category: category,
        shape: shape.extents, dtype: dtype.rawValue,
        requestedBytes: bytes, allocatedBytes: allocation.bytes,
        regions: regions))
  }

  deinit {
    ledger.credit(id)
    memory.deallocate(allocation)
  }

  /// The address of the first byte.
  ///
  /// Unsafe: valid while the storage lives, and only where memory is not just counted.
  package var address: UnsafeMutableRawPointer {
    guard let address = unsafe allocation.address else {
      preconditionFailure("counted memory has no address")
    }
    return unsafe address
  }
}

/// Where tensors come from during one measurement: memory, a ledger, who sees whom, and a limit.
package final class TensorFactory {
  package let memory: any Memory
  /// What computes; nil where bytes are counted alone.
  package let kernels: (any Kernels)?
  package let ledger: Ledger
  /// What says which region a row belongs to.
  package let layout: SequenceLayout
  /// The most allocated bytes that may be alive at once, over all categories.
  package let limit: Int?

  package init(_ backend: Backend, ledger: Ledger, layout: SequenceLayout, limit: Int? = nil) {
    memory = backend.memory
    kernels = backend.kernels
    self.ledger = ledger
    self.layout = layout
    self.limit = limit
  }

  /// A new tensor with undefined contents.
  ///
  /// - Parameters:
  ///   - name: What people read.
  ///   - role: What it is, or what it is the gradient of.
  ///   - shape: Its axes, outermost first.
  ///   - dtype: The type of its elements.
  ///   - category: What its bytes are for.
  ///   - isGradient: Whether it is a gradient.
  /// - Returns: The tensor, in a storage of its own.
  /// - Throws: `AllocationError`, naming the tensor and its bytes.
  package func make(
    _ name: String, _ role: TensorRole, _ shape: Shape, _ dtype: DType = .float32,
    for category: Category = .activation, isGradient: Bool = false
  ) throws -> Tensor {
    if let limit {
      let live = ledger.liveAllocatedBytes.total
      let bytes = memory.sizeClass(shape.count * dtype.size)
      if bytes > limit - live {
        throw AllocationError.overLimit(tensor: name, bytes: bytes, live: live, limit: limit)
      }
    }
    let storage = try Storage(
      tensor: name, role: role, isGradient: isGradient, shape: shape, dtype: dtype,
      category: category, layout: layout, memory: memory, ledger: ledger)
    return Tensor(storage: storage, shape: shape, dtype: dtype)
  }
}
