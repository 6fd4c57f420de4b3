package import CUDAAllocator
package import Ledger
package import Recordings

/// A recording with its figures: what stood, what backward needed, and the peaks.
///
/// ```
///   events ──▶ allocator ──▶ allocated, reserved ──▶ peaks of phases, and of all
///     └──▶ at the boundary where most is kept: retained bytes, saved tensors
/// ```
///
/// On a GPU a tensor takes the block that PyTorch's allocator gives it; on a CPU its own bytes, and
/// nothing is reserved.
package struct RecordedStep: Sendable {
  package let recording: Recording
  /// The tensors kept for backward at the boundary at which they are most, in order of allocation.
  package let kept: [Int]
  /// Their bytes by the tokens that they belong to.
  package let retained: RegionBytes
  /// The most bytes that tensors of a role had at once, as they were asked for.
  package let standing: [Recording.Role: Int]
  package let phases: [Phase]
  /// The event after which most was allocated for the first time; -1 without events.
  package let peakEvent: Int
  /// Peaks of reserved bytes over several orders of addresses; nil on a CPU.
  package let reserved: ReservedRange?
  /// Where the memory of the device that was asked about ends; nil where it is enough, and on a
  /// CPU.
  package let failure: (event: Int, error: OutOfMemory)?
  private let device: DeviceMemory

  /// A phase of the recording with its peaks.
  package struct Phase: Equatable, Sendable {
    package let start: Recording.PhaseStart
    /// The most that was allocated at once in it, what stood before it included.
    package fileprivate(set) var allocated: Int
    package fileprivate(set) var allocatedAtEnd: Int
    /// The most that was reserved in it, of segments with ascending addresses; nil on a CPU.
    package fileprivate(set) var reserved: Int?
  }

  /// Puts a recording through an allocator that has memory enough, and then through one that has
  /// what there is.
  ///
  /// - Parameters:
  ///   - recording: The events.
  ///   - settings: How the allocator is set.
  ///   - device: The memory that there is.
  package init(
    _ recording: Recording, settings: AllocatorSettings = AllocatorSettings(),
    device: DeviceMemory = .unlimited
  ) {
    (self.recording, self.device) = (recording, device)
    kept = Self.kept(in: recording)
    retained = kept.reduce(into: RegionBytes()) {
      $0 += recording.regions(ofTensor: $1)
    }
    standing = Self.standing(in: recording)
    var moments = Moments(recording)
    switch recording.device {
    case .cuda:
      let requests = recording.requests
      _ = AllocatorReplay(requests, with: CachingAllocator(settings, order: .up)) {
        event, state, _ in
        moments.note(event, allocated: state.allocated, reserved: state.reserved)
      }
      reserved = ReservedRange(
        of: requests, settings, device: .unlimited,
        orders: settings.usesExpandableSegments ? [.up] : AddressOrder.several)
      failure =
        device.total == nil
        ? nil
        : AllocatorReplay(
          requests, with: CachingAllocator(settings, device: device, order: .up)
        ).failure
    case .cpu:
      var allocated = 0
      for (number, event) in recording.events.enumerated() {
        switch event {
        case .allocate(let tensor): allocated += recording.tensors.bytes[tensor]
        case .release(let tensor): allocated -= recording.tensors.bytes[tensor]
        }
        moments.note(number, allocated: allocated, reserved: nil)
      }
      (failure, reserved) = (nil, nil)
    }
    moments.finish()
    (phases, peakEvent) = (moments.phases, moments.peakEvent)
  }

  /// Whether the memory of the device that was asked about is enough.
  package var fits: Bool {
    switch recording.device {
    case .cuda: failure == nil
    case .cpu: peakAllocated <= device.room
    }
  }

  /// What of that memory there is for tensors.
  var room: Int { device.room }

  /// The most that was allocated at once.
  package var peakAllocated: Int { phases.map(\.allocated).max() ?? 0 }

  /// The most that was allocated at once in a kind of phase, of all steps; nil if there was none.
  package func peakAllocated(in kinds: Set<Recording.Phase>) -> Int? {
    phases.filter { kinds.contains($0.start.phase) }.map(\.allocated).max()
  }

  /// Tensors that are alive after an event, in order of allocation.
  package func alive(after event: Int) -> [Int] { Self.alive(in: recording, before: event + 1) }

  static func alive(in recording: Recording, before end: Int) -> [Int] {
    var isAlive = Array(repeating: false, count: recording.tensors.count)
    for event in recording.events.prefix(end) {
      switch event {
      case .allocate(let tensor): isAlive[tensor] = true
      case .release(let tensor): isAlive[tensor] = false
      }
    }
    return isAlive.indices.filter { isAlive[$0] }
  }

  private static func kept(in recording: Recording) -> [Int] {
    let boundaries = recording.boundaries.map { boundary in
      alive(in: recording, before: boundary).filter { recording.tensors.isKept[$0] }
    }
    func bytes(_ tensors: [Int]) -> Int {
      tensors.reduce(0) { $0 + recording.tensors.bytes[$1] }
    }
    return boundaries.max { bytes($0) < bytes($1) } ?? []
  }

  private static func standing(in recording: Recording) -> [Recording.Role: Int] {
    var now: [Recording.Role: Int] = [:]
    var most: [Recording.Role: Int] = [:]
    for event in recording.events {
      switch event {
      case .allocate(let tensor):
        let role = recording.role(ofTensor: tensor)
        now[role, default: 0] += recording.tensors.bytes[tensor]
        most[role] = max(most[role] ?? 0, now[role] ?? 0)
      case .release(let tensor):
        now[recording.role(ofTensor: tensor), default: 0] -= recording.tensors.bytes[tensor]
      }
    }
    return most
  }
}

/// Takes down what is allocated and reserved, by phase.
private struct Moments {
  private(set) var phases: [RecordedStep.Phase]
  private(set) var peakEvent = -1
  private var most = 0
  private let ends: [Int]
  private var place = 0
  private var last: (allocated: Int, reserved: Int?)

  init(_ recording: Recording) {
    let reserved: Int? = recording.device == .cuda ? 0 : nil
    last = (0, reserved)
    phases = recording.phases.map {
      RecordedStep.Phase(start: $0, allocated: 0, allocatedAtEnd: 0, reserved: reserved)
    }
    ends = recording.phases.indices.map { recording.end(ofPhase: $0) }
  }

  mutating func note(_ event: Int, allocated: Int, reserved: Int?) {
    while place < phases.count, event >= ends[place] { enter(place + 1) }
    if allocated > most { (most, peakEvent) = (allocated, event) }
    last = (allocated, reserved)
    guard place < phases.count else { return }
    phases[place].allocated = max(phases[place].allocated, allocated)
    phases[place].allocatedAtEnd = allocated
    if let reserved { phases[place].reserved = max(phases[place].reserved ?? 0, reserved) }
  }

  /// Phases after the last event have what stands at its end.
  mutating func finish() {
    while place + 1 < phases.count { enter(place + 1) }
  }

  /// A phase begins with what stands at the end of the one before it.
  private mutating func enter(_ next: Int) {
    place = next
    guard next < phases.count else { return }
    phases[next].allocated = last.allocated
    phases[next].allocatedAtEnd = last.allocated
    phases[next].reserved = last.reserved
  }
}
