/// What a step asks the allocator for, in order: sizes, streams and events, and nothing about why.
package struct AllocationStream: Sendable {
  /// One thing that happens to a tensor, or to the allocator as a whole.
  package enum Event: Hashable, Sendable {
    case allocate(Int)
    /// Freed, while another stream may still use it.
    case retire(Int)
    /// Freed, or at last so after it was retired.
    case release(Int)
    /// All that is cached goes back to CUDA. The program may have said so, or the allocator itself
    /// had no room: `pressure` is what was reserved then and what CUDA was asked for next, 0 where
    /// nothing was.
    case emptyCache(pressure: Int)
  }

  /// What each tensor asks for, at least 1.
  package var bytes: [Int] = []
  /// The stream of each, by any number; empty where all are on one.
  package var streams: [Int] = []
  /// Tensors that are there before the first event, in the order in which they are laid out.
  package var standing: [Int] = []
  package var events: [Event] = []

  package init() {}

  package func stream(of tensor: Int) -> Int { streams.isEmpty ? 0 : streams[tensor] }
}

/// A stream, put through an allocator.
package struct AllocatorReplay: Sendable {
  package private(set) var allocator: CachingAllocator
  /// Where it ran out of memory, if it did; nothing after that was replayed.
  package private(set) var failure: (event: Int, error: OutOfMemory)?
  /// The first event after which most was allocated; -1 before the first event.
  package private(set) var peakAllocatedEvent = -1
  /// The first event after which most was reserved.
  package private(set) var peakReservedEvent = -1
  private var allocations: [CachingAllocator.Allocation?]

  /// What is laid out before a replay begins.
  package struct Start: Sendable {
    /// Segments that are there, with the tensor of each block that is in use.
    package var segments: [(layout: SegmentLayout, tensors: [Int?])]

    package init(segments: [(layout: SegmentLayout, tensors: [Int?])] = []) {
      self.segments = segments
    }
  }

  /// Replays a whole stream.
  ///
  /// - Parameters:
  ///   - stream: What is asked for.
  ///   - allocator: The allocator to ask, as it is before.
  ///   - start: Segments that it takes over first; what stands and is in none of them is allocated
  ///     before the first event.
  ///   - watch: Called after every event with its number, the figures then, and for an allocation
  ///     its address.
  package init(
    _ stream: AllocationStream, with allocator: CachingAllocator, start: Start = Start(),
    watch: (Int, CachingAllocator.State, Int?) -> Void = { _, _, _ in }
  ) {
    self.allocator = allocator
    allocations = Array(repeating: nil, count: stream.bytes.count)
    do throws(OutOfMemory) {
      for (layout, tensors) in start.segments {
        for (allocation, tensor) in zip(self.allocator.restore(layout), tensors) {
          if let tensor { allocations[tensor] = allocation }
        }
      }
      for tensor in stream.standing where allocations[tensor] == nil {
        try allocate(tensor, stream)
      }
    } catch {
      failure = (-1, error)
      return
    }
    self.allocator.statistics.resetPeaks()
    run(stream, watch)
  }

  private mutating func run(
    _ stream: AllocationStream, _ watch: (Int, CachingAllocator.State, Int?) -> Void
  ) {
    for (index, event) in stream.events.enumerated() {
      let before = (allocator.statistics.allocated.peak, allocator.statistics.reserved.peak)
      var address: Int?
      switch event {
      case .allocate(let tensor):
        do throws(OutOfMemory) { try allocate(tensor, stream) } catch {
          failure = (index, error)
          return
        }
        address = self.address(of: tensor)
      case .retire(let tensor):
        if let allocation = allocations[tensor] { allocator.retire(allocation) }
      case .release(let tensor):
        if let allocation = allocations[tensor] { allocator.release(allocation) }
        allocations[tensor] = nil
      case .emptyCache(let pressure):
        // Where the device could not have given more, the allocator retries by itself.
        if pressure <= allocator.device.room { allocator.emptyCache() }
      }
      let state = allocator.state
      if state.peakAllocated > before.0 { peakAllocatedEvent = index }
      if state.peakReserved > before.1 { peakReservedEvent = index }
      watch(index, state, address)
    }
  }

  private mutating func allocate(
    _ tensor: Int, _ stream: AllocationStream
  ) throws(OutOfMemory) {
    allocations[tensor] = try allocator.allocate(
      stream.bytes[tensor], stream: stream.stream(of: tensor))
  }

  /// The address of a tensor that is in use.
  package func address(of tensor: Int) -> Int? {
    allocations[tensor].map { allocator.address(of: $0) }
  }
}

extension CachingAllocator {
  /// The figures of a moment.
  package struct State: Equatable, Sendable {
    package let allocated: Int
    package let reserved: Int
    package let peakAllocated: Int
    package let peakReserved: Int
  }

  package var state: State {
    State(
      allocated: statistics.allocated.current, reserved: statistics.reserved.current,
      peakAllocated: statistics.allocated.peak, peakReserved: statistics.reserved.peak)
  }

  /// Frees a block, whether it was retired before or not.
  mutating func release(_ allocation: Allocation) {
    if isAllocated(allocation) { free(allocation) } else { finish(allocation) }
  }

  private func isAllocated(_ allocation: Allocation) -> Bool {
    let block = blocks[Int(allocation.block)]
    return block.state == .allocated && block.serial == allocation.serial
  }
}

/// Between which figures a replay's lie, over several orders of addresses.
package struct ReservedRange: Equatable, Sendable {
  package let least: Int
  package let most: Int
  /// Orders in which the device ran out of memory.
  package let failures: Int
  package let orders: Int

  /// Replays a stream in each of some orders; peaks of reserved bytes.
  ///
  /// Expandable segments have one range of addresses each, which no order changes.
  package init(
    of stream: AllocationStream, _ settings: AllocatorSettings, device: DeviceMemory,
    orders: [AddressOrder] = AddressOrder.several
  ) {
    let orders = settings.usesExpandableSegments ? Array(orders.prefix(1)) : orders
    self.init(
      orders.map { order in
        AllocatorReplay(stream, with: CachingAllocator(settings, device: device, order: order))
      })
  }

  /// The range of replays that there are already.
  package init(_ replays: [AllocatorReplay]) {
    let peaks = replays.map { $0.allocator.statistics.reserved.peak }
    (least, most) = (peaks.min() ?? 0, peaks.max() ?? 0)
    failures = replays.count { $0.failure != nil }
    orders = replays.count
  }
}
