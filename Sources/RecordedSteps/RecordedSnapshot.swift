import CUDAAllocator
import Recordings
import Traces

extension RecordedStep {
  /// The step as a memory snapshot, `torch.cuda.memory._dump_snapshot`, which the viewer at
  /// https://pytorch.org/memory_viz opens as it would a GPU's: every allocation and release at the
  /// addresses that the allocator gives, and the segments at the end. On a CPU every tensor counts.
  package var snapshot: [UInt8] { RecordedSnapshot(recording).pickle }
}

private struct RecordedSnapshot {
  private var snapshot = PickledSnapshot()
  private var addresses: [Int: Int] = [:]
  private var reserved = 0
  private let recording: Recording
  private let requests: AllocationStream

  init(_ recording: Recording) {
    (self.recording, requests) = (recording, recording.requests)
    // What the allocator says is taken down first: it knows nothing of who asks.
    var moments: [(reserved: Int, address: Int?)] = []
    let replay = AllocatorReplay(
      requests, with: CachingAllocator(AllocatorSettings(), order: .up)
    ) { _, state, address in moments.append((state.reserved, address)) }
    for (time, (event, moment)) in zip(recording.events, moments).enumerated() {
      take(event, moment.address, moment.reserved, at: time)
    }
    let tensors = Dictionary(uniqueKeysWithValues: addresses.map { ($0.value, $0.key) })
    for layout in replay.allocator.layout { add(layout, tensors) }
  }

  var pickle: [UInt8] {
    snapshot.bytes(notes: [
      ("model", recording.model.name), ("times", "one microsecond an event; nothing ran"),
    ])
  }

  private mutating func take(
    _ event: Recording.Event, _ address: Int?, _ now: Int, at time: Int
  ) {
    switch event {
    case .allocate(let tensor):
      let address = address ?? 0
      if now > reserved { note("segment_alloc", address, now - reserved, tensor, at: time) }
      addresses[tensor] = address
      note("alloc", address, recording.tensors.bytes[tensor], tensor, at: time)
    case .release(let tensor):
      guard let address = addresses.removeValue(forKey: tensor) else { return }
      for action in ["free_requested", "free_completed"] {
        note(action, address, recording.tensors.bytes[tensor], tensor, at: time)
      }
    }
    reserved = now
  }

  private mutating func note(
    _ action: String, _ address: Int, _ size: Int, _ tensor: Int, at time: Int
  ) {
    snapshot.note(
      action, address: address, size: size, stream: requests.stream(of: tensor),
      microsecond: time, frames(of: tensor))
  }

  /// The op, as PyTorch's dispatcher calls it, and the tensor with its module.
  private func frames(of number: Int) -> PickledSnapshot.Frames {
    let tensor = recording.tensor(number)
    let op = "at::_ops::\(tensor.op.replacing("aten::", with: ""))::call"
    return PickledSnapshot.Frames([(op, "??"), (tensor.what, tensor.module)])
  }

  private mutating func add(_ layout: SegmentLayout, _ tensors: [Int: Int]) {
    var address = layout.address
    let blocks = layout.blocks.map { block in
      defer { address += block.size }
      let tensor = block.isAllocated ? tensors[address] : nil
      return PickledSnapshot.Block(
        address: address, size: block.size, requested: block.requested,
        frames: block.isAllocated ? tensor.map(frames) ?? PickledSnapshot.Frames([]) : nil)
    }
    snapshot.add(
      segment: blocks, size: layout.size, stream: layout.stream, isSmall: layout.isSmall,
      PickledSnapshot.Frames([]))
  }
}
