/// PyTorch's caching allocator (c10/cuda/CUDACachingAllocator.cpp, torch 2.13) without memory:
/// which block each request gets, and what CUDA is asked for.
///
/// ```
///   segment   ┌──────────┬───────┬──────────────┬─────────┐      cudaMalloc'ed once, split at need
///   blocks    │ in use   │ free  │ in use       │ free    │      tile their segment, in a chain
///             └──────────┴───┬───┴──────────────┴────┬────┘
///   pool                  FreeBlocks, by size and address      one a stream and kind: small, large
///
///   expandable segment    one a pool: pages are mapped where its blocks end, and unmapped
/// ```
///
/// What holds at all times: the blocks of a segment tile it, no two neighbours are free (or both
/// unmapped), and `allocated` is the sum of the blocks in use. A value: a copy is another allocator
/// in the same state.
package struct CachingAllocator: Sendable {
  package let settings: AllocatorSettings
  package let device: DeviceMemory
  package internal(set) var statistics = AllocatorStatistics()

  /// A block that is in use; it is of no use any more once the block is freed.
  package struct Allocation: Hashable, Sendable {
    let block: Int32
    let serial: UInt32
  }

  struct Block {
    enum State {
      case free
      /// Addresses without memory, in an expandable segment.
      case unmapped
      case allocated
      /// Freed, while another stream may still use it.
      case retiring
    }

    var address: Int
    var size: Int
    var requested = 0
    let pool: Int
    /// The expandable segment; -1 in a native one.
    let segment: Int32
    var state: State
    /// Neighbours in the segment; -1 at its ends.
    var previous: Int32 = -1
    var next: Int32 = -1
    /// How many searches the pool had seen when the block became free.
    var freeSince = 0
    var serial: UInt32 = 0

    var isSplit: Bool { previous >= 0 || next >= 0 }
  }

  /// The free blocks of a stream and a kind.
  struct Pool {
    let stream: Int
    let isSmall: Bool
    var free = FreeBlocks()
    /// By address.
    var unmapped = FreeBlocks()
  }

  /// A range of addresses that pages are mapped into.
  struct ExpandableSegment {
    let address: Int
    let size: Int
    let pageSize: Int
  }

  struct PoolName: Hashable {
    let stream: Int
    let isSmall: Bool
  }

  var blocks: [Block] = []
  /// Places in `blocks` that are free again.
  var vacant: [Int32] = []
  var pools: [Pool] = []
  var poolPlaces: [PoolName: Int] = [:]
  var segments: [ExpandableSegment] = []
  var addresses: SegmentAddresses
  /// Searches in large pools, by which garbage collection tells age.
  var searches = 0
  /// Blocks that another stream may still use.
  var retiring: Set<Allocation> = []

  package init(
    _ settings: AllocatorSettings = AllocatorSettings(), device: DeviceMemory = .unlimited,
    order: AddressOrder = .up
  ) {
    (self.settings, self.device) = (settings, device)
    addresses = SegmentAddresses(order)
  }

  // MARK: Requests

  /// Gives a block for a request of `bytes`, at least 1.
  ///
  /// - Throws: `OutOfMemory` where CUDA has no room after all that is cached went back.
  package mutating func allocate(
    _ bytes: Int, stream: Int = 0
  ) throws(OutOfMemory) -> Allocation {
    precondition(bytes > 0, "what takes no bytes is not allocated")
    let size = settings.blockSize(for: bytes)
    let pool = pool(ofStream: stream, isSmall: settings.isSmall(size))
    guard let block = cachedBlock(size, pool) ?? newBlock(size, pool) else {
      throw OutOfMemory(
        asked: settings.segmentSize(for: size), requested: bytes,
        free: device.free(beside: statistics.reserved.current), total: device.total ?? 0,
        allocated: statistics.allocated.current, reserved: statistics.reserved.current)
    }
    return use(block, size, bytes)
  }

  /// Frees a block that no stream uses any more.
  package mutating func free(_ allocation: Allocation) {
    let place = requireAllocated(allocation)
    statistics.allocated.add(-blocks[place].size)
    release(place)
  }

  /// Frees a block that another stream may still use: it is no more allocated, and not free.
  package mutating func retire(_ allocation: Allocation) {
    let place = requireAllocated(allocation)
    blocks[place].state = .retiring
    retiring.insert(allocation)
    statistics.allocated.add(-blocks[place].size)
  }

  private func requireAllocated(_ allocation: Allocation) -> Int {
    let place = Int(allocation.block)
    precondition(
      blocks[place].state == .allocated && blocks[place].serial == allocation.serial,
      "a block is freed once")
    return place
  }

  /// Makes a retired block free; nothing happens if a retry has done so already.
  package mutating func finish(_ allocation: Allocation) {
    guard retiring.remove(allocation) != nil else { return }
    release(Int(allocation.block))
  }

  /// Makes a block free that nobody uses any more.
  private mutating func release(_ place: Int) {
    statistics.active.add(-blocks[place].size)
    statistics.requested.add(-blocks[place].requested)
    blocks[place].state = .free
    blocks[place].requested = 0
    absorbNeighbours(of: place)
    putFree(place)
  }

  /// Gives CUDA back what is wholly free, as `torch.cuda.empty_cache` does.
  package mutating func emptyCache() {
    for allocation in retiring.sorted(by: { $0.block < $1.block }) { finish(allocation) }
    for isSmall in [false, true] {
      for place in pools.indices where pools[place].isSmall == isSmall { releaseAll(of: place) }
    }
  }

  /// The address of a block in use.
  package func address(of allocation: Allocation) -> Int { blocks[Int(allocation.block)].address }

  /// The size of a block in use.
  package func size(of allocation: Allocation) -> Int { blocks[Int(allocation.block)].size }

  // MARK: Searching

  mutating func pool(ofStream stream: Int, isSmall: Bool) -> Int {
    // There are seldom more than these two.
    for place in pools.indices.prefix(2)
    where pools[place].stream == stream && pools[place].isSmall == isSmall { return place }
    let name = PoolName(stream: stream, isSmall: isSmall)
    if let place = poolPlaces[name] { return place }
    poolPlaces[name] = pools.count
    pools.append(Pool(stream: stream, isSmall: isSmall))
    return pools.count - 1
  }

  /// The best free block for a size (`get_free_block`), taken from its pool.
  private mutating func cachedBlock(_ size: Int, _ pool: Int) -> Int? {
    if collectsGarbage, !pools[pool].isSmall { searches += 1 }
    guard var best = pools[pool].free.first(ofSize: size) else { return nil }
    if settings.usesExpandableSegments {
      // Best by the size that a block can grow to, which may be larger blocks' merit.
      while let next = pools[pool].free.first(after: best),
        grownSize(next.block) < grownSize(best.block)
      { best = next }
    }
    guard settings.allows(best.size, for: size) else { return nil }
    takeFree(best.block)
    return best.block
  }

  /// A block's size with the unmapped addresses behind it.
  private func grownSize(_ place: Int) -> Int {
    let next = Int(blocks[place].next)
    return blocks[place].size
      + (next >= 0 && blocks[next].state == .unmapped ? blocks[next].size : 0)
  }

  /// A block of memory that CUDA gives, after returning ever more of what is cached.
  private mutating func newBlock(_ size: Int, _ pool: Int) -> Int? {
    if collectsGarbage { collectGarbage() }
    if let block = blockOfCUDA(size, pool) { return block }
    if releaseOversize(for: size, pool), let block = blockOfCUDA(size, pool) { return block }
    emptyCache()
    statistics.retries += 1
    return blockOfCUDA(size, pool)
  }

  /// A new segment, or more pages of one (`alloc_block`).
  private mutating func blockOfCUDA(_ size: Int, _ pool: Int) -> Int? {
    let segmentSize = settings.segmentSize(for: size)
    if let allowed, statistics.reserved.current + segmentSize > allowed { return nil }
    if settings.usesExpandableSegments { return expandedBlock(size, pool) }
    guard segmentSize <= device.free(beside: statistics.reserved.current) else { return nil }
    let address = addresses.address(ofSize: segmentSize)
    let place = add(
      Block(address: address, size: segmentSize, pool: pool, segment: -1, state: .free))
    statistics.segments.add(1)
    statistics.segmentsMade += 1
    statistics.reserved.add(segmentSize)
    return place
  }

  /// What `per_process_memory_fraction` lets the process reserve; nil for all that there is.
  var allowed: Int? {
    guard settings.memoryFraction < 1, let total = device.total else { return nil }
    return Int(settings.memoryFraction * Double(total))
  }

  var collectsGarbage: Bool { settings.garbageCollectionThreshold > 0 && allowed != nil }

  // MARK: Using a block

  /// Puts a request into a block that is in no pool, and splits off the rest (`alloc_found_block`).
  private mutating func use(_ place: Int, _ size: Int, _ bytes: Int) -> Allocation {
    let isSmall = pools[blocks[place].pool].isSmall
    var used = place
    if settings.splits(size, offBlockOf: blocks[place].size, isSmall: isSmall) {
      var front = blocks[place]
      front.size = size
      front.next = Int32(place)
      used = add(front)
      if front.previous >= 0 { blocks[Int(front.previous)].next = Int32(used) }
      blocks[place].previous = Int32(used)
      blocks[place].address += size
      blocks[place].size -= size
      putFree(place)
    }
    blocks[used].state = .allocated
    blocks[used].requested = bytes
    statistics.allocated.add(blocks[used].size)
    statistics.active.add(blocks[used].size)
    statistics.requested.add(bytes)
    return Allocation(block: Int32(used), serial: blocks[used].serial)
  }
}
