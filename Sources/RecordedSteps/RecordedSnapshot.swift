import CUDAAllocator
import Recordings
import Traces

extension RecordedStep {
  /// The step as a memory snapshot, `torch.cuda.memory._dump_snapshot`, which the viewer at
  /// https://pytorch.org/memory_viz opens as it would a GPU's: every allocation and release at the
  /// addresses that the allocator gives, and the segments at the end. On a CPU every tensor counts.
  package var snapshot: [UInt8] { Snapshot(recording).pickle }
}

private struct Snapshot {
  private var trace: [PickledValue] = []
  private var addresses: [Int: Int] = [:]
  private var reserved = 0
  private let recording: Recording
  private var segments: [PickledValue] = []

  init(_ recording: Recording) {
    self.recording = recording
    // What the allocator says is taken down first: it knows nothing of who asks.
    var moments: [(reserved: Int, address: Int?)] = []
    let replay = AllocatorReplay(
      recording.requests, with: CachingAllocator(AllocatorSettings(), order: .up)
    ) { _, state, address in moments.append((state.reserved, address)) }
    for (time, (event, moment)) in zip(recording.events, moments).enumerated() {
      take(event, moment.address, moment.reserved, at: time)
    }
    segments = replay.allocator.layout.map(segment)
  }

  var pickle: [UInt8] {
    PickleWriter.bytes(
      of: .dictionary([
        ("segments", .list(segments)), ("device_traces", .list([.list(trace)])),
        (
          "allocator_settings",
          .dictionary([
            ("made_by", .text("ballast")), ("model", .text(recording.model.name)),
            ("times", .text("one microsecond an event; nothing ran")),
          ])
        ),
        ("external_annotations", .list([])),
      ]))
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
    trace.append(
      .dictionary([
        ("action", .text(action)), ("addr", .integer(address)), ("size", .integer(size)),
        ("stream", .integer(0)), ("time_us", .integer(time)), ("frames", frames(of: tensor)),
      ]))
  }

  /// What stands where a stack of functions would: the op, as PyTorch's dispatcher calls it, and
  /// the tensor with its module.
  private func frames(of number: Int) -> PickledValue {
    let tensor = recording.tensor(number)
    let op = "at::_ops::\(tensor.op.replacing("aten::", with: ""))::call"
    return .list(
      [(op, "??"), (tensor.what, tensor.module)].map { name, file in
        .dictionary([("name", .text(name)), ("filename", .text(file)), ("line", .integer(0))])
      })
  }

  private func segment(_ layout: SegmentLayout) -> PickledValue {
    let tensors = Dictionary(uniqueKeysWithValues: addresses.map { ($0.value, $0.key) })
    var address = layout.address
    var blocks: [PickledValue] = []
    for block in layout.blocks {
      let tensor = block.isAllocated ? tensors[address] : nil
      blocks.append(
        .dictionary([
          ("address", .integer(address)), ("size", .integer(block.size)),
          ("requested_size", .integer(block.requested)),
          ("state", .text(block.isAllocated ? "active_allocated" : "inactive")),
          ("frames", tensor.map(frames) ?? .list([])),
        ]))
      address += block.size
    }
    let used = layout.blocks.filter(\.isAllocated)
    let allocated = used.reduce(0) { $0 + $1.size }
    return .dictionary([
      ("device", .integer(0)), ("address", .integer(layout.address)),
      ("total_size", .integer(layout.size)), ("allocated_size", .integer(allocated)),
      ("active_size", .integer(allocated)),
      ("requested_size", .integer(used.reduce(0) { $0 + $1.requested })),
      ("stream", .integer(layout.stream)),
      ("segment_type", .text(layout.isSmall ? "small" : "large")),
      ("segment_pool_id", .list([.integer(0), .integer(0)])), ("is_expandable", .integer(0)),
      ("frames", .list([])), ("blocks", .list(blocks)),
    ])
  }
}
