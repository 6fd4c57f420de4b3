import CUDAAllocator
import Testing

/// The rules of c10/cuda/CUDACachingAllocator.cpp (torch 2.13), one by one.
@Suite struct `PyTorch's caching allocator` {
  private let mebibyte = 1 << 20

  private func layout(_ allocator: CachingAllocator) -> [[Int]] {
    allocator.layout.map { $0.blocks.map { $0.isAllocated ? $0.size : -$0.size } }
  }

  /// `should_split`: of a small block what is 512 bytes or more, of a large one more than 1 MiB.
  @Test func `splits the front off a block`() throws {
    var allocator = CachingAllocator()
    _ = try allocator.allocate(1000)
    #expect(layout(allocator) == [[1024, -(2 * mebibyte - 1024)]])
    _ = try allocator.allocate(2 * mebibyte)
    #expect(layout(allocator)[1] == [2 * mebibyte, -18 * mebibyte])
    _ = try allocator.allocate(17 * mebibyte)
    #expect(layout(allocator)[1] == [2 * mebibyte, 18 * mebibyte])
    #expect(allocator.statistics.allocated.current == 20 * mebibyte + 1024)
    #expect(allocator.statistics.requested.current == 19 * mebibyte + 1000)
  }

  /// `BlockComparatorSize`: the smallest that fits, of equal ones the lowest.
  @Test func `takes the smallest block that fits, of equal ones the lowest`() throws {
    var allocator = CachingAllocator(order: .down)
    let blocks = try [30, 12, 14, 12].map { try allocator.allocate($0 * mebibyte) }
    let addresses = blocks.map { allocator.address(of: $0) }
    for block in blocks { allocator.free(block) }
    let again = try allocator.allocate(12 * mebibyte)
    #expect(allocator.address(of: again) == addresses[3], "the later one is the lower one")
    let next = try allocator.allocate(13 * mebibyte)
    #expect(allocator.address(of: next) == addresses[2])
    #expect(allocator.size(of: next) == 14 * mebibyte, "1 MiB is not split off")
  }

  @Test func `merges a freed block with its free neighbours`() throws {
    var allocator = CachingAllocator()
    let blocks = try (0..<4).map { _ in try allocator.allocate(512 << 10) }
    allocator.free(blocks[1])
    allocator.free(blocks[3])
    #expect(allocator.statistics.stuck.current == mebibyte)
    allocator.free(blocks[2])
    #expect(layout(allocator) == [[512 << 10, -(1536 << 10)]])
    allocator.free(blocks[0])
    #expect(layout(allocator) == [[-2 * mebibyte]])
    #expect(
      allocator.statistics.stuck.current == 0 && allocator.statistics.stuck.peak == 1536 << 10)
  }

  @Test func `keeps streams and sizes apart`() throws {
    var allocator = CachingAllocator()
    let block = try allocator.allocate(4096, stream: 1)
    allocator.free(block)
    _ = try allocator.allocate(4096, stream: 2)
    #expect(allocator.statistics.segments.current == 2)
    _ = try allocator.allocate(4096, stream: 1)
    #expect(allocator.statistics.segments.current == 2)
    _ = try allocator.allocate(mebibyte + 1, stream: 1)
    #expect(allocator.statistics.segments.current == 3)
  }

  @Test func `leaves a retired block out until it is finished`() throws {
    var allocator = CachingAllocator()
    let block = try allocator.allocate(2 * mebibyte)
    allocator.retire(block)
    #expect(allocator.statistics.allocated.current == 0)
    #expect(allocator.statistics.active.current == 2 * mebibyte)
    let other = try allocator.allocate(2 * mebibyte)
    #expect(allocator.address(of: other) != allocator.address(of: block))
    allocator.finish(block)
    #expect(allocator.statistics.active.current == 2 * mebibyte)
  }

  // MARK: A full device

  /// `release_cached_blocks`: what is not split goes back, and CUDA is asked once more.
  @Test func `returns whole segments and tries again where the device is full`() throws {
    var allocator = CachingAllocator(device: DeviceMemory(total: 64 * mebibyte, held: 0))
    let first = try allocator.allocate(30 * mebibyte)
    let second = try allocator.allocate(30 * mebibyte)
    allocator.free(first)
    _ = try allocator.allocate(32 * mebibyte)
    #expect(allocator.statistics.retries == 1)
    #expect(allocator.statistics.reserved.current == 62 * mebibyte)
    #expect(allocator.statistics.reserved.peak == 62 * mebibyte)
    allocator.free(second)
    #expect(throws: OutOfMemory.self) { try allocator.allocate(33 * mebibyte) }
    #expect(allocator.statistics.reserved.current == 32 * mebibyte, "the cache went back first")
  }

  @Test func `says what was asked for and what was free`() throws {
    var allocator = CachingAllocator(device: DeviceMemory(total: 1 << 30, held: 24 * mebibyte))
    _ = try allocator.allocate(12 * mebibyte - 100)
    _ = try allocator.allocate(901 * mebibyte + 1)
    do {
      _ = try allocator.allocate(100 * mebibyte)
      Issue.record("there was no room")
    } catch {
      #expect(
        error
          == OutOfMemory(
            asked: 100 * mebibyte, requested: 100 * mebibyte, free: 86 * mebibyte, total: 1 << 30,
            allocated: 914 * mebibyte, reserved: 914 * mebibyte))
      #expect(
        error.message
          == "CUDA out of memory. Tried to allocate 100.00 MiB. GPU 0 has a total capacity of "
          + "1024.00 MiB of which 86.00 MiB is free. Of the allocated memory 914.00 MiB is "
          + "allocated by PyTorch, and 0 bytes is reserved by PyTorch but unallocated.")
    }
  }

  // MARK: Options

  /// `get_free_block` with `max_split_size`: large blocks are not split, and are not for small
  /// requests.
  @Test func `does not split what is larger than max_split_size_mb`() throws {
    var allocator = CachingAllocator(try AllocatorSettings("max_split_size_mb:32"))
    let large = try allocator.allocate(60 * mebibyte)
    allocator.free(large)
    _ = try allocator.allocate(24 * mebibyte)
    #expect(allocator.statistics.reserved.current == 84 * mebibyte, "60 MiB are not for 24")
    let block = try allocator.allocate(41 * mebibyte)
    #expect(allocator.size(of: block) == 60 * mebibyte, "less than 20 MiB are beyond the request")
    allocator.free(block)
    _ = try allocator.allocate(40 * mebibyte)
    #expect(allocator.statistics.reserved.current == 124 * mebibyte, "20 MiB would be")
  }

  /// `release_available_cached_blocks`: as many large blocks as are needed, the largest first.
  @Test func `returns large blocks first where they are not split`() throws {
    let device = DeviceMemory(total: 200 * mebibyte, held: 0)
    var allocator = CachingAllocator(
      try AllocatorSettings("max_split_size_mb:20"), device: device)
    let blocks = try [40, 50, 60, 12].map { try allocator.allocate($0 * mebibyte) }
    for block in blocks { allocator.free(block) }
    _ = try allocator.allocate(100 * mebibyte)
    // 60 and 50 go, which is enough; 40 and 12 stay.
    #expect(allocator.statistics.retries == 0)
    #expect(allocator.statistics.reserved.current == 152 * mebibyte)
  }

  /// `garbage_collect_cached_blocks`: large segments that are as old as the average or older.
  @Test func `collects old segments beyond the threshold`() throws {
    let device = DeviceMemory(total: 1000 * mebibyte, held: 0)
    let text = "garbage_collection_threshold:0.1,per_process_memory_fraction:0.5"
    var allocator = CachingAllocator(try AllocatorSettings(text), device: device)
    let old = try allocator.allocate(30 * mebibyte)
    allocator.free(old)
    let young = try allocator.allocate(40 * mebibyte)
    allocator.free(young)
    // 70 MiB are more than a tenth of 500. Ages are 2 and 1, of which the average is 1.5.
    _ = try allocator.allocate(50 * mebibyte)
    #expect(allocator.statistics.reserved.current == 90 * mebibyte)
    // Without a fraction there is nothing that the threshold is a share of.
    var without = CachingAllocator(
      try AllocatorSettings("garbage_collection_threshold:0.1"), device: device)
    without.free(try without.allocate(30 * mebibyte))
    without.free(try without.allocate(40 * mebibyte))
    _ = try without.allocate(50 * mebibyte)
    #expect(without.statistics.reserved.current == 120 * mebibyte)
  }

  @Test func `reserves no more than its share`() throws {
    let device = DeviceMemory(total: 100 * mebibyte, held: 0)
    var allocator = CachingAllocator(
      try AllocatorSettings("per_process_memory_fraction:0.5"), device: device)
    _ = try allocator.allocate(40 * mebibyte)
    #expect(throws: OutOfMemory.self) { try allocator.allocate(12 * mebibyte) }
  }

  @Test func `gives requests below 10 MiB segments of large_segment_size_mb`() throws {
    var allocator = CachingAllocator(try AllocatorSettings("large_segment_size_mb:40"))
    _ = try allocator.allocate(2 * mebibyte)
    #expect(allocator.statistics.reserved.current == 40 * mebibyte)
  }

  // MARK: Expandable segments

  private func expandable(_ device: DeviceMemory = .unlimited) throws -> CachingAllocator {
    CachingAllocator(try AllocatorSettings("expandable_segments:True"), device: device)
  }

  @Test func `maps pages of 2 and of 20 MiB into one range a pool`() throws {
    var allocator = try expandable()
    _ = try allocator.allocate(512)
    #expect(allocator.statistics.reserved.current == 2 * mebibyte)
    _ = try allocator.allocate(30 * mebibyte)
    #expect(allocator.statistics.reserved.current == 42 * mebibyte)
    // 10 MiB are free behind it, so that 25 need one page more.
    _ = try allocator.allocate(25 * mebibyte)
    #expect(allocator.statistics.reserved.current == 62 * mebibyte)
    #expect(allocator.statistics.segments.current == 2)
  }

  /// `should_split`: with expandable segments 512 bytes are enough in the large pool too.
  @Test func `splits off 512 bytes of large blocks too`() throws {
    var allocator = try expandable()
    _ = try allocator.allocate(20 * mebibyte - 512)
    #expect(layout(allocator) == [[20 * mebibyte - 512, -512]])
  }

  /// `get_free_block`: the block before the unmapped end counts with all that it can grow to.
  @Test func `leaves the block that can grow for last`() throws {
    var allocator = try expandable()
    let first = try allocator.allocate(12 * mebibyte)
    _ = try allocator.allocate(2 * mebibyte)  // 6 MiB stay at the end
    allocator.free(first)
    let block = try allocator.allocate(4 * mebibyte)
    #expect(layout(allocator) == [[4, -8, 2, -6].map { $0 * mebibyte }])
    allocator.free(block)
  }

  @Test func `returns whole pages, and fills the gap first`() throws {
    var allocator = try expandable()
    let first = try allocator.allocate(50 * mebibyte)
    _ = try allocator.allocate(10 * mebibyte)
    allocator.free(first)
    #expect(allocator.statistics.stuck.current == 10 * mebibyte)
    allocator.emptyCache()
    // Pages 0 and 1 go; of the third 10 MiB are free and 10 in use.
    #expect(allocator.statistics.reserved.current == 20 * mebibyte)
    #expect(layout(allocator) == [[-10, 10].map { $0 * mebibyte }])
    let next = try allocator.allocate(20 * mebibyte)
    #expect(allocator.statistics.reserved.current == 40 * mebibyte)
    #expect(allocator.statistics.segments.current == 2, "the gap is filled from its start")
    allocator.free(next)
  }

  @Test func `runs out of pages`() throws {
    var allocator = try expandable(DeviceMemory(total: 100 * mebibyte, held: 0))
    let first = try allocator.allocate(70 * mebibyte)
    _ = try allocator.allocate(15 * mebibyte)
    #expect(allocator.statistics.reserved.current == 100 * mebibyte)
    #expect(throws: OutOfMemory.self) { try allocator.allocate(20 * mebibyte) }
    allocator.free(first)
    // The small pool has no page yet: three free pages of the large one go back first.
    _ = try allocator.allocate(512)
    #expect(allocator.statistics.retries == 2)
    #expect(allocator.statistics.reserved.current == 42 * mebibyte)
  }

  // MARK: Replays

  @Test func `says between which figures the order of addresses leaves it`() throws {
    var stream = AllocationStream()
    // Two free blocks of equal size, of which one is beside a third: which is taken decides.
    stream.bytes = [12, 14, 14, 12, 13].map { $0 * mebibyte }
    stream.events = [
      .allocate(0), .allocate(1), .release(0), .release(1), .allocate(2), .allocate(3),
      .release(2), .allocate(4),
    ]
    let range = ReservedRange(of: stream, AllocatorSettings(), device: .unlimited)
    #expect(range.least == 26 * mebibyte && range.most == range.least && range.failures == 0)
    let replay = AllocatorReplay(stream, with: CachingAllocator())
    #expect(replay.peakAllocatedEvent == 1 && replay.peakReservedEvent == 1)
  }

  @Test func `gives the same figures for each copy of itself`() throws {
    var allocator = CachingAllocator()
    _ = try allocator.allocate(3 * mebibyte)
    var copy = allocator
    _ = try copy.allocate(18 * mebibyte)
    #expect(allocator.statistics.reserved.current == 20 * mebibyte)
    #expect(copy.statistics.reserved.current == 38 * mebibyte)
  }
}
