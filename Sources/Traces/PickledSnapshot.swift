/// PyTorch's memory snapshot while it is written, `torch.cuda.memory._dump_snapshot`, which its
/// viewer at https://pytorch.org/memory_viz opens.
package struct PickledSnapshot {
  /// What stands where a stack of functions would.
  package struct Frames {
    fileprivate let value: PickledValue

    /// Each frame is the name of a function, and its file.
    package init(_ frames: [(name: String, file: String)]) {
      value = .list(
        frames.map { name, file in
          .dictionary([("name", .text(name)), ("filename", .text(file)), ("line", .integer(0))])
        })
    }
  }

  /// A part of a segment.
  package struct Block {
    package let address: Int
    package let size: Int
    package let requested: Int
    /// Nil for one that is free.
    package let frames: Frames?
    /// PyTorch's profiler's word for what lies there; nil where nobody says.
    package var category: String?

    package init(address: Int, size: Int, requested: Int, frames: Frames?) {
      (self.address, self.size, self.requested, self.frames) = (address, size, requested, frames)
    }
  }

  private var trace: [PickledValue] = []
  private var segments: [PickledValue] = []

  package init() {}

  /// Notes what happened: `alloc`, `free_requested`, `free_completed`, `segment_alloc` or
  /// `segment_free`.
  package mutating func note(
    _ action: String, address: Int, size: Int, stream: Int = 0, microsecond: Int, _ frames: Frames,
    category: String? = nil
  ) {
    trace.append(
      .dictionary(
        [
          ("action", .text(action)), ("addr", .integer(address)), ("size", .integer(size)),
          ("stream", .integer(stream)), ("time_us", .integer(microsecond)),
          ("frames", frames.value),
        ] + Self.category(category)))
  }

  private static func category(_ word: String?) -> [(String, PickledValue)] {
    word.map { [("category", .text($0))] } ?? []
  }

  /// Adds a segment as it is in the end; its blocks lie in the order of their addresses.
  package mutating func add(
    segment blocks: [Block], size: Int, stream: Int = 0, isSmall: Bool = false, _ frames: Frames
  ) {
    let used = blocks.filter { $0.frames != nil }
    let allocated = used.reduce(0) { $0 + $1.size }
    segments.append(
      .dictionary([
        ("device", .integer(0)), ("address", .integer(blocks.first?.address ?? 0)),
        ("total_size", .integer(size)), ("allocated_size", .integer(allocated)),
        ("active_size", .integer(allocated)),
        ("requested_size", .integer(used.reduce(0) { $0 + $1.requested })),
        ("stream", .integer(stream)), ("segment_type", .text(isSmall ? "small" : "large")),
        ("segment_pool_id", .list([.integer(0), .integer(0)])), ("is_expandable", .integer(0)),
        ("frames", frames.value),
        (
          "blocks",
          .list(
            blocks.map { block in
              .dictionary(
                [
                  ("address", .integer(block.address)), ("size", .integer(block.size)),
                  ("requested_size", .integer(block.requested)),
                  ("state", .text(block.frames == nil ? "inactive" : "active_allocated")),
                  ("frames", (block.frames ?? Frames([])).value),
                ] + Self.category(block.category))
            })
        ),
      ]))
  }

  /// The file, a pickled dictionary, with texts about it by name where PyTorch has its settings.
  package func bytes(notes: [(name: String, text: String)]) -> [UInt8] {
    PickleWriter.bytes(
      of: .dictionary([
        ("segments", .list(segments)), ("device_traces", .list([.list(trace)])),
        (
          "allocator_settings",
          .dictionary([("made_by", .text("ballast"))] + notes.map { ($0.name, .text($0.text)) })
        ),
        ("external_annotations", .list([])),
      ]))
  }
}
