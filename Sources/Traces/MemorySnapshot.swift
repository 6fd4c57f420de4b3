package import Ledger
package import Retention

/// Forward as PyTorch's memory snapshot, `torch.cuda.memory._snapshot()`, which its viewer at
/// https://pytorch.org/memory_viz opens.
///
/// `device_traces` has every allocation and release from the step's start to the boundary;
/// `segments` what is then alive, one a storage: what backward needs, the loss, and gradients.
/// Parameters were there before. Addresses are made up: each storage has its own.
package struct MemorySnapshot {
  fileprivate struct Block {
    let address: Int
    let description: StorageDescription
    let frames: PickledValue
  }

  private var blocks: [StorageID: Block] = [:]
  private var trace: [PickledValue] = []
  /// Where the next storage stands; blocks begin at multiples of 512 bytes, as PyTorch's do.
  private var nextAddress = 1 << 32

  /// The snapshot's bytes: a pickled dictionary.
  package static func pickle(of recorder: EventRecorder, point: Point) -> [UInt8] {
    var snapshot = MemorySnapshot()
    for moment in recorder.moments {
      if case .enter(.backward) = moment.event { break }
      snapshot.add(moment)
    }
    let segments = snapshot.blocks.values.sorted { $0.address < $1.address }.map(Self.segment)
    let title = "\(point.modelName), \(point.mode.name.rawValue), n_c \(point.nC), n_g \(point.nG)"
    return PickleWriter.bytes(
      of: .dictionary([
        ("segments", .list(segments)),
        ("device_traces", .list([.list(snapshot.trace)])),
        (
          "allocator_settings",
          .dictionary([
            ("made_by", .text("ballast")), ("point", .text(title)),
            (
              "times",
              .text(recorder.isTimed ? "microseconds" : "one microsecond an event; nothing ran")
            ),
          ])
        ),
        ("external_annotations", .list([])),
      ]))
  }

  private mutating func add(_ moment: EventRecorder.Moment) {
    switch moment.event {
    case .allocate(let id, let scope, let description):
      let frames = [
        Self.frame(description.tensor, "\(description.category)"),
        Self.frame(scope.name, scope.layer.map { "layer \($0)" } ?? "ends"),
      ]
      let block = Block(address: nextAddress, description: description, frames: .list(frames))
      nextAddress += max(description.allocatedBytes, description.requestedBytes) / 512 * 512 + 512
      blocks[id] = block
      for action in ["segment_alloc", "alloc"] { note(action, block, at: moment.time) }
    case .free(let id):
      guard let block = blocks.removeValue(forKey: id) else { return }
      for action in ["free_requested", "free_completed", "segment_free"] {
        note(action, block, at: moment.time)
      }
    case .save, .release, .begin, .end, .enter: break
    }
  }

  private mutating func note(_ action: String, _ block: Block, at time: Int) {
    trace.append(
      .dictionary([
        ("action", .text(action)), ("addr", .integer(block.address)),
        ("size", .integer(block.size)), ("stream", .integer(0)), ("time_us", .integer(time / 1000)),
        ("frames", block.frames), ("category", .text("\(block.description.category)")),
      ]))
  }

  /// A frame of a stack: what stands where a function's name would, and the file of that.
  private static func frame(_ name: String, _ file: String) -> PickledValue {
    .dictionary([("name", .text(name)), ("filename", .text(file)), ("line", .integer(0))])
  }

  private static func segment(of block: Block) -> PickledValue {
    .dictionary([
      ("device", .integer(0)), ("address", .integer(block.address)),
      ("total_size", .integer(block.size)), ("allocated_size", .integer(block.size)),
      ("active_size", .integer(block.size)),
      ("requested_size", .integer(block.description.requestedBytes)), ("stream", .integer(0)),
      ("segment_type", .text("large")),
      ("segment_pool_id", .list([.integer(0), .integer(0)])), ("is_expandable", .integer(0)),
      ("frames", block.frames),
      (
        "blocks",
        .list([
          .dictionary([
            ("address", .integer(block.address)), ("size", .integer(block.size)),
            ("requested_size", .integer(block.description.requestedBytes)),
            ("state", .text("active_allocated")), ("frames", block.frames),
            ("category", .text("\(block.description.category)")),
          ])
        ])
      ),
    ])
  }
}

extension MemorySnapshot.Block {
  /// What the allocator gave.
  fileprivate var size: Int { max(description.allocatedBytes, description.requestedBytes) }
}
