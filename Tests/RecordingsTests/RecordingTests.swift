import CUDAAllocator
import Files
import Ledger
import Recordings
import TestSupport
import Testing

@Suite struct `Recordings` {
  @Test func `are read with all that they say`() throws {
    let recording = try RecordingSamples.read()
    #expect(recording.made.by["torch"] == "2.13.0+cpu" && recording.call.options["n_c"] == "64")
    #expect(recording.point["dtype"] == "bfloat16" && recording.device == .cuda)
    #expect(recording.gpu?.multiprocessors == 132 && recording.model.configuration == nil)
    #expect(
      recording.notModelled.map(\.op) == ["aten::sort"] && recording.notModelled[0].calls == 3)
    #expect(recording.tensors.count == 5 && recording.boundaries == [5])
    #expect(recording.events.prefix(2) == [.allocate(0), .allocate(1)])
    #expect(recording.events.last == .release(2))
    let tensor = recording.tensor(2)
    #expect(tensor.op == "aten::mm" && tensor.layer == 0 && tensor.role == .activation)
    #expect(tensor.regions == RegionBytes(prefix: 400_000, generated: 124_288) && tensor.isKept)
    #expect(tensor.shape == [64, 4096] && recording.tensor(0).layer == nil)
    #expect(recording.phase(ofEvent: 4)?.phase == .forward)
    #expect(recording.phase(ofEvent: 5)?.phase == .backward && recording.end(ofPhase: 2) == 7)
  }

  @Test func `are streams that an allocator takes`() throws {
    let stream = try RecordingSamples.read().memoryStream
    let answer = AllocatorAnswer(stream)
    #expect(answer.own.statistics.allocated.peak == 4 << 19)
    #expect(answer.own.statistics.reserved.peak == 2 << 20 && answer.peakEvent == 5)
    #expect(answer.held.reduce(0) { $0 + $1.total } == 4 << 19)
    #expect(answer.held.first?.maker.op == "" && answer.held.first?.count == 2)
    #expect(stream.notes.first?.contains("aten::sort (3)") ?? false)
    let text = answer.text(title: "r", moment: "backward of step 0")
    #expect(
      text.contains("after event 6 of 7 (backward of step 0), 2.00 MiB are held in 4 tensors"))
  }

  @Test func `keep the blocks of each CUDA stream apart`() throws {
    let text = RecordingSamples.text.replacing(
      "\"kept\": [0", with: "\"stream\": [0, 0, 3, 3, 0], \"kept\": [0")
    let stream = try RecordingSamples.read(text).memoryStream
    let answer = AllocatorAnswer(stream)
    #expect(answer.own.statistics.allocated.peak == 4 << 19)
    #expect(answer.own.statistics.reserved.peak == 4 << 20)
  }

  /// A change of one place, and the words of what is wrong then.
  @Test(
    arguments: [
      ("\"version\": 1", "\"version\": 2", "is a recording of version 2"),
      ("ballast-recording", "other", "\"format\" must be"),
      ("\"rank\": 0", "\"rank\": 1", "\"rank\" must be a whole number from 0 to 0, not 1"),
      ("\"device\": \"cuda\"", "\"device\": \"tpu\"", "\"device\" is \"tpu\""),
      ("\"bytes\": [524288", "\"bytes\": [0", "\"tensors.bytes[0]\" must be a whole number from 1"),
      ("\"bytes\": [524288", "\"bytes\": [524289", "tensor 0 has 524289 bytes, and its regions 52"),
      (
        "\"op\": [0, 0, 1", "\"op\": [0, 0, 2",
        "\"tensors.op[2]\" must be a whole number from 0 to 1"
      ),
      ("\"kept\": [0, 0, 1, 0, 0]", "\"kept\": [0, 0, 1, 0]", "has 4 entries"),
      ("\"kept\": [0", "\"stream\": [0], \"kept\": [0", "\"tensors.stream\" has 1 entries"),
      ("\"layer\": [-1", "\"layer\": [-2", "\"tensors.layer[0]\""),
      ("\"roles\": [\"parameter\"", "\"roles\": [\"parametre\"", "did you mean \"parameter\""),
      (
        "\"regions\": [[0, 0, 0, 524288, 0]", "\"regions\": [[0, 0, 0, 524288]", "prefix, generated"
      ),
      ("\"events\": [0, 1, 2", "\"events\": [0, 2, 1", "allocates tensor 2; the next one is 1"),
      ("3, -4, 4, -3]", "3, -4, 4, -4]", "releases tensor 3, which is not allocated then"),
      ("3, -4, 4, -3]", "3, -4, -3]", "allocates 4 tensors, and \"tensors\" lists 5"),
      ("3, -4, 4, -3]", "3, -6, 4, -3]", "must be a whole number from -5"),
      ("\"first_event\": 5", "\"first_event\": 1", "\"phases[2].first_event\""),
      ("\"first_event\": 5", "\"first_event\": 8", "\"phases[2].first_event\""),
      ("\"name\": \"forward\"", "\"name\": \"fwd\"", "\"phases[1].name\" is \"fwd\""),
      ("\"boundaries\": [5]", "\"boundaries\": [5, 5]", "\"boundaries\" must ascend"),
      ("\"boundaries\": [5]", "\"boundaries\": [9]", "\"boundaries[0]\""),
      ("\"compute_capability\": \"9.0\"", "\"compute_capability\": \"nine\"", "two numbers"),
      ("\"ranks\": 1,", "", "\"ranks\" is missing"),
      ("\"made\": {", "\"made\": 5, \"m\": {", "\"made\""),
    ])
  func `that cannot be are refused in a sentence`(old: String, new: String, words: String) throws {
    #expect(RecordingSamples.text.contains(old))
    let text = RecordingSamples.text.replacing(old, with: new, maxReplacements: 1)
    let json = try JSONParser.parse(Array(text.utf8))
    let fault = try #require(throws: RecordingFault.self) { try Recording(json) }
    #expect(fault.sentence.contains(words), "\(fault.sentence)")
  }

  @Test func `are packed by gzip, in whole`() throws {
    let folder = try Folder()
    let packed = try bytes(ofBase64: PickleSamples.packed)
    #expect(try Gzip.unpacked(packed, most: 8) == Array("{\"a\": 1}".utf8))
    let large = try #require(throws: RecordingFault.self) { try Gzip.unpacked(packed, most: 7) }
    #expect(large.sentence.hasPrefix("unpacks to more than"))
    for end in 2..<packed.count where end != 26 {
      let cut = Array(packed[..<end])
      #expect(throws: RecordingFault.self, "\(end)") { try Gzip.unpacked(cut, most: 8) }
    }
    var broken = packed
    broken[14] ^= 0xff
    #expect(throws: RecordingFault.self) { try Gzip.unpacked(broken, most: 1 << 20) }
    let path = try folder.add("r.json", RecordingSamples.text)
    #expect(try RecordedFile.recording(path).tensors.count == 5)
  }

  @Test(
    arguments: [
      ("", "is empty"), ("PK\u{3}\u{4}", "is a ZIP file"), ("hello", "is neither a recording nor"),
      ("{", "is not a JSON file that can be read"), ("[1]", "is neither a recording nor"),
      ("{\"format\": 1}", "\"format\" must be a text"), ("{}", "\"pre\" is missing"),
      ("version https://git-lfs.github.com/spec/v1", "is a Git LFS pointer"),
    ])
  func `that are something else are refused in a sentence`(text: String, words: String) throws {
    let folder = try Folder()
    let path = try folder.add("f", text)
    let error = try #require(throws: FileError.self) { try RecordedFile(path) }
    #expect(
      error.description.hasPrefix("\(path): ") && error.description.contains(words), "\(error)")
    #expect(throws: FileError.self) { try RecordedFile(path + "-missing") }
    #expect(throws: FileError.self) { try RecordedFile(folder.path) }
  }

  @Test func `keep a GPU of the user's own apart from a mistake`() throws {
    let folder = try Folder()
    let gpu = "{\"name\": \"mine\", \"memory_bytes\": 1073741824, \"multiprocessors\": 8, "
    let rest =
      "\"threads_per_multiprocessor\": 1024, \"compute_capability\": \"7.5\", "
      + "\"context_bytes\": 1000, \"cublas_workspace_bytes\": 8519680}"
    #expect(try GPU.given(folder.add("a.json", gpu + rest)).memoryBytes == 1 << 30)
    #expect(try GPU.given("h100").multiprocessors == 132)
    let slip = try folder.add("b.json", gpu + "\"context_byte\": 1, " + rest)
    let error = try #require(throws: FileError.self) { try GPU.given(slip) }
    #expect(error.description.contains("unknown key \"context_byte\"; did you mean"))
    #expect(throws: (any Error).self) { try GPU.given("h10") }
  }
}
