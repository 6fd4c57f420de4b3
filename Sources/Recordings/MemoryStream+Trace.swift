import CUDAAllocator
import Files

extension MemoryStream {
  /// Reads the numbers of a snapshot as checks of the allocator keep them: `pre` (address and bytes
  /// of what stood before), `segments` at the end, and `events`:
  ///
  /// ```
  ///   ["a", number, bytes, op, address, stream?]   ["f", number or "p<address>"]
  ///   ["sa" | "sf" | "sm" | "su", bytes, address, stream?]
  /// ```
  init(trace: RecordedMembers) throws(RecordingFault) {
    var builder = MemoryStreamBuilder()
    var standing: [Int: Int] = [:]
    for (index, value) in try trace.array("pre").enumerated() {
      let pair = try TraceRow(value, "pre[\(index)]")
      standing[try pair.integer(0)] = try pair.integer(1)
    }
    var addresses: [Int: (address: Int, bytes: Int, stream: Int)] = [:]
    for (index, value) in try trace.array("events").enumerated() {
      let row = try TraceRow(value, "events[\(index)]")
      switch try row.text(0) {
      case "a":
        let (bytes, address) = (try row.integer(2), try row.integer(4))
        let stream = try row.optionalInteger(5)
        addresses[try row.integer(1)] = (address, bytes, stream)
        try builder.allocate(
          bytes, at: address, stream: stream, by: Maker(op: try row.text(3), place: ""))
      case "f":
        if let text = row.optionalText(1) {
          guard let address = Int(text.dropFirst()), let bytes = standing[address] else {
            throw row.fault("frees what is not listed in \"pre\"")
          }
          try builder.release(at: address, bytes: bytes, stream: 0)
        } else if let freed = addresses[try row.integer(1)] {
          try builder.release(at: freed.address, bytes: freed.bytes, stream: freed.stream)
        } else {
          throw row.fault("frees what was not allocated")
        }
      case let kind where ["sa", "sm"].contains(kind):
        try builder.grow(
          by: try row.integer(1), at: try row.integer(2), isNewSegment: kind == "sa")
      case let kind where ["sf", "su"].contains(kind):
        try builder.shrink(
          by: try row.integer(1), at: try row.integer(2), stream: try row.optionalInteger(3),
          isSegment: kind == "sf")
      default: throw row.fault("is of no kind that there is")
      }
    }
    let segments = try Self.segments(trace)
    for (address, bytes) in standing.sorted(by: { $0.key < $1.key }) {
      let segment = segments.last { $0.address <= address }
      try builder.hold(
        bytes, at: address, stream: segment?.stream ?? 0, by: Maker(op: "", place: ""))
    }
    var settings = AllocatorSettings()
    settings.usesExpandableSegments = segments.contains(where: \.isExpandable)
    self = builder.finish(segments: segments, settings: settings)
  }

  private static func segments(
    _ trace: RecordedMembers
  ) throws(RecordingFault) -> [SegmentLayout] {
    var segments: [SegmentLayout] = []
    var total = 0
    for (index, value) in try trace.array("segments").enumerated() {
      let row = try TraceRow(value, "segments[\(index)]")
      var layout = SegmentLayout(
        address: try row.integer(0), stream: try row.integer(3), isSmall: try row.flag(2),
        isExpandable: try row.flag(4), blocks: [])
      for (place, block) in try row.list(5).enumerated() {
        let block = try TraceRow(block, "segments[\(index)][5][\(place)]")
        guard try (1...Recording.mostBytes).contains(block.integer(1)), place < 1 << 16 else {
          throw block.fault("is no block")
        }
        layout.blocks.append(
          .init(
            size: try block.integer(1), requested: try block.integer(2),
            isAllocated: try block.text(0) != "inactive"))
      }
      total += layout.size
      guard total < 1 << 60 else { throw row.fault("has more bytes than any GPU") }
      guard layout.size == (try row.integer(1)), !layout.blocks.isEmpty else {
        throw row.fault("is not as large as its blocks together")
      }
      segments.append(layout)
    }
    return segments.sorted { $0.address < $1.address }
  }
}

/// A list in a trace, whose places have meanings.
private struct TraceRow {
  private let place: String
  private let values: [JSON]

  init(_ value: JSON, _ place: String) throws(RecordingFault) {
    guard case .array(let values) = value else {
      throw RecordingFault("\"\(place)\" must be a list, not \(value.kind)")
    }
    (self.place, self.values) = (place, values)
  }

  func fault(_ what: String) -> RecordingFault { RecordingFault("\"\(place)\" \(what)") }

  private func value(_ index: Int) throws(RecordingFault) -> JSON {
    guard values.indices.contains(index) else { throw fault("has no entry \(index)") }
    return values[index]
  }

  /// A number from 0 to a size that sums do not overflow with.
  func integer(_ index: Int) throws(RecordingFault) -> Int {
    guard case .integer(let integer) = try value(index), (0...1 << 52).contains(integer) else {
      throw fault("needs a whole number as entry \(index), not \(try value(index).kind)")
    }
    return integer
  }

  func optionalInteger(_ index: Int) throws(RecordingFault) -> Int {
    values.indices.contains(index) ? try integer(index) : 0
  }

  func text(_ index: Int) throws(RecordingFault) -> String {
    guard case .string(let text) = try value(index) else {
      throw fault("needs a text as entry \(index)")
    }
    return text
  }

  func optionalText(_ index: Int) -> String? {
    guard values.indices.contains(index), case .string(let text) = values[index] else { return nil }
    return text
  }

  func flag(_ index: Int) throws(RecordingFault) -> Bool {
    guard case .bool(let flag) = try value(index) else {
      throw fault("needs true or false as entry \(index)")
    }
    return flag
  }

  func list(_ index: Int) throws(RecordingFault) -> [JSON] {
    guard case .array(let list) = try value(index) else {
      throw fault("needs a list as entry \(index)")
    }
    return list
  }
}
