internal import CJemalloc

/// A control of jemalloc: a name of the `mallctl` tree, resolved once, and the type behind it.
///
/// A name may have one `0` component, which stands for an arena: `arena.0.destroy`. Resolving never
/// fails; a name that this library does not know throws at its first use.
package struct Control<Value: BitwiseCopyable & Sendable>: Sendable {
  /// As in jemalloc's manual, with arena 0.
  package let name: String
  private let mib: InlineArray<5, Int>
  private let depth: Int
  /// Which component the arena's index replaces.
  private let arenaComponent: Int?
  private let status: Int32

  /// Resolves a name (`mallctlnametomib`).
  package init(_ name: String) {
    var mib = InlineArray<5, Int>(repeating: 0)
    var depth = mib.count
    var components = mib.mutableSpan
    status = unsafe components.withUnsafeMutableBufferPointer {
      unsafe mallctlnametomib(name, $0.baseAddress, &depth)
    }
    self.name = name
    self.mib = mib
    self.depth = depth
    arenaComponent = name.split(separator: ".").firstIndex(of: "0")
  }

  /// Reads the value (`mallctlbymib`).
  package func read(arena: UInt32 = 0) throws(JemallocError) -> Value {
    let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)
    defer { unsafe value.deallocate() }
    var size = MemoryLayout<Value>.size
    try unsafe call(arena: arena, old: value, oldSize: &size, new: nil, newSize: 0)
    return unsafe value.pointee
  }

  /// Writes the value (`mallctlbymib`).
  package func write(_ value: Value, arena: UInt32 = 0) throws(JemallocError) {
    let new = UnsafeMutablePointer<Value>.allocate(capacity: 1)
    defer { unsafe new.deallocate() }
    unsafe new.initialize(to: value)
    try unsafe call(
      arena: arena, old: nil, oldSize: nil, new: new, newSize: MemoryLayout<Value>.size)
  }

  private func call(
    arena: UInt32, old: UnsafeMutableRawPointer?, oldSize: UnsafeMutablePointer<Int>?,
    new: UnsafeMutableRawPointer?, newSize: Int
  ) throws(JemallocError) {
    try JemallocError.check(status, name)
    var path = mib
    if let arenaComponent { path[arenaComponent] = Int(arena) }
    var components = path.mutableSpan
    let result = unsafe components.withUnsafeMutableBufferPointer {
      unsafe mallctlbymib($0.baseAddress, depth, old, oldSize, new, newSize)
    }
    try JemallocError.check(result, name)
  }
}

extension Control where Value == Never? {
  /// Runs a control that has no value, such as `arena.<i>.destroy` (`mallctlbymib`).
  func run(arena: UInt32) throws(JemallocError) {
    try unsafe call(arena: arena, old: nil, oldSize: nil, new: nil, newSize: 0)
  }
}

/// The controls that Ballast uses.
enum Controls {
  static let epoch = Control<UInt64>("epoch")
  static let pageBytes = Control<Int>("arenas.page")
  static let createArena = Control<UInt32>("arenas.create")
  static let destroyArena = Control<Never?>("arena.0.destroy")
  static let purgeArena = Control<Never?>("arena.0.purge")
  static let dirtyDecayMilliseconds = Control<Int>("arena.0.dirty_decay_ms")
  static let smallAllocated = Control<Int>("stats.arenas.0.small.allocated")
  static let largeAllocated = Control<Int>("stats.arenas.0.large.allocated")
  static let activePages = Control<Int>("stats.arenas.0.pactive")
  static let dirtyPages = Control<Int>("stats.arenas.0.pdirty")
  static let mapped = Control<Int>("stats.arenas.0.mapped")
  static let resident = Control<Int>("stats.arenas.0.resident")
}
