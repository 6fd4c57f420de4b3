import CUDAAllocator
import Files
import RecordedSteps
import Recordings
import TestSupport
import Testing
import Traces

/// Snapshots as `torch.cuda.memory._dump_snapshot` writes them.
@Suite struct `Snapshots` {
  private static let base = 1 << 40

  private static func event(
    _ action: String, _ address: Int, _ size: Int, stream: Int = 0, frames: [PickledValue] = []
  ) -> PickledValue {
    .dictionary([
      ("action", .text(action)), ("addr", .integer(base + address)), ("size", .integer(size)),
      ("stream", .integer(stream)), ("frames", .list(frames)),
    ])
  }

  private static func segment(
    _ address: Int, device: Int = 0, isSmall: Bool = false, _ blocks: [(size: Int, isUsed: Bool)]
  ) -> PickledValue {
    .dictionary([
      ("device", .integer(device)), ("address", .integer(base + address)),
      ("stream", .integer(0)), ("segment_type", .text(isSmall ? "small" : "large")),
      ("total_size", .integer(blocks.reduce(0) { $0 + $1.size })),
      (
        "blocks",
        .list(
          blocks.map {
            .dictionary([
              ("size", .integer($0.size)), ("requested_size", .integer($0.isUsed ? $0.size : 0)),
              ("state", .text($0.isUsed ? "active_allocated" : "inactive")),
            ])
          })
      ),
    ])
  }

  private static func snapshot(
    _ segments: [PickledValue], _ traces: [[PickledValue]], settings: String? = nil
  ) throws -> CUDASnapshot {
    let value = PickledValue.dictionary([
      ("segments", .list(segments)), ("device_traces", .list(traces.map { .list($0) })),
      (
        "allocator_settings",
        .dictionary(settings.map { [("PYTORCH_CUDA_ALLOC_CONF", .text($0))] } ?? [])
      ),
    ])
    return try CUDASnapshot(Pickle(PickleWriter.bytes(of: value)))
  }

  @Test(arguments: [2, 3, 4, 5])
  func `of Python's are read, with who made what`(version: Int) throws {
    let pickle = try Pickle(bytes(ofBase64: try #require(PickleSamples.snapshots[version])))
    let snapshot = try CUDASnapshot(pickle)
    #expect(snapshot.devices == [0] && snapshot.eventCount(ofDevice: 0) == 6)
    let stream = try snapshot.stream(ofDevice: 0)
    // One tensor stood before, two were made; the first is still there.
    #expect(stream.requests.bytes == [(4 << 20) - 7, 8 << 20, 8 << 20])
    #expect(stream.requests.standing == [2])
    #expect(stream.requests.events == [.allocate(0), .allocate(1), .release(1)])
    #expect(stream.maker(of: 0) == MemoryStream.Maker(op: "mm", place: "train.py:17 step"))
    #expect(stream.maker(of: 1) == MemoryStream.Maker(op: "mul_Tensor", place: "in MulBackward0"))
    #expect(stream.maker(of: 2) == MemoryStream.Maker(op: "", place: ""))
    let run = try #require(stream.run)
    #expect(run.reservedAtStart == 20 << 20 && run.reservedAtEnd == 20 << 20)
    #expect(run.allocatedAtEnd == 12 << 20 && run.failures.map(\.asked) == [1 << 33])
    let answer = AllocatorAnswer(stream)
    let warm = try #require(answer.agreements.first)
    #expect(warm.isWarm && warm.equal == 2 && warm.sameAddress == 2 && warm.allocations == 2)
    #expect(answer.held.map(\.total) == [8 << 20, 8 << 20, (4 << 20) - 7])
  }

  @Test func `are replayed under other settings beside their own`() throws {
    let mebibyte = 1 << 20
    let sizes = [30, 30, 61]
    var events: [PickledValue] = []
    var address = 0
    for (index, size) in sizes.enumerated() {
      if index == 2 {
        for place in [0, 30] {
          events.append(Self.event("free_requested", place * mebibyte, 30 * mebibyte))
          events.append(Self.event("free_completed", place * mebibyte, 30 * mebibyte))
        }
      }
      events.append(Self.event("segment_alloc", address, (size + size % 2) * mebibyte))
      events.append(Self.event("alloc", address, size * mebibyte))
      address += (size + size % 2) * mebibyte
    }
    let segments = [
      Self.segment(0, [(30 * mebibyte, false)]),
      Self.segment(30 * mebibyte, [(30 * mebibyte, false)]),
      Self.segment(60 * mebibyte, [(62 * mebibyte, true)]),
    ]
    let stream = try Self.snapshot(segments, [events]).stream(ofDevice: 0)
    var changed = AllocatorSettings()
    changed.usesExpandableSegments = true
    let answer = AllocatorAnswer(stream, changed: changed)
    #expect(stream.run?.reservedPeak == 122 * mebibyte)
    #expect(answer.own.statistics.reserved.peak == 122 * mebibyte)
    #expect(answer.changed?.statistics.reserved.peak == 80 * mebibyte)
    #expect(answer.agreements.allSatisfy { $0.equal == 3 })
    // On a device of 100 MiB the two freed segments go back first, and then it fits.
    let small = AllocatorAnswer(stream, device: DeviceMemory(total: 100 * mebibyte, held: 0))
    #expect(small.own.statistics.retries == 1 && small.own.failure == nil)
    let tiny = AllocatorAnswer(stream, device: DeviceMemory(total: 50 * mebibyte, held: 0))
    #expect(tiny.own.failure?.error.asked == 30 * mebibyte && tiny.own.failure?.event == 1)
    #expect(tiny.text(title: "t").contains("Tried to allocate 30.00 MiB"))
  }

  @Test func `tell devices, streams and what the run was set to apart`() throws {
    let snapshot = try Self.snapshot(
      [Self.segment(0, [(2 << 20, true)]), Self.segment(64 << 20, device: 3, [(4 << 20, true)])],
      [
        [], [],
        [
          Self.event("segment_map", 0, 20 << 20), Self.event("alloc", 0, 5 << 20, stream: 7),
          Self.event("free_requested", 0, 5 << 20, stream: 7),
          Self.event("alloc", 5 << 20, 5 << 20),
          Self.event("free_completed", 0, 5 << 20, stream: 7),
        ],
      ], settings: "max_split_size_mb:64,backend:cudaMallocAsync")
    #expect(snapshot.devices == [0, 2, 3])
    let stream = try snapshot.stream(ofDevice: 2)
    #expect(stream.requests.streams == [7, 0])
    #expect(
      stream.requests.events == [.allocate(0), .retire(0), .allocate(1), .release(0)])
    #expect(stream.notes.first?.contains("must be native") ?? false)
    let fault = try #require(throws: RecordingFault.self) { try snapshot.stream(ofDevice: 1) }
    #expect(fault.sentence == "has nothing of device 1; it has of 0, 2, 3")
    #expect(try snapshot.stream(ofDevice: 3).notes.contains { $0.contains("no history") })
  }

  /// A run with expandable segments whose history begins when pages are mapped already.
  @Test func `with expandable segments are followed from their own pages on`() throws {
    let mebibyte = 1 << 20
    let blocks = [(16, true), (24, false), (20, true)].map { ($0.0 * mebibyte, $0.1) }
    let segment = PickledValue.dictionary([
      ("device", .integer(0)), ("address", .integer(Self.base)), ("segment_type", .text("large")),
      ("stream", .integer(0)), ("is_expandable", .integer(1)),
      (
        "blocks",
        .list(
          blocks.map {
            .dictionary([
              ("size", .integer($0.0)), ("requested_size", .integer($0.1 ? $0.0 : 0)),
              ("state", .text($0.1 ? "active_allocated" : "inactive")),
            ])
          })
      ),
    ])
    // 16 and 24 MiB stood in 40; 20 more took a page behind them, then the 24 went.
    let events = [
      Self.event("segment_map", 40 * mebibyte, 20 * mebibyte),
      Self.event("alloc", 40 * mebibyte, 20 * mebibyte),
      Self.event("free_requested", 16 * mebibyte, 24 * mebibyte),
      Self.event("free_completed", 16 * mebibyte, 24 * mebibyte),
    ]
    let stream = try Self.snapshot([segment], [events]).stream(ofDevice: 0)
    #expect(stream.run?.reservedAtStart == 40 * mebibyte)
    let answer = AllocatorAnswer(stream)
    let warm = try #require(answer.agreements.first)
    #expect(answer.agreements.count == 1 && warm.isWarm && warm.isWhole)
    #expect(warm.sameAddress == 1 && warm.reservedAtEnd == 60 * mebibyte)
    #expect(warm.peakAllocated == 60 * mebibyte && warm.allocatedAtEnd == 36 * mebibyte)
  }

  @Test(
    arguments: [
      (PickledValue.integer(1), "is a pickle of 1, and no memory snapshot"),
      (.dictionary([("segments", .integer(1))]), "no memory snapshot"),
      (.dictionary([("segments", .list([])), ("device_traces", .text("x"))]), "must be a list"),
      (.dictionary([("segments", .list([.dictionary([])]))]), "has no \"blocks\""),
      (
        .list([
          .dictionary([
            ("blocks", .list([.dictionary([])])), ("address", .integer(1)),
            ("segment_type", .text("small")),
          ])
        ]), "has no \"size\""
      ),
      (
        .dictionary([
          ("segments", .list([])),
          ("device_traces", .list([.list([event("alloc", -base - 1, 5)])])),
        ]), "\"device_traces[0][0].addr\" must be a whole number"
      ),
      (
        .dictionary([
          ("segments", .list([])), ("device_traces", .list([.list([event("alloc", 0, 1 << 50)])])),
        ]), "holds an allocation of 1125899906842624 bytes"
      ),
    ])
  func `that are not as PyTorch writes them are refused in a sentence`(
    value: PickledValue, words: String
  ) throws {
    let pickle = try Pickle(PickleWriter.bytes(of: value))
    let fault = try #require(throws: RecordingFault.self) {
      try CUDASnapshot(pickle).stream(ofDevice: 0)
    }
    #expect(fault.sentence.contains(words), "\(fault.sentence)")
  }

  /// Mutations of good pickles: each is read, or ends in a sentence.
  @Test func `that somebody changed end in figures or in a sentence`() throws {
    var mutator = ByteMutator(
      ["alloc", "free_completed", "segment_free", "oom", "\u{80}\u{4}", "]", "(", "e", "u", "}"],
      stream: 7)
    let samples = try [2, 3, 4, 5].map {
      try bytes(ofBase64: try #require(PickleSamples.snapshots[$0]))
    }
    var read = 0
    for index in 0..<max(1000, ByteMutator.count / 10) {
      do throws(RecordingFault) {
        let snapshot = try CUDASnapshot(Pickle(mutator.mutate(samples[index % 4])))
        for device in snapshot.devices.prefix(3) {
          let stream = try snapshot.stream(ofDevice: device)
          let answer = AllocatorAnswer(stream, device: DeviceMemory(total: 1 << 30, held: 0))
          _ = answer.text(title: "s")
          _ = answer.json(file: "s", kind: "snapshot", device: device)
          read += 1
        }
      } catch {
        #expect(isSentence(error), "\(error.sentence)")
      }
    }
    #expect(read > 50, "some changes leave a snapshot that can be read")
  }

  @Test func `and recordings that somebody changed, too`() throws {
    var mutator = ByteMutator(
      ["null", "-1", "0", "1e9", "9223372036854775807", "[", "]", "{", "}", "\"", "4"], stream: 8)
    for _ in 0..<max(1000, ByteMutator.count / 10) {
      let bytes = mutator.mutate(Array(RecordingSamples.text.utf8))
      guard let json = try? JSONParser.parse(bytes) else { continue }
      do throws(RecordingFault) {
        _ = AllocatorAnswer(try Recording(json).memoryStream).text(title: "r")
      } catch {
        #expect(isSentence(error), "\(error.sentence)")
      }
    }
  }
}
