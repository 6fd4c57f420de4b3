import CUDAAllocator

/// Notes what happened at addresses, and finds out which tensors that were.
///
/// A run's trace may begin when much is allocated already: what is freed and was never allocated in
/// it, and what is in a segment at the end and was not allocated in it, stood before.
struct MemoryStreamBuilder {
  private(set) var stream = MemoryStream()
  private(set) var run = MemoryStream.Run()
  private var makerPlaces: [MemoryStream.Maker: Int] = [:]
  /// The tensor at each address that is in use.
  private var live: [Int: Int] = [:]
  /// Addresses at which something was allocated or has been freed.
  private var seen: Set<Int> = []
  /// Tensors that stood before, with their addresses.
  private(set) var standing: [(address: Int, tensor: Int)] = []
  /// Those of them that are freed in the trace, whose blocks may have been larger than they asked.
  private(set) var freedStanding: Set<Int> = []
  /// Freed, and perhaps finished with at once.
  private var requestedRelease: Int?
  /// Bytes that segments have grown by since the first event.
  private var grown = 0
  private var isReturning = false
  private var grownBefore = 0
  /// Of events at which the cache went back: by how much the run had grown, with what came next.
  private var pressures: [Int: Int] = [:]
  private(set) var madeSegments: Set<Int> = []
  private(set) var returnedSegments: [(address: Int, size: Int, stream: Int)] = []
  /// Pages that were mapped and unmapped, in order.
  private(set) var pages: [(address: Int, size: Int, isMapped: Bool)] = []
  private var total = 0
  private var streams: Set<Int> = []
  /// More than any program has; each takes a range of addresses.
  private static let mostStreams = 1 << 12

  // MARK: Events

  mutating func allocate(
    _ bytes: Int, at address: Int, stream number: Int, by maker: MemoryStream.Maker
  ) throws(RecordingFault) {
    let tensor = try add(bytes, at: address, stream: number, by: maker)
    settle()
    // What was there went without a word: histories can leave kinds of events out.
    if let old = live[address] { note(.release(old)) }
    live[address] = tensor
    seen.insert(address)
    note(.allocate(tensor))
  }

  /// A tensor is let go; another stream may still use it.
  mutating func requestRelease(at address: Int) {
    settleRequest()
    requestedRelease = address
  }

  /// A tensor's block is free; `bytes` is what it asked for, where that is known.
  mutating func release(
    at address: Int, bytes: Int, stream number: Int
  ) throws(RecordingFault) {
    if requestedRelease == address { requestedRelease = nil }
    if let tensor = try tensor(at: address, bytes: bytes, stream: number) {
      live[address] = nil
      note(.release(tensor))
    }
  }

  /// The tensor at an address, which stood before if nothing was noted there yet.
  private mutating func tensor(
    at address: Int, bytes: Int, stream number: Int
  ) throws(RecordingFault) -> Int? {
    if let tensor = live[address] { return tensor }
    guard !seen.contains(address), bytes > 0 else { return nil }
    let tensor = try stand(bytes, at: address, stream: number, by: stream.makers[0])
    freedStanding.insert(address)
    live[address] = tensor
    return tensor
  }

  /// CUDA gave a segment, or mapped pages.
  mutating func grow(
    by bytes: Int, at address: Int, isNewSegment: Bool
  ) throws(RecordingFault) {
    if isReturning {
      pressures[stream.requests.events.count - 1] = grownBefore + bytes
    }
    settle()
    if isNewSegment {
      madeSegments.insert(address)
      run.newSegments.append(address)
    } else {
      pages.append((address, bytes, true))
    }
    try change(by: bytes)
  }

  /// CUDA got a segment or pages back.
  mutating func shrink(
    by bytes: Int, at address: Int, stream number: Int, isSegment: Bool
  ) throws(RecordingFault) {
    if !isReturning {
      note(.emptyCache(pressure: 0))
      run.emptied += 1
      isReturning = true
      grownBefore = grown
    }
    if isSegment, !madeSegments.contains(address) {
      returnedSegments.append((address, bytes, number))
      madeSegments.insert(address)
    }
    if !isSegment { pages.append((address, bytes, false)) }
    try change(by: -bytes)
    run.reserved[run.reserved.count - 1] = grown
  }

  mutating func fail(asked: Int, free: Int) {
    settle()
    run.failures.append((asked, free))
  }

  private mutating func change(by bytes: Int) throws(RecordingFault) {
    grown += bytes
    guard grown.magnitude < 1 << 60 else {
      throw RecordingFault("holds segments beyond 64 bits together")
    }
    run.reservedPeak = max(run.reservedPeak, grown)
  }

  private mutating func note(_ event: AllocationStream.Event) {
    settle()
    stream.requests.events.append(event)
    run.reserved.append(grown)
  }

  private mutating func settle() {
    isReturning = false
    settleRequest()
  }

  /// Something else came between a release and its end.
  private mutating func settleRequest() {
    guard let address = requestedRelease else { return }
    requestedRelease = nil
    guard let tensor = live[address] else { return }
    stream.requests.events.append(.retire(tensor))
    run.reserved.append(grown)
  }

  // MARK: Tensors

  private mutating func add(
    _ bytes: Int, at address: Int, stream number: Int, by maker: MemoryStream.Maker
  ) throws(RecordingFault) -> Int {
    guard (1...Recording.mostBytes).contains(bytes) else {
      throw RecordingFault("holds an allocation of \(bytes) bytes, which no GPU has")
    }
    total += bytes
    guard total < 1 << 60 else { throw RecordingFault("holds allocations beyond 64 bits together") }
    stream.requests.bytes.append(bytes)
    stream.requests.streams.append(number)
    streams.insert(number)
    guard streams.count <= Self.mostStreams else {
      throw RecordingFault("holds more than \(Self.mostStreams) streams")
    }
    run.addresses.append(address)
    stream.makerOfTensor.append(place(of: maker))
    return stream.requests.bytes.count - 1
  }

  private mutating func place(of maker: MemoryStream.Maker) -> Int {
    guard maker != stream.makers[0] else { return 0 }
    if let place = makerPlaces[maker] { return place }
    makerPlaces[maker] = stream.makers.count
    stream.makers.append(maker)
    return stream.makers.count - 1
  }

  private mutating func stand(
    _ bytes: Int, at address: Int, stream number: Int, by maker: MemoryStream.Maker
  ) throws(RecordingFault) -> Int {
    let tensor = try add(bytes, at: address, stream: number, by: maker)
    standing.append((address, tensor))
    seen.insert(address)
    return tensor
  }

  // MARK: The end

  /// A block in use at the end; one that was not allocated in the trace stood before.
  mutating func hold(
    _ bytes: Int, at address: Int, stream number: Int, by maker: MemoryStream.Maker
  ) throws(RecordingFault) {
    guard !seen.contains(address) else { return }
    _ = try stand(bytes, at: address, stream: number, by: maker)
  }

  /// The whole, once all segments of the end are known.
  mutating func finish(
    segments: [SegmentLayout], settings: AllocatorSettings?, notes: [String] = []
  ) -> MemoryStream {
    settle()
    standing.sort { $0.address < $1.address }
    stream.requests.standing = standing.map(\.tensor)
    run.settings = settings
    run.reservedAtEnd = segments.reduce(0) { $0 + $1.size }
    run.reservedAtStart = run.reservedAtEnd - grown
    run.reserved = run.reserved.map { $0 + run.reservedAtStart }
    for (event, grown) in pressures {
      stream.requests.events[event] = .emptyCache(pressure: grown + run.reservedAtStart)
    }
    run.reservedPeak += run.reservedAtStart
    run.segmentsAtEnd = segments.count
    run.allocatedAtEnd = segments.reduce(0) { sum, segment in
      sum + segment.blocks.reduce(0) { $0 + ($1.isAllocated ? $1.size : 0) }
    }
    run.start = start(segments)
    stream.run = run
    stream.notes = notes
    return stream
  }
}
