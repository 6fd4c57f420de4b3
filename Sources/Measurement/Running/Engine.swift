import CPUBackend
import Jemalloc
package import Ledger
package import Tensors

/// What the runner needs of a backend that has memory: the one place that knows which it is.
package struct Engine: Sendable {
  /// A backend with arenas of its own, on this many threads.
  package var makeBackend: @Sendable (_ threads: Int) throws -> any Backend
  /// The bytes that the allocator takes for a block of so many.
  package var sizeClass: @Sendable (_ bytes: Int) -> Int
  /// The bytes that the allocator itself reports for a category; nil if the backend cannot tell.
  package var allocatedBytes: @Sendable (any Backend, Category) throws -> Int?

  package init(
    makeBackend: @escaping @Sendable (_ threads: Int) throws -> any Backend,
    sizeClass: @escaping @Sendable (_ bytes: Int) -> Int,
    allocatedBytes: @escaping @Sendable (any Backend, Category) throws -> Int?
  ) {
    self.makeBackend = makeBackend
    self.sizeClass = sizeClass
    self.allocatedBytes = allocatedBytes
  }

  /// jemalloc and oneDNN.
  package static let cpu = Engine(
    makeBackend: { try CPUBackend(threads: $0) },
    sizeClass: { CPUBackend.sizeClass($0) },
    allocatedBytes: { backend, category in
      try (backend as? CPUBackend)?.statistics(of: category).allocated
    })
}
