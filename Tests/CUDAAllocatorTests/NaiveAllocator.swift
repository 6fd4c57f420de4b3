import CUDAAllocator

/// The same rules with nothing but lists that are gone through from end to end: the oracle of random
/// streams. Segments are told in the order of their addresses, which go up.
struct NaiveAllocator {
  struct Block: Equatable {
    var address: Int
    var size: Int
    /// The request's number; nil for a free block.
    var owner: Int?
    var isMapped = true
  }

  struct Segment {
    let stream: Int
    let isSmall: Bool
    var blocks: [Block]
  }

  let settings: AllocatorSettings
  let total: Int
  var segments: [Segment] = []
  var nextAddress = 1 << 46
  var retries = 0

  init(_ settings: AllocatorSettings, total: Int) {
    (self.settings, self.total) = (settings, total)
  }

  var reserved: Int {
    segments.reduce(0) { $0 + $1.blocks.reduce(0) { $0 + ($1.isMapped ? $1.size : 0) } }
  }

  var allocated: Int {
    segments.reduce(0) { $0 + $1.blocks.reduce(0) { $0 + ($1.owner == nil ? 0 : $1.size) } }
  }

  /// The address of a request's block; nil where the device is full.
  mutating func allocate(_ owner: Int, _ bytes: Int, stream: Int) -> Int? {
    let size = (max(bytes, 512) + 511) / 512 * 512
    let isSmall = size <= 1 << 20
    for attempt in 0..<3 {
      if attempt == 0, let place = best(size, stream, isSmall) {
        return use(place, owner, size, isSmall)
      }
      if attempt == 2 {
        emptyCache()
        retries += 1
      }
      guard attempt > 0 else { continue }
      let place =
        settings.usesExpandableSegments
        ? grow(size, stream, isSmall) : segment(size, stream, isSmall)
      if let place { return use(place, owner, size, isSmall) }
    }
    return nil
  }

  private func best(_ size: Int, _ stream: Int, _ isSmall: Bool) -> (Int, Int)? {
    var found: [(grown: Int, size: Int, address: Int, place: (Int, Int))] = []
    for (index, segment) in segments.enumerated()
    where segment.stream == stream && segment.isSmall == isSmall {
      for (place, block) in segment.blocks.enumerated()
      where block.owner == nil && block.isMapped && block.size >= size {
        let next = place + 1 < segment.blocks.count ? segment.blocks[place + 1] : nil
        let grown = block.size + (next.map { $0.isMapped ? 0 : $0.size } ?? 0)
        found.append((grown, block.size, block.address, (index, place)))
      }
    }
    found.sort { ($0.size, $0.address) < ($1.size, $1.address) }
    guard var choice = found.first else { return nil }
    if settings.usesExpandableSegments {
      for next in found.dropFirst() {
        guard next.grown < choice.grown else { break }
        choice = next
      }
    }
    return choice.place
  }

  private mutating func segment(_ size: Int, _ stream: Int, _ isSmall: Bool) -> (Int, Int)? {
    let unit = 2 << 20
    let whole = isSmall ? unit : size < 10 << 20 ? 20 << 20 : (size + unit - 1) / unit * unit
    guard reserved + whole <= total else { return nil }
    segments.append(
      Segment(
        stream: stream, isSmall: isSmall,
        blocks: [Block(address: nextAddress, size: whole, owner: nil)]))
    nextAddress += whole
    return (segments.count - 1, 0)
  }

  private mutating func grow(_ size: Int, _ stream: Int, _ isSmall: Bool) -> (Int, Int)? {
    let page = isSmall ? 2 << 20 : 20 << 20
    var index = segments.firstIndex { $0.stream == stream && $0.isSmall == isSmall } ?? -1
    if index < 0 {
      index = segments.count
      let space = (total + total / 8 + page - 1) / page * page
      segments.append(
        Segment(
          stream: stream, isSmall: isSmall,
          blocks: [Block(address: nextAddress, size: space, owner: nil, isMapped: false)]))
      nextAddress += space
    }
    // The first unmapped block from which on, or from the free one before which on, there is room.
    let blocks = segments[index].blocks
    var start: Int?
    for place in blocks.indices where !blocks[place].isMapped && start == nil {
      let first = place > 0 && blocks[place - 1].owner == nil ? place - 1 : place
      let room = blocks[first...].prefix { $0.owner == nil }.reduce(0) { $0 + $1.size }
      if room >= size { start = first }
    }
    guard let start else { return nil }
    let address = blocks[start].address
    while true {
      let place = segments[index].blocks.firstIndex { $0.address == address }
      guard let place else { return nil }
      let block = segments[index].blocks[place]
      if block.isMapped, block.size >= size { return (index, place) }
      let unmapped = block.isMapped ? place + 1 : place
      let have = block.isMapped ? block.size : 0
      let room = segments[index].blocks[unmapped]
      let pages = (min(size - have, room.size) + page - 1) / page * page
      guard reserved + pages <= total else { return nil }
      segments[index].blocks[unmapped].address += pages
      segments[index].blocks[unmapped].size -= pages
      if room.size == pages { segments[index].blocks.remove(at: unmapped) }
      segments[index].blocks.insert(
        Block(address: room.address, size: pages, owner: nil), at: unmapped)
      merge(index)
    }
  }

  private mutating func use(
    _ place: (Int, Int), _ owner: Int, _ size: Int, _ isSmall: Bool
  ) -> Int {
    let block = segments[place.0].blocks[place.1]
    let rest = block.size - size
    let splits = isSmall || settings.usesExpandableSegments ? rest >= 512 : rest > 1 << 20
    segments[place.0].blocks[place.1].owner = owner
    if splits {
      segments[place.0].blocks[place.1].size = size
      segments[place.0].blocks.insert(
        Block(address: block.address + size, size: rest, owner: nil), at: place.1 + 1)
    }
    return block.address
  }

  mutating func free(_ owner: Int) {
    for index in segments.indices {
      for place in segments[index].blocks.indices
      where segments[index].blocks[place].owner == owner {
        segments[index].blocks[place].owner = nil
      }
      merge(index)
    }
  }

  private mutating func merge(_ index: Int) {
    var merged: [Block] = []
    for block in segments[index].blocks {
      if let last = merged.last, last.owner == nil, block.owner == nil,
        last.isMapped == block.isMapped
      {
        merged[merged.count - 1].size += block.size
      } else {
        merged.append(block)
      }
    }
    segments[index].blocks = merged
  }

  mutating func emptyCache() {
    guard settings.usesExpandableSegments else {
      segments.removeAll { $0.blocks.count == 1 && $0.blocks[0].owner == nil }
      return
    }
    for index in segments.indices {
      let page = segments[index].isSmall ? 2 << 20 : 20 << 20
      let base = segments[index].blocks[0].address
      var blocks: [Block] = []
      for block in segments[index].blocks {
        let first = (block.address - base + page - 1) / page * page + base
        let last = (block.address - base + block.size) / page * page + base
        guard block.owner == nil, block.isMapped, first < last else {
          blocks.append(block)
          continue
        }
        for (start, end, isMapped) in [
          (block.address, first, true), (first, last, false),
          (last, block.address + block.size, true),
        ] where start < end {
          blocks.append(
            Block(address: start, size: end - start, owner: nil, isMapped: isMapped))
        }
      }
      segments[index].blocks = blocks
      merge(index)
    }
  }
}
