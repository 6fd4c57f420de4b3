package import CUDAAllocator
import Recordings

/// What is known of tensors' sizes before any length is.
struct LawSizes: Sendable {
  /// Tensors of the file that have a law.
  let changing: [Int]
  /// As PyTorch's allocator rounds them; of a CPU as they are.
  let rounded: [Int]
  private let rounds: Bool

  init(_ recording: Recording, _ lawOfTensor: [Int]) {
    rounds = recording.device == .cuda
    changing = lawOfTensor.indices.filter { lawOfTensor[$0] >= 0 }
    rounded = recording.tensors.bytes.map { [rounds] in Self.rounded($0, rounds) }
  }

  /// A size as it counts.
  func rounded(_ bytes: Int) -> Int { Self.rounded(bytes, rounds) }

  private static let settings = AllocatorSettings()

  private static func rounded(_ bytes: Int, _ rounds: Bool) -> Int {
    rounds ? settings.blockSize(for: bytes) : bytes
  }
}

extension LawStep {
  /// What the events follow from: steps of equal signatures have equal streams.
  package var signature: [Int] {
    var signature = bytes
    for launch in launches {
      for moves in [launch.before, launch.after, launch.last] {
        signature.append(-1)
        for move in moves {
          switch move {
          case .take(let number, let bytes): signature += [number, bytes]
          case .release(let number): signature.append(-number - 2)
          }
        }
      }
    }
    return signature
  }

  /// The most that stands at once, each tensor rounded as the allocator does: no less is allocated,
  /// and somewhat more where a block is not split. Of a CPU it is exact.
  package var leastPeak: Int {
    let rounded = bytes.map(laws.sizes.rounded)
    var sizes = laws.sizes.rounded
    for tensor in laws.sizes.changing { sizes[tensor] = rounded[laws.lawOfTensor[tensor]] }
    var sink = PeakSink(sizes: sizes, laws: laws.sizes)
    walk(&sink)
    return sink.most
  }

  /// What the step asks an allocator for; tensors have the file's numbers, temporaries later ones.
  package var requests: AllocationStream {
    let recording = laws.recording
    var stream = AllocationStream()
    stream.bytes = recording.tensors.bytes
    for tensor in laws.sizes.changing { stream.bytes[tensor] = bytes[laws.lawOfTensor[tensor]] }
    stream.streams = recording.tensors.stream
    stream.events.reserveCapacity(recording.events.count)
    var sink = StreamSink(stream: stream)
    walk(&sink)
    return sink.stream
  }
}

private struct PeakSink: LawSink {
  let sizes: [Int]
  let laws: LawSizes
  var most = 0
  private var now = 0
  private var taken: [Int] = []

  init(sizes: [Int], laws: LawSizes) { (self.sizes, self.laws) = (sizes, laws) }

  mutating func allocate(_ tensor: Int) {
    now += sizes[tensor]
    most = max(most, now)
  }

  mutating func release(_ tensor: Int) { now -= sizes[tensor] }

  mutating func take(_ number: Int, bytes: Int, _ block: LawSkeleton.Block) {
    while taken.count <= number { taken.append(0) }
    taken[number] = laws.rounded(bytes)
    now += taken[number]
    most = max(most, now)
  }

  mutating func giveBack(_ number: Int) { now -= taken[number] }
}

private struct StreamSink: LawSink {
  var stream: AllocationStream
  private var taken: [Int] = []

  init(stream: AllocationStream) { self.stream = stream }

  mutating func allocate(_ tensor: Int) { stream.events.append(.allocate(tensor)) }

  mutating func release(_ tensor: Int) { stream.events.append(.release(tensor)) }

  mutating func take(_ number: Int, bytes: Int, _ block: LawSkeleton.Block) {
    while taken.count <= number { taken.append(0) }
    taken[number] = stream.bytes.count
    stream.events.append(.allocate(stream.bytes.count))
    stream.bytes.append(bytes)
    if !stream.streams.isEmpty { stream.streams.append(block.stream) }
  }

  mutating func giveBack(_ number: Int) { stream.events.append(.release(taken[number])) }
}
