import CPUBackend
import Jemalloc
package import Ledger
package import Tensors

/// A backend that has memory, and what its allocator says of it.
package struct Machine {
  package let backend: Backend
  /// The bytes that the allocator itself reports for a category; nil where memory is only counted.
  package let allocatedBytes: ((Category) throws -> Int)?
  /// Gives pages that no block holds any more back to the system.
  package let releaseFreePages: () throws -> Void

  package init(
    backend: Backend, allocatedBytes: ((Category) throws -> Int)?,
    releaseFreePages: @escaping () throws -> Void = {}
  ) {
    self.backend = backend
    self.allocatedBytes = allocatedBytes
    self.releaseFreePages = releaseFreePages
  }
}

/// What makes machines, and predicts what they take: the one place that knows which backend it is.
package struct Engine: Sendable {
  /// A backend with arenas of its own, on this many threads.
  package var makeMachine: @Sendable (_ threads: Int) throws -> Machine
  /// The bytes that the allocator takes for a block of so many.
  package var sizeClass: @Sendable (_ bytes: Int) -> Int
  /// The scratch bytes of products that are computed together, on so many threads.
  package var productBytes: @Sendable (_ products: [Product], _ threads: Int) throws -> Int
  /// The scratch bytes of attention's kernels, on this processor or where nobody knows on which.
  package var tileBytes: @Sendable (_ pass: AttentionPass, _ isHere: Bool) -> Int

  package init(
    makeMachine: @escaping @Sendable (_ threads: Int) throws -> Machine,
    sizeClass: @escaping @Sendable (_ bytes: Int) -> Int,
    productBytes: @escaping @Sendable (_ products: [Product], _ threads: Int) throws -> Int = {
      _, _ in 0
    },
    tileBytes: @escaping @Sendable (_ pass: AttentionPass, _ isHere: Bool) -> Int
  ) {
    self.makeMachine = makeMachine
    self.sizeClass = sizeClass
    self.productBytes = productBytes
    self.tileBytes = tileBytes
  }

  /// Shapes alone, counted as a machine of this engine would take them, or one of several that
  /// share tensors.
  ///
  /// With `threads` scratch is what this processor's kernels take on so many, that of products too:
  /// bytes that are to be the same everywhere are counted without.
  package func shapes(threads: Int? = nil, _ share: CountedMemory.Share? = nil) -> Backend {
    .shapes(
      sizeClass: sizeClass,
      products: { [productBytes] in
        guard let threads else { return 0 }
        return try productBytes($0, threads)
      },
      tiles: { [tileBytes] in tileBytes($0, threads != nil) }, share: share)
  }

  /// jemalloc and oneDNN.
  package static let cpu = Engine(
    makeMachine: { threads in
      let cpu = try CPUBackend(threads: threads)
      return Machine(
        backend: cpu.backend, allocatedBytes: { try cpu.allocatedBytes(of: $0) },
        releaseFreePages: { try cpu.releaseFreePages() })
    },
    sizeClass: { CPUBackend.sizeClass($0) },
    productBytes: { try CPUBackend.workspaceBytes(for: $0, threads: $1) },
    tileBytes: { CPUBackend.tileBytes(for: $0, isHere: $1) })
}
