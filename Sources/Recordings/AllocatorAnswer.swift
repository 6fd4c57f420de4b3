package import CUDAAllocator

/// What an allocator does with a stream under some settings, beside what a run got.
package struct AllocatorAnswer: Sendable {
  package let stream: MemoryStream
  package let device: DeviceMemory
  /// Under the run's own settings, or PyTorch's defaults.
  package let own: Way
  /// Under those that were asked for.
  package let changed: Way?
  /// How closely replays follow the run, where there was one.
  package let agreements: [Agreement]
  /// What is held where most is allocated under the run's own settings.
  package let held: [HeldTensors]
  /// The event after which that is; -1 before the first.
  package let peakEvent: Int

  /// One way to set the allocator, from an empty device on: what stands is laid out first.
  package struct Way: Sendable {
    package let settings: AllocatorSettings
    package let statistics: AllocatorStatistics
    package let failure: (event: Int, error: OutOfMemory)?
    package let peakAllocatedEvent: Int
    package let peakReservedEvent: Int
    /// The peak of reserved bytes over several orders of addresses.
    package let range: ReservedRange

    init(_ stream: AllocationStream, _ settings: AllocatorSettings, _ device: DeviceMemory) {
      self.settings = settings
      // Expandable segments have one range of addresses each, which no order changes.
      let orders = settings.usesExpandableSegments ? [.up] : AddressOrder.several
      let replays = orders.map {
        AllocatorReplay(stream, with: CachingAllocator(settings, device: device, order: $0))
      }
      let replay = replays[0]
      statistics = replay.allocator.statistics
      failure = replay.failure
      peakAllocatedEvent = replay.peakAllocatedEvent
      peakReservedEvent = replay.peakReservedEvent
      range = ReservedRange(replays)
    }
  }

  /// A replay under the run's own settings, held against the run after every allocation.
  package struct Agreement: Sendable {
    /// Whether it began with the run's own segments, at their addresses.
    package let isWarm: Bool
    package let order: AddressOrder
    package let allocations: Int
    /// Allocations after which as much was reserved as in the run.
    package let equal: Int
    /// Allocations that got the address that they got in the run.
    package let sameAddress: Int
    package let peakAllocated: Int
    package let peakReserved: Int
    package let reservedAtEnd: Int
    package let allocatedAtEnd: Int

    /// Whether as much was reserved as in the run after every allocation.
    package var isWhole: Bool { equal == allocations }
  }

  package init(
    _ stream: MemoryStream, changed: AllocatorSettings? = nil,
    device: DeviceMemory = .unlimited
  ) {
    (self.stream, self.device) = (stream, device)
    let settings = stream.run?.settings ?? AllocatorSettings()
    own = Way(stream.requests, settings, device)
    self.changed = changed.map { Way(stream.requests, $0, device) }
    agreements = Self.agreements(of: stream, settings)
    peakEvent = own.peakAllocatedEvent
    held = stream.held(after: own.peakAllocatedEvent)
  }

  private static func agreements(
    of stream: MemoryStream, _ settings: AllocatorSettings
  ) -> [Agreement] {
    guard let run = stream.run, !stream.requests.events.isEmpty else { return [] }
    var agreements: [Agreement] = []
    if let start = run.start {
      agreements.append(
        Agreement(stream, run, settings, order: .given(run.newSegments), start: start))
    }
    // Where a run had cached segments already, an empty device cannot agree with it.
    guard run.reservedAtStart == 0 else { return agreements }
    let orders: [AddressOrder] =
      settings.usesExpandableSegments ? [.up] : [.up, .down, .random(seed: 1)]
    return agreements
      + orders.map { Agreement(stream, run, settings, order: $0, start: nil) }
  }
}

extension AllocatorAnswer.Agreement {
  fileprivate init(
    _ stream: MemoryStream, _ run: MemoryStream.Run, _ settings: AllocatorSettings,
    order: AddressOrder, start: AllocatorReplay.Start?
  ) {
    var (allocations, equal, same) = (0, 0, 0)
    let replay = AllocatorReplay(
      stream.requests, with: CachingAllocator(settings, order: order),
      start: start ?? AllocatorReplay.Start()
    ) { index, state, address in
      guard case .allocate(let tensor) = stream.requests.events[index] else { return }
      allocations += 1
      if state.reserved == run.reserved[index] { equal += 1 }
      if address == run.addresses[tensor] { same += 1 }
    }
    isWarm = start != nil
    self.order = order
    (self.allocations, self.equal, sameAddress) = (allocations, equal, same)
    let statistics = replay.allocator.statistics
    peakAllocated = statistics.allocated.peak
    peakReserved = statistics.reserved.peak
    reservedAtEnd = statistics.reserved.current
    allocatedAtEnd = statistics.allocated.current
  }
}
