internal import CKernels
internal import Jemalloc
package import Ledger
internal import OneDNN
package import Tensors
package import TiledAttention
internal import Threading

/// The backend that has memory and computes: jemalloc arenas, oneDNN products, kernels in Swift.
///
/// ```
///   parameter ─▶ Arena ┐
///   gradient  ─▶ Arena ├─ destroyed with the backend, after every Storage that holds it
///   activation ▶ Arena │
///   workspace ─▶ Arena ┘
/// ```
///
/// An op looks at the dtypes of its tensors once and calls a kernel with concrete types
/// (`Kernels/`). Tensors that an op names together have one dtype, except where its comment says
/// otherwise. Statistics and sums are float32; a result has the same bits for every number of
/// threads.
package final class CPUBackend: Memory, Kernels {
  /// One arena a category, by `Category.rawValue`.
  private let arenas: [ArenaBox]
  let products = MatmulCache()
  /// How attention is cut into tiles.
  package var tiling = AttentionTiling()
  /// Called with every product before it runs.
  package var onProduct: ((Product) -> Void)?

  /// Makes the arenas and sets how many threads kernels and products use.
  ///
  /// The count holds for the calling thread, as oneDNN's does; use the backend on that thread.
  ///
  /// - Throws: `JemallocError` if jemalloc refuses an arena, `KernelsError` if the environment asks
  ///   for kernels that are not here.
  package init(threads: Int) throws {
    precondition(threads > 0, "a backend needs a thread")
    if let name = unsafe ballast_missing_kernels() {
      throw KernelsError(name: unsafe String(cString: name))
    }
    Threads.set(threads)
    arenas = try Category.allCases.map { _ in ArenaBox(arena: try Arena()) }
  }

  /// Memory and kernels, both of which this is.
  package var backend: Backend { Backend(memory: self, kernels: self) }

  // MARK: Memory

  /// The bytes that jemalloc takes for a block of `bytes`: what shapes alone predict with.
  package static func sizeClass(_ bytes: Int) -> Int { Arena.sizeClass(for: bytes) }
  package func sizeClass(_ bytes: Int) -> Int { Self.sizeClass(bytes) }

  /// The scratch of attention's kernels: what shapes alone predict with.
  ///
  /// - Parameters:
  ///   - pass: What is to be computed.
  ///   - isHere: Whether it is this processor that will; else what most take, the same everywhere.
  /// - Returns: Bytes.
  package static func tileBytes(for pass: AttentionPass, isHere: Bool) -> Int {
    tileBytes(for: pass, AttentionTiling(), isHere: isHere)
  }
  package func tileBytes(for pass: AttentionPass) -> Int { Self.tileBytes(for: pass, tiling) }

  package func allocate(bytes: Int, for category: Category) -> Allocation? {
    guard let block = unsafe arenas[category.rawValue].arena.allocate(bytes: bytes) else {
      return nil
    }
    return unsafe Allocation(
      address: block, bytes: Arena.allocatedBytes(of: block), category: category)
  }

  package func deallocate(_ allocation: Allocation) {
    guard let block = unsafe allocation.address else { return }
    unsafe arenas[allocation.category.rawValue].arena.deallocate(block)
  }

  /// The bytes of live blocks in the arena of a category, exact.
  package func allocatedBytes(of category: Category) throws -> Int {
    try arenas[category.rawValue].arena.statistics().allocated
  }

  /// Gives the pages of freed blocks back to the system, so that the next step starts without them.
  package func releaseFreePages() throws {
    for box in arenas { try box.arena.purge() }
  }
}

/// Kernels that BALLAST_KERNELS asks for and this processor, or this program, lacks.
package struct KernelsError: Error, CustomStringConvertible {
  let name: String

  package var description: String {
    let names: [String] = ["portable", "avx2", "avx512"]
    let others = names.filter { unsafe ballast_kernels_named($0) != nil }
    return "BALLAST_KERNELS is \(name.debugDescription), and there are no such kernels for this "
      + "processor; leave it out, or ask for one of \(others.joined(separator: ", "))"
  }
}

/// An arena in an array, which holds only copyable values.
private final class ArenaBox {
  let arena: Arena
  init(arena: consuming Arena) { self.arena = arena }
}
