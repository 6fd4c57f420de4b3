/// A segment and its blocks, as a snapshot lists them.
package struct SegmentLayout: Equatable, Sendable {
  package struct Block: Equatable, Sendable {
    package var size: Int
    /// What was asked for; 0 for a block that is free.
    package var requested: Int
    package var isAllocated: Bool

    package init(size: Int, requested: Int, isAllocated: Bool) {
      (self.size, self.requested, self.isAllocated) = (size, requested, isAllocated)
    }
  }

  package var address: Int
  package var stream: Int
  package var isSmall: Bool
  package var isExpandable: Bool
  /// One after the other, from the segment's address on.
  package var blocks: [Block]

  package init(
    address: Int, stream: Int, isSmall: Bool, isExpandable: Bool = false, blocks: [Block]
  ) {
    (self.address, self.stream, self.isSmall) = (address, stream, isSmall)
    (self.isExpandable, self.blocks) = (isExpandable, blocks)
  }

  package var size: Int { blocks.reduce(0) { $0 + $1.size } }
}

extension CachingAllocator {
  /// All segments by their addresses; of an expandable one each mapped range.
  package var layout: [SegmentLayout] {
    let unused = Set(vacant)
    var layouts: [SegmentLayout] = []
    for place in blocks.indices where !unused.contains(Int32(place)) && isStart(place) {
      let pool = pools[blocks[place].pool]
      var layout = SegmentLayout(
        address: blocks[place].address, stream: pool.stream, isSmall: pool.isSmall,
        isExpandable: blocks[place].segment >= 0, blocks: [])
      var next = place
      while next >= 0, blocks[next].state != .unmapped {
        let block = blocks[next]
        layout.blocks.append(
          SegmentLayout.Block(
            size: block.size, requested: block.requested, isAllocated: block.state == .allocated))
        next = Int(block.next)
      }
      layouts.append(layout)
    }
    return layouts.sorted { $0.address < $1.address }
  }

  /// Whether a mapped range begins with a block.
  private func isStart(_ place: Int) -> Bool {
    guard blocks[place].state != .unmapped else { return false }
    let previous = Int(blocks[place].previous)
    return previous < 0 || blocks[previous].state == .unmapped
  }

  /// Takes over a segment that a run had, with its blocks; ranges of a pool in their order.
  ///
  /// - Returns: For each block its allocation, if it is one.
  package mutating func restore(_ layout: SegmentLayout) -> [Allocation?] {
    precondition(!layout.blocks.isEmpty, "a segment of some blocks")
    let pool = pool(ofStream: layout.stream, isSmall: layout.isSmall)
    let (segment, before, behind) = layout.isExpandable ? cutRange(layout, pool) : (-1, -1, -1)
    var address = layout.address
    var places: [Int] = []
    for block in layout.blocks {
      var restored = Block(
        address: address, size: block.size, pool: pool, segment: segment,
        state: block.isAllocated ? .allocated : .free)
      restored.requested = block.requested
      let place = add(restored)
      link(places.last ?? before, place)
      places.append(place)
      address += block.size
    }
    link(places.last ?? -1, behind)
    statistics.segments.add(1)
    statistics.reserved.add(layout.size)
    return zip(places, layout.blocks).map { place, block in
      guard block.isAllocated else {
        putFree(place)
        return nil
      }
      statistics.allocated.add(block.size)
      statistics.active.add(block.size)
      statistics.requested.add(block.requested)
      return Allocation(block: Int32(place), serial: blocks[place].serial)
    }
  }
}
