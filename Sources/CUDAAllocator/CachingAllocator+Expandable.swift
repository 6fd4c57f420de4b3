// Expandable segments: one range of addresses a pool, into which pages are mapped where they are
// needed (Note [Expandable Segments] in CUDACachingAllocator.cpp).

extension CachingAllocator {
  /// A block of a size in the lowest place that has room, with the pages that it lacks
  /// (`try_allocate_expandable_block`); nil where CUDA has no more pages.
  mutating func expandedBlock(_ size: Int, _ pool: Int) -> Int? {
    var place = expandablePlace(size, pool)
    if blocks[place].state == .unmapped {
      guard map(place, min(blocks[place].size, size)) else { return nil }
    }
    while blocks[place].size < size {
      // Behind a free block that is too small come unmapped addresses, which merge with it.
      let next = Int(blocks[place].next)
      guard map(next, min(size - blocks[place].size, blocks[next].size)) else { return nil }
      place = next
    }
    takeFree(place)
    return place
  }

  /// The lowest block from which on free and unmapped blocks have room (`find_expandable_block`).
  private mutating func expandablePlace(_ size: Int, _ pool: Int) -> Int {
    var unmapped = pools[pool].unmapped.first(ofSize: 0)
    while let entry = unmapped {
      let before = Int(blocks[entry.block].previous)
      let start = before >= 0 && blocks[before].state == .free ? before : entry.block
      if hasRoom(size, from: start) { return start }
      unmapped = pools[pool].unmapped.first(after: entry)
    }
    return addExpandableSegment(pool)
  }

  private func hasRoom(_ size: Int, from start: Int) -> Bool {
    var place = start
    var room = 0
    while room < size, place >= 0, [.free, .unmapped].contains(blocks[place].state) {
      room += blocks[place].size
      place = Int(blocks[place].next)
    }
    return room >= size
  }

  /// A new range of addresses, an eighth larger than the device's memory, and all of it unmapped.
  private mutating func addExpandableSegment(_ pool: Int, at given: Int? = nil) -> Int {
    let pageSize = settings.pageSize(isSmall: pools[pool].isSmall)
    let most = given == nil ? device.total.map { $0 + $0 / 8 } : nil
    let size = AllocatorSettings.roundUp(most ?? 1 << 46, to: pageSize)
    let address = given ?? segments.last.map { $0.address + $0.size } ?? 1 << 46
    segments.append(ExpandableSegment(address: address, size: size, pageSize: pageSize))
    let place = add(
      Block(
        address: address, size: size, pool: pool, segment: Int32(segments.count - 1),
        state: .unmapped))
    pools[pool].unmapped.insert(unmappedEntry(place))
    return place
  }

  /// Maps pages from the start of an unmapped block on, enough for a size (`map_block`).
  ///
  /// - Returns: Whether CUDA had the pages. The block is then free, and holds what was free beside.
  private mutating func map(_ place: Int, _ size: Int) -> Bool {
    let segment = segments[Int(blocks[place].segment)]
    let mapped = AllocatorSettings.roundUp(size, to: segment.pageSize)
    guard mapped <= device.free(beside: statistics.reserved.current) else { return false }
    pools[blocks[place].pool].unmapped.remove(unmappedEntry(place))
    if mapped < blocks[place].size {
      var rest = blocks[place]
      rest.address += mapped
      rest.size -= mapped
      let restPlace = add(rest)
      link(restPlace, Int(rest.next))
      link(place, restPlace)
      pools[rest.pool].unmapped.insert(unmappedEntry(restPlace))
      blocks[place].size = mapped
    }
    countRanges(around: place, after: 1)
    blocks[place].state = .free
    absorbNeighbours(of: place)
    putFree(place)
    statistics.segmentsMade += 1
    statistics.reserved.add(mapped)
    return true
  }

  /// Mapped ranges with nothing mapped before and behind are what a snapshot lists as segments.
  private mutating func countRanges(around place: Int, after change: Int) {
    let neighbours = [blocks[place].previous, blocks[place].next].filter {
      $0 >= 0 && blocks[Int($0)].state != .unmapped
    }
    statistics.segments.add(change * (1 - neighbours.count))
  }

  /// Takes the addresses of a range that a run had mapped from the unmapped end of its pool.
  ///
  /// - Returns: The segment, and the blocks before and behind the range; -1 for none.
  mutating func cutRange(
    _ layout: SegmentLayout, _ pool: Int
  ) -> (segment: Int32, before: Int, behind: Int) {
    let end = pools[pool].unmapped.last?.block ?? addExpandableSegment(pool, at: layout.address)
    pools[pool].unmapped.remove(unmappedEntry(end))
    let gap = layout.address - blocks[end].address
    precondition(gap >= 0 && gap + layout.size < blocks[end].size, "ranges come in their order")
    var before = Int(blocks[end].previous)
    if gap > 0 {
      var hole = blocks[end]
      hole.size = gap
      let place = add(hole)
      link(before, place)
      pools[pool].unmapped.insert(unmappedEntry(place))
      before = place
    }
    blocks[end].address += gap + layout.size
    blocks[end].size -= gap + layout.size
    pools[pool].unmapped.insert(unmappedEntry(end))
    return (blocks[end].segment, before, end)
  }

  /// The whole pages in a block, as addresses.
  func wholePages(of place: Int) -> (start: Int, end: Int) {
    let (block, segment) = (blocks[place], segments[Int(blocks[place].segment)])
    let start = block.address - segment.address
    let end = (start + block.size) / segment.pageSize * segment.pageSize
    let first = AllocatorSettings.roundUp(start, to: segment.pageSize)
    return (segment.address + first, segment.address + end)
  }

  /// Gives the whole pages of a free block back (`unmap_block`).
  mutating func unmap(_ place: Int) {
    let pages = wholePages(of: place)
    guard pages.start < pages.end else { return }
    takeFree(place)
    let block = blocks[place]
    // before? -> place -> after?
    cut(block, from: block.address, to: pages.start, between: Int(block.previous), place)
    cut(
      block, from: pages.end, to: block.address + block.size, between: place, Int(block.next))
    blocks[place].address = pages.start
    blocks[place].size = pages.end - pages.start
    countRanges(around: place, after: -1)
    blocks[place].state = .unmapped
    absorbNeighbours(of: place)
    pools[block.pool].unmapped.insert(unmappedEntry(place))
    statistics.segmentsReturned += 1
    statistics.reserved.add(pages.start - pages.end)
  }

  /// A free block of what is left at an end of one whose pages go, between its neighbours.
  private mutating func cut(
    _ block: Block, from start: Int, to end: Int, between first: Int, _ second: Int
  ) {
    guard start < end else { return }
    var rest = block
    rest.address = start
    rest.size = end - start
    let place = add(rest)
    link(first, place)
    link(place, second)
    putFree(place)
  }
}
