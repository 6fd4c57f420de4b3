import CUDAAllocator
import Files
import Foundation
import Ledger
import RecordedSteps
import Recordings
import Reporting
import Retention
import Tensors
import TestSupport
import Testing

extension RecordedSample {
  /// The recording, through the format of its file.
  fileprivate func recording(device: String) throws -> Recording {
    try Recording(JSONParser.parse(Array(text(device: device).utf8)))
  }
}

@Suite struct `A recorded step` {
  /// Two weights of 1,000 bytes; forward keeps 3,000 and holds 5,000 for a moment; backward makes a
  /// gradient; the optimizer two moments.
  private static let sample = RecordedSample(
    tensors: [
      .init(1000, "parameter"), .init(1000, "parameter"),
      .init(3000, "activation", isKept: true, regions: [2000, 1000, 0, 0, 0], layer: 0),
      .init(5000, "temporary"), .init(1000, "gradient", layer: 0),
      .init(1000, "optimizer-state"), .init(1000, "optimizer-state"),
    ],
    events: [0, 1, 2, 3, -4, 4, -3, 5, 6, -5],
    phases: [("model", 0), ("forward", 2), ("backward", 5), ("optimizer", 7)], boundary: 5)

  @Test func `of a GPU counts blocks of 512 bytes, by phase`() throws {
    let step = RecordedStep(try Self.sample.recording(device: "cuda"))
    #expect(step.phases.map(\.allocated) == [2048, 2048 + 3072 + 5120, 2048 + 3072 + 1024, 5120])
    #expect(step.phases.map(\.allocatedAtEnd) == [2048, 5120, 3072, 4096])
    #expect(step.phases.map(\.reserved) == [2 << 20, 2 << 20, 2 << 20, 2 << 20])
    #expect(step.peakAllocated == 10240 && step.peakEvent == 3)
    #expect(step.reserved?.least == 2 << 20 && step.reserved?.most == 2 << 20)
    #expect(step.retained == RegionBytes(prefix: 2000, generated: 1000) && step.kept == [2])
    #expect(
      step.standing == [
        .parameter: 2000, .activation: 3000, .temporary: 5000, .gradient: 1000,
        .optimizerState: 2000,
      ])
  }

  @Test func `of a CPU counts the bytes themselves, and nothing is reserved`() throws {
    let step = RecordedStep(try Self.sample.recording(device: "cpu"))
    #expect(step.phases.map(\.allocated) == [2000, 10000, 6000, 5000])
    #expect(step.reserved == nil && step.phases.allSatisfy { $0.reserved == nil })
    #expect(try step.record().peakReservedBytes == nil)
  }

  @Test func `is a row of points, with its ledger`() throws {
    let step = RecordedStep(try Self.sample.recording(device: "cuda"))
    let record = try step.record()
    #expect(record.status == .ok && record.point.nC == 64 && record.point.dtype == .bfloat16)
    #expect(record.point.modelName == "tiny" && record.version.contains("torch 2.13.0"))
    #expect(record.retained?.total == 3000 && record.savedTensors == 1)
    #expect(record.parameterBytes == 2000 && record.gradientBytes == 1000)
    #expect(record.optimizerBytes == 2000 && record.peakAllocatedBytes == 10240)
    #expect(record.peakAllocatedForwardBytes == 10240)
    #expect(record.peakAllocatedBackwardBytes == 6144)
    #expect(record.peakAllocatedOptimizerBytes == 5120 && record.peakReservedBytes == 2 << 20)
    let rows = step.ledger(of: record)
    #expect(rows.map(\.requestedBytes) == [3000] && rows[0].layer == 0)
    #expect(rows[0].op == "q_proj" && rows[0].tensor == "MmBackward0.self")
    let line = CSV.line(of: record)
    let read = try PointRecord(row: line, of: record.point)
    #expect(CSV.line(of: read) == line)
  }

  @Test func `that does not fit is an answer`() throws {
    let recording = try Self.sample.recording(device: "cuda")
    let step = RecordedStep(recording, device: DeviceMemory(total: 1 << 20))
    #expect(try step.record().status == .outOfMemory)
    #expect(try step.record().peakAllocatedBytes == 10240)
    #expect(step.verdict.first?.hasPrefix("it does not fit: in model of the first step, ") ?? false)
    #expect(RecordedStep(recording, device: DeviceMemory(total: 2 << 20)).verdict.isEmpty)
  }

  @Test func `with a value that no axis has is refused`() throws {
    var sample = Self.sample
    sample.point = #"{"n_c": "many"}"#
    let step = RecordedStep(try sample.recording(device: "cuda"))
    #expect(throws: RecordingFault.self) { try step.record() }
  }

  @Test(arguments: randomCases(24)) func `of random events is the naive sum`(
    _ seed: Int
  ) throws {
    let sample = RecordedSample.random(UInt64(seed))
    let step = RecordedStep(try sample.recording(device: "cpu"))
    let naive = sample.naivePeaks
    #expect(step.phases.map(\.allocated) == naive)
    #expect(step.peakAllocated == naive.max())
    let alive = step.alive(after: step.peakEvent).reduce(0) { $0 + sample.tensors[$1].bytes }
    #expect(alive == step.peakAllocated)
    for key in RecordedKey.allCases where key != .phase {
      let last = try #require(step.totals(by: key).split(separator: "\n").last)
      #expect(last.hasPrefix("together") && last.contains(" \(alive) B"))
    }
    // In blocks the peak is that of what an allocator is asked for.
    let blocks = RecordedStep(try sample.recording(device: "cuda"))
    let answer = AllocatorAnswer(blocks.recording.memoryStream)
    #expect(blocks.peakAllocated == answer.own.statistics.allocated.peak)
    #expect(blocks.reserved?.most == answer.own.range.most)
    #expect(blocks.peakEvent == answer.peakEvent)
  }

  @Test(arguments: randomCases(12)) func `is a snapshot that reads back as the same step`(
    _ seed: Int
  ) throws {
    let sample = RecordedSample.random(UInt64(seed))
    let step = RecordedStep(try sample.recording(device: "cuda"))
    let snapshot = try CUDASnapshot(Pickle(step.snapshot))
    let stream = try snapshot.stream(ofDevice: 0)
    let run = try #require(stream.run)
    let answer = AllocatorAnswer(stream)
    #expect(answer.own.statistics.allocated.peak == step.peakAllocated)
    #expect(run.reservedPeak == step.phases.compactMap(\.reserved).max())
    #expect(answer.agreements.contains { $0.equal == $0.allocations })
  }

  @Test(arguments: randomCases(12)) func `is a timeline whose slices close`(
    _ seed: Int
  ) throws {
    let sample = RecordedSample.random(UInt64(seed))
    let step = RecordedStep(try sample.recording(device: "cpu"))
    let json = try JSONSerialization.jsonObject(with: Data(step.timeline.utf8))
    let events = try #require((json as? [String: Any])?["traceEvents"] as? [[String: Any]])
    var depth = 0
    var most = 0
    for event in events {
      switch event["ph"] as? String {
      case "B": depth += 1
      case "E": depth -= 1
      case "C" where event["name"] as? String == "held":
        let values = try #require(event["args"] as? [String: Int])
        most = max(most, values.values.reduce(0, +))
      default: break
      }
      #expect(depth >= 0)
    }
    #expect(depth == 0 && most == step.peakAllocated)
  }
}
