/// What an arena holds, in bytes, at one epoch of jemalloc's statistics.
package struct ArenaStatistics: Equatable, Sendable {
  /// Live blocks of the small size classes, up to 14 KiB (`stats.arenas.<i>.small.allocated`).
  package let smallAllocated: Int
  /// Live blocks of the large size classes (`stats.arenas.<i>.large.allocated`).
  package let largeAllocated: Int
  /// Pages that hold at least one live block (`stats.arenas.<i>.pactive`).
  package let active: Int
  /// Pages that were used, are free, and were not given back (`stats.arenas.<i>.pdirty`).
  package let dirty: Int
  /// Active extents and metadata in the address space (`stats.arenas.<i>.mapped`).
  package let mapped: Int
  /// The most that can be in physical memory (`stats.arenas.<i>.resident`).
  package let resident: Int

  /// Live blocks: exactly the sum of their `sallocx`.
  package var allocated: Int { smallAllocated + largeAllocated }

  /// Starts an epoch (`epoch`) and reads an arena's figures.
  ///
  /// Figures are exact if no other thread works in this arena; other arenas do not matter.
  init(arena: UInt32) throws(JemallocError) {
    try Controls.epoch.write(1)
    let page = try Controls.pageBytes.read()
    smallAllocated = try Controls.smallAllocated.read(arena: arena)
    largeAllocated = try Controls.largeAllocated.read(arena: arena)
    active = try Controls.activePages.read(arena: arena) * page
    dirty = try Controls.dirtyPages.read(arena: arena) * page
    mapped = try Controls.mapped.read(arena: arena)
    resident = try Controls.resident.read(arena: arena)
  }
}
