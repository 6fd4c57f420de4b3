import CUDAAllocator
import TestSupport
import Testing

/// Random requests, held against lists that are gone through from end to end.
@Suite struct `Random streams` {
  /// Sizes as steps have them: many equal ones, small and large.
  private func size(_ random: inout SplitMix64) -> Int {
    switch Int.random(in: 0..<5, using: &random) {
    case 0: Int.random(in: 1...4096, using: &random)
    case 1: [512, 1024, 65_536, 1 << 20, (1 << 20) + 1].randomElement(using: &random) ?? 1
    case 2: Int.random(in: 1...12, using: &random) << 20
    case 3: Int.random(in: 1...(40 << 20), using: &random)
    default: Int.random(in: 9...11, using: &random) << 20
    }
  }

  @Test(arguments: [false, true])
  func `get the blocks that a naive allocator gives`(isExpandable: Bool) throws {
    var settings = AllocatorSettings()
    settings.usesExpandableSegments = isExpandable
    for seed in randomCases(60) {
      var random = SplitMix64(seed: UInt64(seed))
      let total = [1 << 28, 1 << 30, 1 << 40].randomElement(using: &random) ?? 1 << 40
      var naive = NaiveAllocator(settings, total: total)
      var allocator = CachingAllocator(
        settings, device: DeviceMemory(total: total, held: 0), order: .up)
      var live: [(owner: Int, allocation: CachingAllocator.Allocation)] = []
      for owner in 0..<400 {
        if Int.random(in: 0..<100, using: &random) == 0 {
          naive.emptyCache()
          allocator.emptyCache()
        }
        if !live.isEmpty, Int.random(in: 0..<5, using: &random) < 2 {
          let (freed, allocation) = live.remove(at: Int.random(in: live.indices, using: &random))
          naive.free(freed)
          allocator.free(allocation)
        } else {
          let bytes = size(&random)
          let stream = Int.random(in: 0..<10, using: &random) == 0 ? 1 : 0
          let expected = naive.allocate(owner, bytes, stream: stream)
          let given = try? allocator.allocate(bytes, stream: stream)
          try #require((given == nil) == (expected == nil), "seed \(seed), request \(owner)")
          if let given, let expected {
            live.append((owner, given))
            try #require(
              allocator.address(of: given) == expected, "seed \(seed), request \(owner)")
          }
        }
        try #require(
          allocator.statistics.reserved.current == naive.reserved
            && allocator.statistics.allocated.current == naive.allocated
            && allocator.statistics.retries == naive.retries, "seed \(seed), request \(owner)")
      }
      try check(allocator)
    }
  }

  /// What holds at all times: blocks tile, no two neighbours are free, sums are right.
  private func check(_ allocator: CachingAllocator) throws {
    var (allocated, reserved, requested) = (0, 0, 0)
    var end = Int.min
    for segment in allocator.layout {
      #expect(segment.address >= end, "segments do not overlap")
      end = segment.address + segment.size
      reserved += segment.size
      for (block, next) in zip(segment.blocks, segment.blocks.dropFirst()) {
        #expect(block.isAllocated || next.isAllocated, "free neighbours are one block")
      }
      for block in segment.blocks {
        #expect(block.size > 0 && block.size % 512 == 0)
        #expect(block.isAllocated ? block.requested <= block.size : block.requested == 0)
        if block.isAllocated { allocated += block.size }
        requested += block.requested
      }
    }
    let statistics = allocator.statistics
    #expect(allocated == statistics.allocated.current && reserved == statistics.reserved.current)
    #expect(requested == statistics.requested.current)
    #expect(statistics.segments.current == allocator.layout.count)
  }

  /// All options at once: nothing is compared, everything holds.
  @Test func `leave the allocator whole under any options`() throws {
    let texts = [
      "max_split_size_mb:20", "max_split_size_mb:64,max_non_split_rounding_mb:40",
      "roundup_power2_divisions:[1:8,16:4,>:2]", "large_segment_size_mb:32",
      "garbage_collection_threshold:0.3,per_process_memory_fraction:0.7",
      "expandable_segments:True,large_segment_size_mb:12",
      "expandable_segments:True,garbage_collection_threshold:0.3,per_process_memory_fraction:0.6",
    ]
    for (index, text) in texts.enumerated() {
      for order in AddressOrder.several {
        var random = SplitMix64(seed: UInt64(index))
        var allocator = CachingAllocator(
          try AllocatorSettings(text), device: DeviceMemory(total: 1 << 29, held: 0), order: order)
        var live: [CachingAllocator.Allocation] = []
        for _ in 0..<600 {
          if !live.isEmpty, Bool.random(using: &random) {
            let freed = live.remove(at: Int.random(in: live.indices, using: &random))
            if Int.random(in: 0..<4, using: &random) == 0 {
              allocator.retire(freed)
              _ = try? allocator.allocate(size(&random))
              allocator.finish(freed)
            } else {
              allocator.free(freed)
            }
          } else if let block = try? allocator.allocate(size(&random)) {
            live.append(block)
          }
        }
        let allowed = allocator.settings.memoryFraction * Double(1 << 29)
        #expect(Double(allocator.statistics.reserved.peak) <= allowed, "\(text)")
        for block in live { allocator.free(block) }
        try check(allocator)
      }
    }
  }

  /// Of expandable segments what is laid out again by a snapshot's ranges goes on as the run did.
  @Test func `go on from a layout as they went on from what made it`() throws {
    var settings = AllocatorSettings()
    settings.usesExpandableSegments = true
    for seed in randomCases(30) {
      var random = SplitMix64(seed: UInt64(seed))
      var first = CachingAllocator(settings)
      var live: [CachingAllocator.Allocation] = []
      for _ in 0..<300 {
        if !live.isEmpty, Int.random(in: 0..<5, using: &random) < 2 {
          first.free(live.remove(at: Int.random(in: live.indices, using: &random)))
        } else {
          live.append(try first.allocate(size(&random)))
        }
        if Int.random(in: 0..<60, using: &random) == 0 { first.emptyCache() }
      }
      var second = CachingAllocator(settings)
      var owned: [Int: CachingAllocator.Allocation] = [:]
      for layout in first.layout {
        for allocation in second.restore(layout).compactMap(\.self) {
          owned[second.address(of: allocation)] = allocation
        }
      }
      var pairs = live.map { ($0, owned[first.address(of: $0)]) }
      #expect(second.layout == first.layout, "seed \(seed)")
      #expect(second.statistics.stuck.current == first.statistics.stuck.current)
      for step in 0..<300 {
        if !pairs.isEmpty, Int.random(in: 0..<5, using: &random) < 2 {
          let (one, other) = pairs.remove(at: Int.random(in: pairs.indices, using: &random))
          first.free(one)
          second.free(try #require(other))
        } else {
          let bytes = size(&random)
          let (one, other) = (try first.allocate(bytes), try second.allocate(bytes))
          try #require(
            first.address(of: one) == second.address(of: other), "seed \(seed), step \(step)")
          pairs.append((one, other))
        }
        if Int.random(in: 0..<60, using: &random) == 0 {
          first.emptyCache()
          second.emptyCache()
        }
        try #require(
          first.statistics.reserved.current == second.statistics.reserved.current,
          "seed \(seed), step \(step)")
      }
    }
  }
}
