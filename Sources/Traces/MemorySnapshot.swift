package import Ledger
package import Retention

/// Forward as PyTorch's memory snapshot, `torch.cuda.memory._snapshot()`, which its viewer at
/// https://pytorch.org/memory_viz opens.
///
/// `device_traces` has every allocation and release from the step's start to the boundary;
/// `segments` what is then alive, one a storage: what backward needs, the loss, and gradients.
/// Parameters were there before. Addresses are made up: each storage has its own.
package struct MemorySnapshot {
  private struct Block {
    let address: Int
    let description: StorageDescription
    let frames: PickledSnapshot.Frames

    /// What the allocator gave.
    var size: Int { max(description.allocatedBytes, description.requestedBytes) }
    var category: String { "\(description.category)" }
  }

  private var blocks: [StorageID: Block] = [:]
  private var snapshot = PickledSnapshot()
  /// Where the next storage stands; blocks begin at multiples of 512 bytes, as PyTorch's do.
  private var nextAddress = 1 << 32

  /// The snapshot's bytes: a pickled dictionary.
  package static func pickle(of recorder: EventRecorder, point: Point) -> [UInt8] {
    var forward = MemorySnapshot()
    for moment in recorder.moments {
      if case .enter(.backward) = moment.event { break }
      forward.add(moment)
    }
    for block in forward.blocks.values.sorted(by: { $0.address < $1.address }) {
      var whole = PickledSnapshot.Block(
        address: block.address, size: block.size, requested: block.description.requestedBytes,
        frames: block.frames)
      whole.category = block.category
      forward.snapshot.add(segment: [whole], size: block.size, block.frames)
    }
    let title = "\(point.modelName), \(point.mode.name.rawValue), n_c \(point.nC), n_g \(point.nG)"
    return forward.snapshot.bytes(notes: [
      ("point", title),
      ("times", recorder.isTimed ? "microseconds" : "one microsecond an event; nothing ran"),
    ])
  }

  private mutating func add(_ moment: EventRecorder.Moment) {
    switch moment.event {
    case .allocate(let id, let scope, let description):
      let frames = PickledSnapshot.Frames([
        (description.tensor, "\(description.category)"),
        (scope.name, scope.layer.map { "layer \($0)" } ?? "ends"),
      ])
      let block = Block(address: nextAddress, description: description, frames: frames)
      nextAddress += block.size / 512 * 512 + 512
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
    snapshot.note(
      action, address: block.address, size: block.size, microsecond: time / 1000, block.frames,
      category: block.category)
  }
}
