package import Ledger

/// A block of memory from a backend: an address where there is memory, and the bytes behind it.
@safe package struct Allocation {
  /// Nil on the shape backend.
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
///   Saved  ─┘        └────▶ Backend ──▶ arena (the block itself)
/// ```
///
/// It owns the ledger and the backend strongly, so that no block outlives its arena.
package final class Storage {
  package let id: StorageID
  /// The bytes that the tensor asked for.
  package let requestedBytes: Int
  package let category: Category
  private let allocation: Allocation
  private let backend: any Backend
  private let ledger: Ledger

  /// Takes a block from `backend` and enters it into `ledger`.
  ///
  /// - Throws: `AllocationError.refused` if the backend has no memory left.
  fileprivate init(
    tensor: String, shape: Shape, dtype: DType, category: Category, prefixLength: Int,
    backend: any Backend, ledger: Ledger
  ) throws {
    let bytes = shape.count * dtype.size
    guard let allocation = backend.allocate(bytes: bytes, for: category) else {
      throw AllocationError.refused(tensor: tensor, bytes: bytes)
    }
    self.allocation = allocation
    self.backend = backend
    self.ledger = ledger
    self.category = category
    requestedBytes = bytes
    id = ledger.charge(
      StorageDescription(
        tensor: tensor, category: category, shape: shape.extents, dtype: dtype.rawValue,
        requestedBytes: bytes, allocatedBytes: allocation.bytes,
        regions: shape.regions(prefixLength: prefixLength, elementSize: dtype.size)))
  }

  deinit {
    ledger.credit(id)
    backend.deallocate(allocation)
  }

  /// The address of the first byte.
  ///
  /// Unsafe: valid while the storage lives, and only on a backend that has memory.
  package var address: UnsafeMutableRawPointer {
    guard let address = unsafe allocation.address else {
      preconditionFailure("a storage of the shape backend has no memory")
    }
    return unsafe address
  }
}

/// Where tensors come from during one measurement: a backend, a ledger, a prefix and a limit.
package final class TensorFactory {
  package let backend: any Backend
  package let ledger: Ledger
  /// Positions before this one belong to the prefix, in bytes by region.
  package let prefixLength: Int
  /// The most allocated bytes that may be alive at once, over all categories.
  package let limit: Int?

  package init(backend: any Backend, ledger: Ledger, prefixLength: Int, limit: Int? = nil) {
    self.backend = backend
    self.ledger = ledger
    self.prefixLength = prefixLength
    self.limit = limit
  }

  /// A new tensor with undefined contents.
  ///
  /// - Throws: `AllocationError`, naming the tensor and its bytes.
  package func make(
    _ name: String, _ shape: Shape, _ dtype: DType = .float32, for category: Category = .activation
  ) throws -> Tensor {
    if let limit {
      let live = ledger.liveAllocatedBytes.total
      let bytes = shape.count * dtype.size
      if bytes > limit - live {
        throw AllocationError.overLimit(tensor: name, bytes: bytes, live: live, limit: limit)
      }
    }
    let storage = try Storage(
      tensor: name, shape: shape, dtype: dtype, category: category, prefixLength: prefixLength,
      backend: backend, ledger: ledger)
    return Tensor(storage: storage, shape: shape, dtype: dtype)
  }
}
