import Recordings
import Testing

@Suite struct `Pickles` {
  @Test(arguments: [2, 3, 4, 5])
  func `of Python's protocols are plain values`(version: Int) throws {
    let pickle = try Pickle(bytes(ofBase64: try #require(PickleSamples.snapshots[version])))
    let root = pickle.root
    let segments = try #require(pickle.member("segments", of: root))
    #expect(pickle.count(segments) == 1)
    let segment = try #require(pickle.item(0, of: segments))
    #expect(pickle.member("address", of: segment).flatMap(pickle.integer) == 1 << 40)
    #expect(pickle.member("segment_type", of: segment).flatMap(pickle.text) == "large")
    #expect(pickle.member("is_expandable", of: segment).flatMap(pickle.flag) == false)
    #expect(pickle.member("missing", of: segment) == nil)
    let odd = try #require(pickle.member("odd", of: root))
    let values = (0..<(pickle.count(odd) ?? 0)).compactMap { pickle.item($0, of: odd) }
    let kinds = values.map { pickle.kind($0) }
    #expect(
      kinds.starts(with: [
        "None", "True", "-1", "255", "70000", "-2147483648", "1099511627776",
        "-4611686018427387904", "a number beyond 64 bits", "1.5",
      ]))
    #expect(values.contains { pickle.text($0) == "é\u{2028}" })
    #expect(kinds.filter { $0 == "a list" }.count == 2, "tuples are lists")
  }

  @Test(arguments: PickleSamples.refused)
  func `with anything else are refused by its name`(text: String, words: String) throws {
    let pickle = try bytes(ofBase64: text)
    let fault = try #require(throws: RecordingFault.self) { try Pickle(pickle) }
    #expect(fault.sentence.contains(words), "\(fault.sentence)")
    #expect(fault.sentence.contains("nothing in it was run") && isSentence(fault))
  }

  @Test func `that are cut off anywhere end in a sentence`() throws {
    let whole = try bytes(ofBase64: try #require(PickleSamples.snapshots[4]))
    for end in whole.indices {
      let fault = #expect(throws: RecordingFault.self) { try Pickle(Array(whole[..<end])) }
      #expect(fault.map(isSentence) ?? false)
    }
    #expect(throws: RecordingFault.self) { try Pickle(whole + [0x2e]) }
  }

  /// What a writer of Python's never makes, and what must not take memory, time or the stack.
  @Test(
    arguments: [
      ("no mark", [0x80, 2, 0x65, 0x2e]), ("nothing below", [0x80, 2, 0x85, 0x2e]),
      ("below the mark", [0x80, 2, 0x4e, 0x28, 0x86, 0x2e]),
      ("a memo far off", [0x80, 2, 0x4e, 0x72, 0xff, 0xff, 0xff, 0x7f, 0x2e]),
      ("never noted", [0x80, 2, 0x68, 9, 0x2e]), ("two values", [0x80, 2, 0x4e, 0x4e, 0x2e]),
      ("a huge text", [0x80, 4, 0x8d, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x2e]),
      ("an instruction of protocol 0", [0x80, 2, 0x49, 0x31, 0x0a, 0x2e]),
      ("a key alone", [0x80, 2, 0x7d, 0x28, 0x4e, 0x75, 0x2e]),
      ("items of a number", [0x80, 2, 0x4b, 1, 0x4e, 0x61, 0x2e]), ("protocol 6", [0x80, 6, 0x2e]),
      ("nothing", []), ("protocol 0", [0x28, 0x6c, 0x70, 0x30, 0x0a, 0x2e]),
    ] as [(String, [UInt8])])
  func `that no writer makes end in a sentence`(what: String, bytes: [UInt8]) {
    let fault = #expect(throws: RecordingFault.self, "\(what)") { try Pickle(bytes) }
    #expect(fault.map(isSentence) ?? false)
  }

  @Test func `nested a million deep, and holding themselves, are read`() throws {
    let deep =
      [0x80, 2] + [UInt8](repeating: 0x5d, count: 1 << 20)
      + [UInt8](repeating: 0x61, count: (1 << 20) - 1) + [0x2e]
    #expect(try Pickle(deep).count(Pickle(deep).root) == 1)
    // l = []; l.append(l)
    let own = try Pickle([0x80, 2, 0x5d, 0x71, 0, 0x68, 0, 0x61, 0x2e])
    #expect(own.item(0, of: own.root) == own.root)
  }
}
