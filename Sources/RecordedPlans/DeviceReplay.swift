import CUDAAllocator
import RecordedLaws
import Recordings

/// A step put through a device's allocator in one order of addresses; of a CPU its bytes added up.
struct DeviceReplay: Sendable {
  /// The most that is given out and that is taken of the device at once; nil for a CPU's reserved.
  let allocated: Int
  let reserved: Int?
  /// How often the allocator gave its cache back because the device had no more.
  let retries: Int
  /// The first event after which most is allocated; -1 before the first.
  let peakEvent: Int
  /// Where the memory ends; nil where it is enough.
  let failure: Failure?

  struct Failure: Sendable {
    let event: Int
    let error: OutOfMemory
  }

  init(
    _ requests: AllocationStream, of kind: Recording.Device, on device: DeviceMemory,
    _ settings: AllocatorSettings, _ order: AddressOrder
  ) {
    switch kind {
    case .cuda:
      let replay = AllocatorReplay(
        requests, with: CachingAllocator(settings, device: device, order: order))
      let statistics = replay.allocator.statistics
      allocated = statistics.allocated.peak
      reserved = statistics.reserved.peak
      retries = statistics.retries
      peakEvent = replay.peakAllocatedEvent
      failure = replay.failure.map { Failure(event: $0.event, error: $0.error) }
    case .cpu:
      var now = 0
      var (most, place) = (0, -1)
      var failure: Failure?
      for (index, event) in requests.events.enumerated() {
        switch event {
        case .allocate(let tensor):
          let bytes = requests.bytes[tensor]
          if failure == nil, now + bytes > device.room {
            let error = OutOfMemory(
              asked: bytes, requested: bytes, free: max(device.room - now, 0),
              total: device.total ?? 0, allocated: now, reserved: now)
            failure = Failure(event: index, error: error)
          }
          now += bytes
          if now > most { (most, place) = (now, index) }
        case .release(let tensor): now -= requests.bytes[tensor]
        case .retire, .emptyCache: break
        }
      }
      (allocated, reserved, retries, peakEvent) = (most, nil, 0, place)
      self.failure = failure
    }
  }

  /// Orders of which many steps are tried: what fails at all mostly fails in the first.
  static func someOrders(
    of kind: Recording.Device, _ settings: AllocatorSettings
  ) -> [AddressOrder] {
    Array(orders(of: kind, settings).prefix(3))
  }

  /// Orders in which a step has to fit; on a CPU, and where segments grow in place, there is none.
  static func orders(
    of kind: Recording.Device, _ settings: AllocatorSettings
  ) -> [AddressOrder] {
    kind == .cuda && !settings.usesExpandableSegments ? AddressOrder.several : [.up]
  }
}
