import CUDAAllocator

// What there was before the first event: found backwards, from the segments of the end.

extension MemoryStreamBuilder {
  /// The segments before the first event, with what stood in them; nil where they cannot be known.
  func start(_ segments: [SegmentLayout]) -> AllocatorReplay.Start? {
    guard segments.contains(where: \.isExpandable) else {
      return start(in: nativeSegments(segments), sizes(of: segments))
    }
    // A run that changed its settings on the way has both kinds.
    guard segments.allSatisfy(\.isExpandable), returnedSegments.isEmpty,
      let ranges = mappedRanges(segments)
    else { return nil }
    return start(in: ranges, sizes(of: segments))
  }

  /// A segment whose blocks are still to be found.
  private struct Extent {
    let address: Int
    let size: Int
    let stream: Int
    let isSmall: Bool
    var isExpandable = false

    var end: Int { address + size }
  }

  /// Native segments of the end that were not made in the trace, and those that went in it.
  private func nativeSegments(_ segments: [SegmentLayout]) -> [Extent] {
    let old = segments.filter { !madeSegments.contains($0.address) }.map {
      Extent(address: $0.address, size: $0.size, stream: $0.stream, isSmall: $0.isSmall)
    }
    let gone = returnedSegments.map {
      Extent(address: $0.address, size: $0.size, stream: $0.stream, isSmall: $0.size == 2 << 20)
    }
    return (old + gone).sorted { $0.address < $1.address }
  }

  /// Sizes of the blocks that are in use at the end and stood before.
  private func sizes(of segments: [SegmentLayout]) -> [Int: Int] {
    var sizes: [Int: Int] = [:]
    for segment in segments {
      var address = segment.address
      for block in segment.blocks {
        if block.isAllocated, !freedStanding.contains(address) { sizes[address] = block.size }
        address += block.size
      }
    }
    return sizes
  }

  private func start(in extents: [Extent], _ sizes: [Int: Int]) -> AllocatorReplay.Start? {
    var start = AllocatorReplay.Start()
    var next = 0
    for extent in extents {
      while next < standing.count, standing[next].address < extent.address { next += 1 }
      let first = next
      while next < standing.count, standing[next].address < extent.end { next += 1 }
      guard let (layout, tensors) = blocks(of: extent, standing[first..<next], sizes) else {
        return nil
      }
      start.segments.append((layout, tensors))
    }
    return start
  }

  /// The blocks of a segment in which some tensors stand; nil if those do not fit each other.
  private func blocks(
    of extent: Extent, _ tensors: ArraySlice<(address: Int, tensor: Int)>, _ sizes: [Int: Int]
  ) -> (SegmentLayout, [Int?])? {
    let settings = run.settings ?? AllocatorSettings()
    var layout = SegmentLayout(
      address: extent.address, stream: extent.stream, isSmall: extent.isSmall,
      isExpandable: extent.isExpandable, blocks: [])
    var owners: [Int?] = []
    func add(_ size: Int, asked: Int, _ owner: Int?) {
      layout.blocks.append(.init(size: size, requested: asked, isAllocated: owner != nil))
      owners.append(owner)
    }
    var address = extent.address
    for (index, (place, tensor)) in zip(tensors.indices, tensors) {
      let limit = index + 1 < tensors.endIndex ? tensors[index + 1].address : extent.end
      let asked = stream.requests.bytes[tensor]
      var size = sizes[place] ?? settings.blockSize(for: asked)
      // What a large native block has beyond a request and is not split off is at the most 1 MiB.
      let canBeWhole = !extent.isSmall && !extent.isExpandable
      if canBeWhole, limit - place - size <= 1 << 20 { size = limit - place }
      guard place >= address, size > 0, place + size <= limit else { return nil }
      if place > address { add(place - address, asked: 0, nil) }
      add(size, asked: asked, tensor)
      address = place + size
    }
    if address < extent.end { add(extent.end - address, asked: 0, nil) }
    return layout.blocks.isEmpty ? nil : (layout, owners)
  }

  // MARK: Expandable segments

  /// More ranges and changes of them than any run has; each change looks at all ranges.
  private static let mostRanges = 1 << 10
  private static let mostChanges = 1 << 16

  /// The mapped ranges before the first event: those of the end, with every change taken back.
  private func mappedRanges(_ segments: [SegmentLayout]) -> [Extent]? {
    guard pages.count <= Self.mostChanges, segments.count <= Self.mostRanges else { return nil }
    var ranges = segments.map { $0.address..<$0.address + $0.size }
    for page in pages.reversed() {
      let changed = page.address..<page.address + page.size
      if page.isMapped {
        ranges = ranges.flatMap { Self.parts(of: $0, without: changed) }
      } else {
        ranges = Self.joined(ranges + [changed])
      }
      guard ranges.count <= Self.mostRanges else { return nil }
    }
    let extents = Self.joined(ranges).map { range in
      // A pool's ranges lie in one reserved range of addresses, farther apart from the others.
      let owner = segments.last { $0.address <= range.lowerBound } ?? segments[0]
      return Extent(
        address: range.lowerBound, size: range.count, stream: owner.stream, isSmall: owner.isSmall,
        isExpandable: true)
    }
    return areOfPages(extents) ? extents : nil
  }

  private static func parts(of range: Range<Int>, without gap: Range<Int>) -> [Range<Int>] {
    guard range.overlaps(gap) else { return [range] }
    return [
      range.lowerBound..<max(range.lowerBound, gap.lowerBound),
      min(range.upperBound, gap.upperBound)..<range.upperBound,
    ].filter { !$0.isEmpty }
  }

  /// Ranges in order, those that touch as one.
  private static func joined(_ ranges: [Range<Int>]) -> [Range<Int>] {
    var joined: [Range<Int>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = joined.last, last.upperBound >= range.lowerBound {
        joined[joined.count - 1] =
          last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        joined.append(range)
      }
    }
    return joined
  }

  /// Whether ranges of a pool are whole pages, from its first one on.
  private func areOfPages(_ extents: [Extent]) -> Bool {
    struct Pool: Hashable {
      let stream: Int
      let isSmall: Bool
    }
    var bases: [Pool: Int] = [:]
    for extent in extents {
      let pool = Pool(stream: extent.stream, isSmall: extent.isSmall)
      let base = bases[pool] ?? extent.address
      bases[pool] = base
      let page = (run.settings ?? AllocatorSettings()).pageSize(isSmall: extent.isSmall)
      guard (extent.address - base) % page == 0, extent.size % page == 0,
        extent.end - base < 1 << 45
      else { return false }
    }
    return true
  }
}
