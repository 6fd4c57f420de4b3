import Recordings

/// The events that are the same at every length, and where kernels' temporaries come between them.
///
/// ```
///   file      0 1 ┌ 2 3 -3 4 -5 5 ┐ -2 …        2 and 4 are temporaries, 5 is a workspace
///   skeleton  0 1 │ 3         │ 5 │ -2 …
///               start     plainEnd end      what stands between two blocks is emitted as it is
/// ```
struct LawSkeleton: Sendable {
  /// t ≥ 0 allocates tensor t of the file, -t - 1 releases it.
  var events: [Int] = []
  var blocks: [Block] = []
  /// Events of the file before which a phase begins, or backward of a step; ascending.
  var marks: [Mark] = []

  /// An op whose kernel may take temporaries.
  struct Block: Sendable {
    /// Places in `events`: the op's own ones, then allocations of workspaces.
    let start: Int
    let plainEnd: Int
    let end: Int
    let launch: Int
    /// Places in the recording's tables.
    let op: Int
    let module: Int
    let layer: Int
    let node: Int
    /// The CUDA stream of what it takes.
    let stream: Int
  }

  struct Mark: Sendable {
    /// The event of the file.
    let event: Int
    /// The first block at or behind it.
    let block: Int
    /// Where it is in `events`.
    let position: Int
  }

  /// A block as the file has it.
  struct Given {
    let first: Int
    let count: Int
    let launch: Int
    let op: Int
    let module: Int
    let layer: Int
    let node: Int
  }

  /// Takes the temporaries of blocks out of a recording.
  ///
  /// - Parameters:
  ///   - recording: The recording.
  ///   - given: Blocks within its events.
  /// - Throws: `RecordingFault` for blocks that do not ascend, or that hold what none can.
  init(_ recording: Recording, _ given: [Given]) throws(RecordingFault) {
    let marked = Set(recording.phases.map(\.firstEvent) + recording.boundaries).sorted()
    var nextMark = 0
    var event = 0
    /// Takes over what is before an event of the file.
    func takeOver(before end: Int) {
      while event < end || nextMark < marked.count && marked[nextMark] == event {
        if nextMark < marked.count, marked[nextMark] == event {
          marks.append(Mark(event: event, block: blocks.count, position: events.count))
          nextMark += 1
        } else {
          events.append(Self.number(recording.events[event]))
          event += 1
        }
      }
    }
    events.reserveCapacity(recording.events.count)
    for (index, block) in given.enumerated() {
      guard block.first >= event, block.count <= recording.events.count - block.first else {
        throw RecordingFault(
          "\"laws.blocks\": block \(index) begins before the one ahead of it ends, or ends behind "
            + "the last event")
      }
      takeOver(before: block.first)
      try add(block, index, of: recording)
      event += block.count
      if nextMark < marked.count, marked[nextMark] < event {
        throw RecordingFault(
          "\"laws.blocks\": a phase or backward begins within block \(index), at event "
            + "\(marked[nextMark])")
      }
    }
    takeOver(before: recording.events.count)
  }

  private static func number(_ event: Recording.Event) -> Int {
    switch event {
    case .allocate(let tensor): tensor
    case .release(let tensor): -tensor - 1
    }
  }

  private mutating func add(
    _ block: Given, _ index: Int, of recording: Recording
  ) throws(RecordingFault) {
    let start = events.count
    var workspaces: Set<Int> = []
    var taken: Set<Int> = []
    var stream: Int?
    for event in recording.events[block.first..<block.first + block.count] {
      switch event {
      case .allocate(let tensor):
        switch recording.role(ofTensor: tensor) {
        case .temporary: taken.insert(tensor)
        case .workspace: workspaces.insert(tensor)
        default:
          events.append(tensor)
          stream = stream ?? recording.stream(ofTensor: tensor)
        }
      case .release(let tensor):
        guard !workspaces.contains(tensor) else {
          throw RecordingFault(
            "\"laws.blocks\": block \(index) releases its workspace, tensor \(tensor)")
        }
        if taken.remove(tensor) == nil { events.append(-tensor - 1) }
      }
    }
    if let tensor = taken.min() {
      throw RecordingFault(
        "\"laws.blocks\": block \(index) does not release its temporary, tensor \(tensor)")
    }
    let plainEnd = events.count
    events += workspaces.sorted()
    blocks.append(
      Block(
        start: start, plainEnd: plainEnd, end: events.count, launch: block.launch, op: block.op,
        module: block.module, layer: block.layer, node: block.node, stream: stream ?? 0))
  }
}

extension Recording {
  func stream(ofTensor number: Int) -> Int {
    tensors.stream.isEmpty ? 0 : tensors.stream[number]
  }
}
