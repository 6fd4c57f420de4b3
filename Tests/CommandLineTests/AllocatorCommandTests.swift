import Foundation
import TestSupport
import Testing
import Traces

/// `ballast allocator`, run as a user runs it.
@Suite struct AllocatorCommandTests {
  /// A snapshot of a run that took and returned 12 MiB, and holds 4.
  private static let snapshot: [UInt8] = {
    func event(_ action: String, _ address: Int, _ size: Int) -> PickledValue {
      .dictionary([
        ("action", .text(action)), ("addr", .integer((1 << 40) + address)),
        ("size", .integer(size)),
        ("stream", .integer(0)),
      ])
    }
    let blocks: [PickledValue] = [
      .dictionary([("size", .integer(4 << 20)), ("state", .text("active_allocated"))]),
      .dictionary([("size", .integer(16 << 20)), ("state", .text("inactive"))]),
    ]
    let segment = PickledValue.dictionary([
      ("device", .integer(0)), ("address", .integer(1 << 40)), ("segment_type", .text("large")),
      ("stream", .integer(0)), ("blocks", .list(blocks)),
    ])
    let trace = [
      event("segment_alloc", 0, 20 << 20), event("alloc", 0, 4 << 20),
      event("alloc", 4 << 20, 8 << 20), event("free_requested", 4 << 20, 8 << 20),
      event("free_completed", 4 << 20, 8 << 20),
    ]
    return PickleWriter.bytes(
      of: .dictionary([
        ("segments", .list([segment])), ("device_traces", .list([.list(trace)])),
      ]))
  }()

  @Test func `says what is held and what other settings would reserve`() throws {
    let folder = try Folder()
    let path = try folder.add("s.pickle", Self.snapshot)
    let result = try Program.run(["allocator", path, "--set", "expandable_segments:True"])
    #expect(result.status == 0 && result.errors.isEmpty)
    #expect(result.output.contains("after event 2 of 3, 12.00 MiB are held in 2 tensors"))
    #expect(result.output.contains("as much reserved after 2 of 2 allocations"))
    let json = try Program.run(["allocator", path, "--json", "-", "--gpu", "l4"])
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    let replayed = try #require(object["replayed"] as? [String: Any])
    #expect(replayed["peak_reserved"] as? Int == 20 << 20)
    #expect(object["device_bytes"] as? Int == 22_559 << 20)
    // A device that is too small is an answer.
    let small = try Program.run(["allocator", path, "--memory", "16MiB"])
    #expect(small.status == 0 && small.output.contains("Tried to allocate 20.00 MiB"))
  }

  @Test(
    arguments: [
      (["--set", "expandable_segment:True"], 64, "did you mean \"expandable_segments\""),
      (["--set", "garbage_collection_threshold:0.5"], 64, "give --gpu or --memory"),
      (["--gpu", "h1000"], 64, "did you mean \"h100\""), (["--memory", "80G"], 64, "write 80GiB"),
      (["--gpu", "none.json"], 1, "none.json: there is no such file"),
      (["--device", "4"], 1, "has nothing of device 4; it has of 0"),
      (["--format", "csv"], 64, "unknown format"),
    ] as [([String], Int32, String)])
  func `refuses what cannot be in a sentence`(
    options: [String], status: Int32, words: String
  ) throws {
    let folder = try Folder()
    let path = try folder.add("s.pickle", Self.snapshot)
    let result = try Program.run(["allocator", path] + options)
    #expect(result.status == status && result.output.isEmpty)
    #expect(result.sentence?.contains(words) ?? false, "\(result.errors)")
  }

  @Test func `runs nothing that a snapshot holds`() throws {
    let folder = try Folder()
    // posix.system("touch …"), as pickle.dumps writes an object whose __reduce__ says so
    let pickle =
      [0x80, 2] + Array("cposix\nsystem\n".utf8) + [0x58, 4, 0, 0, 0] + Array("true".utf8)
      + [0x85, 0x52, 0x2e]
    let path = try folder.add("evil.pickle", pickle)
    let result = try Program.run(["allocator", path])
    #expect(result.status == 1)
    #expect(result.sentence?.contains("holds the class \"posix.system\"") ?? false)
  }

  @Test func `a recording of another version of the recorder is read with a word`() throws {
    let sample = RecordedSample(
      tensors: [.init(2000, "parameter")], events: [0], phases: [("model", 0)], boundary: 1)
    let folder = try Folder()
    for (version, isNoted) in [("9.9", true), ("0.1.0", false)] {
      let text = sample.text().replacing(
        #""by": {"#, with: #""by": {"ballast-probe": "\#(version)", "#)
      let file = try folder.add("recording.json", text)
      for command in [["allocator", file], ["measure", "--recording", file]] {
        let result = try Program.run(command)
        #expect(result.status == 0)
        #expect(result.errors.contains("was recorded by ballast-probe 9.9") == isNoted)
      }
    }
  }
}
