// Giving memory back to CUDA.

extension CachingAllocator {
  /// Gives back every segment of a pool that is wholly free, and every free page
  /// (`release_blocks`).
  mutating func releaseAll(of pool: Int) {
    for entry in pools[pool].free.all {
      if blocks[entry.block].segment >= 0 {
        unmap(entry.block)
      } else if !blocks[entry.block].isSplit {
        release(entry.block)
      }
    }
  }

  /// Gives a native segment back that is one free block (`release_block`).
  private mutating func release(_ place: Int) {
    takeFree(place)
    statistics.reserved.add(-blocks[place].size)
    statistics.segments.add(-1)
    statistics.segmentsReturned += 1
    drop(place)
  }

  /// Gives back segments too large to be split, enough of them for a request
  /// (`release_available_cached_blocks`).
  ///
  /// - Returns: Whether that was enough.
  mutating func releaseOversize(for size: Int, _ pool: Int) -> Bool {
    guard let most = settings.maxSplitSize else { return false }
    let wanted = max(size, most)
    if let entry = pools[pool].free.first(ofSize: wanted), blocks[entry.block].segment < 0 {
      release(entry.block)
      return true
    }
    var released = 0
    for entry in pools[pool].free.all.reversed() {
      guard released < wanted, entry.size >= most else { break }
      guard blocks[entry.block].segment < 0 else { continue }
      released += entry.size
      release(entry.block)
    }
    return released >= wanted
  }

  /// Gives back large segments that have been free longest, once more is reserved than the
  /// threshold lets (`garbage_collect_cached_blocks`).
  mutating func collectGarbage() {
    guard let allowed else { return }
    let threshold = Int(settings.garbageCollectionThreshold * Double(allowed))
    let excess = statistics.reserved.current - threshold
    guard excess > 0 else { return }
    var old = pools.indices.filter { !pools[$0].isSmall }
      .flatMap { pools[$0].free.all }
      .filter { !blocks[$0.block].isSplit }
    var totalAge = old.reduce(0) { $0 + age($1.block) }
    var reclaimed = 0
    while reclaimed < excess, !old.isEmpty {
      let threshold = Double(totalAge) / Double(old.count)
      let going = old.filter { blocks[$0.block].segment < 0 && Double(age($0.block)) >= threshold }
      guard !going.isEmpty else { return }
      for entry in going {
        reclaimed += entry.size
        totalAge -= age(entry.block)
        release(entry.block)
      }
      let gone = Set(going.map(\.block))
      old.removeAll { gone.contains($0.block) }
    }
  }

  /// Searches since the block became free.
  private func age(_ place: Int) -> Int { searches - blocks[place].freeSince }
}
