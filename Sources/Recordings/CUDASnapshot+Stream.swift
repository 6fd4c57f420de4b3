import CUDAAllocator
import Spelling

extension CUDASnapshot {
  /// What happened on a device.
  ///
  /// - Throws: `RecordingFault` for a device of which there is nothing, and about the first event,
  ///   segment or block that is not as PyTorch writes them.
  package func stream(ofDevice device: Int) throws(RecordingFault) -> MemoryStream {
    guard devices.contains(device) else {
      let known = devices.map(String.init).joined(separator: ", ")
      throw RecordingFault(
        devices.isEmpty
          ? "holds no segment and no event of any device"
          : "has nothing of device \(device); it has of \(known)")
    }
    var builder = MemoryStreamBuilder()
    var stacks = SnapshotStacks(pickle)
    if let trace = traces.flatMap({ pickle.item(device, of: $0) }) {
      try addEvents(trace, "device_traces[\(device)]", to: &builder, &stacks)
    }
    var notes: [String] = []
    let layouts = try self.layouts(ofDevice: device, &builder, &stacks, &notes)
    let isExpandable = layouts.contains(where: \.isExpandable)
    let (settings, note) = runSettings(isExpandable: isExpandable)
    if let note { notes.append(note) }
    if eventCount(ofDevice: device) == 0 {
      notes.append(
        "no history was recorded: what is held is that of the end; "
          + "torch.cuda.memory._record_memory_history() before the step records it")
    }
    return builder.finish(segments: layouts, settings: settings, notes: notes)
  }

  // MARK: Events

  private func addEvents(
    _ trace: Pickle.Value, _ title: String, to builder: inout MemoryStreamBuilder,
    _ stacks: inout SnapshotStacks
  ) throws(RecordingFault) {
    let keys = EventKeys(pickle)
    for index in 0..<(pickle.count(trace) ?? 0) {
      guard let event = pickle.item(index, of: trace) else { continue }
      func number(_ key: Pickle.Key?, _ name: String) throws(RecordingFault) -> Int {
        guard let value = pickle.member(key, of: event) else {
          throw RecordingFault("\"\(title)[\(index)]\" has no \"\(name)\"")
        }
        guard let integer = pickle.integer(value), (0...1 << 57).contains(integer) else {
          throw RecordingFault(
            "\"\(title)[\(index)].\(name)\" must be a whole number, not \(pickle.kind(value))")
        }
        return integer
      }
      guard let action = pickle.member(keys.action, of: event).flatMap(pickle.textPlace) else {
        throw RecordingFault("\"\(title)[\(index)]\" has no \"action\"")
      }
      guard let kind = keys.kinds[action] else { continue }
      let size = try number(keys.size, "size")
      // Out of memory has what was free in the place of an address.
      if kind == .outOfMemory {
        let free = pickle.member(keys.free, of: event).flatMap(pickle.integer)
        builder.fail(asked: size, free: max(free ?? 0, 0))
        continue
      }
      let address = try number(keys.address, "addr")
      let stream = pickle.member(keys.stream, of: event).flatMap(pickle.integer) ?? 0
      switch kind {
      case .alloc where size > 0:
        let frames = pickle.member(keys.frames, of: event)
        try builder.allocate(size, at: address, stream: stream, by: stacks.maker(frames))
      case .freeRequested: builder.requestRelease(at: address)
      case .freeCompleted: try builder.release(at: address, bytes: size, stream: stream)
      case .segmentAlloc, .segmentMap:
        try builder.grow(by: size, at: address, isNewSegment: kind == .segmentAlloc)
      case .segmentFree, .segmentUnmap:
        try builder.shrink(by: size, at: address, stream: stream, isSegment: kind == .segmentFree)
      case .alloc, .outOfMemory: break
      }
    }
  }

  /// What an event of a trace does; the words are those of `TraceEntry::Action`.
  enum Action: String, CaseIterable {
    case alloc
    case freeRequested = "free_requested"
    case freeCompleted = "free_completed"
    case segmentAlloc = "segment_alloc"
    case segmentFree = "segment_free"
    case segmentMap = "segment_map"
    case segmentUnmap = "segment_unmap"
    case outOfMemory = "oom"
  }

  /// The names of an event's members, looked up once.
  private struct EventKeys {
    let action: Pickle.Key?
    let size: Pickle.Key?
    let address: Pickle.Key?
    let stream: Pickle.Key?
    let frames: Pickle.Key?
    let free: Pickle.Key?
    /// By the place of the action's text.
    var kinds: [Int32: Action] = [:]

    init(_ pickle: Pickle) {
      action = pickle.key("action")
      size = pickle.key("size")
      address = pickle.key("addr")
      stream = pickle.key("stream")
      frames = pickle.key("frames")
      free = pickle.key("device_free")
      for kind in Action.allCases {
        if let key = pickle.key(kind.rawValue) { kinds[key.place] = kind }
      }
    }
  }

  // MARK: Segments

  /// The segments of a device at the end; blocks in use are told to the builder.
  private func layouts(
    ofDevice device: Int, _ builder: inout MemoryStreamBuilder, _ stacks: inout SnapshotStacks,
    _ notes: inout [String]
  ) throws(RecordingFault) -> [SegmentLayout] {
    var layouts: [SegmentLayout] = []
    var walked = 0
    var total = 0
    var privatePools = 0
    for index in 0..<(segments.flatMap(pickle.count) ?? 0) {
      guard let segment = segments.flatMap({ pickle.item(index, of: $0) }) else { continue }
      let reader = SnapshotMembers(pickle, segment, "segments[\(index)]")
      guard try reader.optionalInteger("device") ?? 0 == device else { continue }
      let blocks = try reader.list("blocks")
      // Shared lists could make more blocks than the file has bytes.
      walked += pickle.count(blocks) ?? 0
      guard walked <= pickle.size else { throw RecordingFault("holds more blocks than bytes") }
      var layout = SegmentLayout(
        address: try reader.integer("address"), stream: try reader.optionalInteger("stream") ?? 0,
        isSmall: try reader.text("segment_type") == "small",
        isExpandable: reader.flag("is_expandable") ?? false, blocks: [])
      try add(blocks, of: &layout, "segments[\(index)]", &builder, &stacks)
      guard !layout.blocks.isEmpty else { continue }
      if reader.isOfPrivatePool { privatePools += 1 }
      total += layout.size
      guard total < 1 << 60 else { throw RecordingFault("holds segments beyond 64 bits together") }
      layouts.append(layout)
    }
    if privatePools > 0 {
      notes.append(
        "\(privatePools) segments are of private pools, as CUDA graphs have; they are replayed as "
          + "if they were in the common ones")
    }
    return layouts.sorted { $0.address < $1.address }
  }

  private func add(
    _ blocks: Pickle.Value, of layout: inout SegmentLayout, _ title: String,
    _ builder: inout MemoryStreamBuilder, _ stacks: inout SnapshotStacks
  ) throws(RecordingFault) {
    var address = layout.address
    for index in 0..<(pickle.count(blocks) ?? 0) {
      guard let block = pickle.item(index, of: blocks) else { continue }
      let reader = SnapshotMembers(pickle, block, "\(title).blocks[\(index)]")
      let size = try reader.integer("size")
      guard size > 0, size <= Recording.mostBytes else {
        throw RecordingFault("\"\(title).blocks[\(index)]\" has \(size) bytes, which none has")
      }
      let isFree = try reader.text("state") == "inactive"
      let asked = min(try reader.optionalInteger("requested_size") ?? size, size)
      layout.blocks.append(
        .init(size: size, requested: isFree ? 0 : max(asked, 1), isAllocated: !isFree))
      if !isFree {
        try builder.hold(
          max(asked, 1), at: address, stream: layout.stream,
          by: stacks.maker(pickle.member("frames", of: block)))
      }
      address += size
      guard address < 1 << 58 else {
        throw RecordingFault("\"\(title)\" is larger than any GPU")
      }
    }
  }
}

/// The members of a dictionary of a snapshot, each with its type.
private struct SnapshotMembers {
  private let pickle: Pickle
  private let value: Pickle.Value
  private let title: String

  init(_ pickle: Pickle, _ value: Pickle.Value, _ title: String) {
    (self.pickle, self.value, self.title) = (pickle, value, title)
  }

  private func member(_ name: String) throws(RecordingFault) -> Pickle.Value {
    guard let member = pickle.member(name, of: value) else {
      throw RecordingFault("\"\(title)\" has no \"\(name)\"")
    }
    return member
  }

  private func wrongType(
    _ name: String, _ member: Pickle.Value, _ wanted: String
  ) -> RecordingFault {
    RecordingFault("\"\(title).\(name)\" must be \(wanted), not \(pickle.kind(member))")
  }

  func integer(_ name: String) throws(RecordingFault) -> Int {
    let member = try member(name)
    guard let integer = pickle.integer(member), (0...1 << 57).contains(integer) else {
      throw wrongType(name, member, "a whole number")
    }
    return integer
  }

  func optionalInteger(_ name: String) throws(RecordingFault) -> Int? {
    pickle.member(name, of: value) == nil ? nil : try integer(name)
  }

  func text(_ name: String) throws(RecordingFault) -> String {
    let member = try member(name)
    guard let text = pickle.text(member) else { throw wrongType(name, member, "a text") }
    return text
  }

  func list(_ name: String) throws(RecordingFault) -> Pickle.Value {
    let member = try member(name)
    guard pickle.count(member) != nil else { throw wrongType(name, member, "a list") }
    return member
  }

  func flag(_ name: String) -> Bool? {
    pickle.member(name, of: value).flatMap { pickle.flag($0) ?? pickle.integer($0).map { $0 != 0 } }
  }

  /// Whether a segment is of a pool with a number, which the common ones do not have.
  var isOfPrivatePool: Bool {
    guard let pool = pickle.member("segment_pool_id", of: value) else { return false }
    return (0..<(pickle.count(pool) ?? 0)).contains { index in
      pickle.item(index, of: pool).flatMap(pickle.integer) ?? 0 != 0
    }
  }
}
