// Blocks and their chains: making, merging, and putting them into their pools.

extension CachingAllocator {
  /// Notes a new block and gives its place.
  mutating func add(_ block: Block) -> Int {
    guard let place = vacant.popLast() else {
      blocks.append(block)
      return blocks.count - 1
    }
    let serial = blocks[Int(place)].serial &+ 1
    blocks[Int(place)] = block
    blocks[Int(place)].serial = serial
    return Int(place)
  }

  mutating func drop(_ place: Int) { vacant.append(Int32(place)) }

  /// Where a block stands among the free ones of its pool.
  func freeEntry(_ place: Int) -> FreeBlocks.Entry {
    FreeBlocks.Entry(size: blocks[place].size, address: blocks[place].address, block: place)
  }

  /// Where a block stands among the unmapped ones of its pool: by its address alone.
  func unmappedEntry(_ place: Int) -> FreeBlocks.Entry {
    FreeBlocks.Entry(size: 0, address: blocks[place].address, block: place)
  }

  mutating func putFree(_ place: Int) {
    blocks[place].state = .free
    blocks[place].freeSince = searches
    // A block that was freed is another one to whoever still holds its allocation.
    blocks[place].serial &+= 1
    pools[blocks[place].pool].free.insert(freeEntry(place))
    statistics.stuck.add(stuckBytes(of: place))
  }

  mutating func takeFree(_ place: Int) {
    pools[blocks[place].pool].free.remove(freeEntry(place))
    statistics.stuck.add(-stuckBytes(of: place))
  }

  /// Bytes of a free block that CUDA cannot get back.
  private func stuckBytes(of place: Int) -> Int {
    let block = blocks[place]
    guard block.segment >= 0 else { return block.isSplit ? block.size : 0 }
    let pages = wholePages(of: place)
    return block.size - max(pages.end - pages.start, 0)
  }

  /// Merges a block that is in no pool with its neighbours of the same state.
  mutating func absorbNeighbours(of place: Int) {
    absorb(Int(blocks[place].previous), into: place)
    absorb(Int(blocks[place].next), into: place)
  }

  /// Merges a neighbour into a block, if both are free or both unmapped (`try_merge_blocks`).
  private mutating func absorb(_ neighbour: Int, into place: Int) {
    guard neighbour >= 0, blocks[neighbour].state == blocks[place].state else { return }
    if blocks[neighbour].state == .free {
      takeFree(neighbour)
    } else {
      pools[blocks[neighbour].pool].unmapped.remove(unmappedEntry(neighbour))
    }
    if Int(blocks[place].previous) == neighbour {
      blocks[place].address = blocks[neighbour].address
      blocks[place].previous = blocks[neighbour].previous
      link(Int(blocks[place].previous), place)
    } else {
      blocks[place].next = blocks[neighbour].next
      link(place, Int(blocks[place].next))
    }
    blocks[place].size += blocks[neighbour].size
    drop(neighbour)
  }

  /// Makes two blocks neighbours; -1 is the end of a segment.
  mutating func link(_ first: Int, _ second: Int) {
    if first >= 0 { blocks[first].next = Int32(second) }
    if second >= 0 { blocks[second].previous = Int32(first) }
  }
}
