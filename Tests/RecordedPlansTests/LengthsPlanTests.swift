import CUDAAllocator
import Files
import RecordedLaws
import RecordedPlans
import Recordings
import Reporting
import TestSupport
import Testing

@Suite struct `Samples of a data set` {
  /// Three activations of 100 kB a token, 1,000 tokens at the most.
  private static let large = LawSample { $0.unit = 100_000 }

  private func plan(_ text: String, _ memory: Int) throws -> LengthsPlan {
    let folder = try Folder()
    let file = try LengthsFile(folder.add("samples.csv", text))
    let recording = try Recording(JSONParser.parse(Array(Self.large.text.utf8)))
    return try LengthsPlan(
      file,
      RecordedPlan.Question(
        file: "step.json", recording: recording,
        devices: [(recording.gpu, DeviceMemory(total: memory))]))
  }

  private func answer(_ plan: LengthsPlan) throws -> [String: JSON] {
    let json = try JSONParser.parse(Array(plan.json.utf8))
    guard case .object(let members) = json else { throw RecordingFault("no object") }
    return members
  }

  @Test(arguments: [
    "10,2\n20\n\n30 4\n", "n_c,n_g\r\n10,2\r\n20\r\n30,4\r\n",
    "n_c,n_g,id\n10,2,a b\n20\n30,4,c", "n_c n_g\n 10\t2\n20\n30 4",
    "\"10\",\"2\"\r\n\"20\"\r\n\"30\" , \"4\"\r\n",
    "n_c,n_g,\"a text\"\n10,2,\"one, \"\"two\"\"\nthree\"\n20\n30,4,\"\"",
  ]) func `are read from lines of either kind`(_ text: String) throws {
    let folder = try Folder()
    let samples = try LengthsFile(folder.add("samples.csv", text)).samples
    #expect(samples.map(\.nC) == [10, 20, 30] && samples.map(\.nG) == [2, nil, 4])
  }

  @Test(arguments: [
    ("10,2\n3,x", "line 2, \"3,x\""), ("10,2,3", "line 1"), ("-1,2", "line 1"), ("1.5", "line 1"),
    ("n_c,n_g\n,3", "line 2"), ("", "no lengths"), ("n_c\n\n", "no lengths"),
    ("n_g\n3", "line 1"), ("10,2\n20,", "line 2"), ("20,", "an empty n_g"),
    ("n_c,n_g\n20,", "line 2"), ("n_c,t,n_g\n1,\"a\nb\",2\n1,,", "line 4"),
    ("10,2\n3,\"4", "line 2 has a quote"), ("\"1,024\",2", "line 1"),
    ("99999999999999999999", "line 1"),
  ]) func `that are none are refused by their line`(_ text: String, _ words: String) throws {
    let folder = try Folder()
    let path = try folder.add("samples.csv", text)
    let error = #expect(throws: FileError.self) { try LengthsFile(path) }
    #expect(error.map { "\($0)" }?.contains(words) == true)
  }

  @Test func `are counted, and those that do not fit are named`() throws {
    // 3 · 100 kB · tokens: 300 tokens are 90 MB, 500 are 150 MB.
    let plan = try plan("10,2\n498,2\n10,2\n298\n0,1\n400 100\n", 128 << 20)
    let members = try answer(plan)
    #expect(!plan.fits && members["fits"] == .bool(false))
    #expect(members["samples"] == .integer(6) && members["samples_without_laws"] == .integer(0))
    #expect(members["samples_shorter_than_laws"] == .integer(1))
    #expect(members["different_lengths"] == .integer(5))
    #expect(members["samples_that_do_not_fit"] == .integer(2))
    #expect(members["longest_line"] == .integer(4) && members["longest_n_c"] == .integer(298))
    #expect(members["peak_allocated_line"] == .integer(4))
    #expect(members["highest_peak_line"] == .integer(2))
    let laws = try RecordedLaws(
      Recording(JSONParser.parse(Array(Self.large.text.utf8))))
    let peak = try laws?.step(at: StepLengths(nC: 10, nG: 2)).leastPeak
    #expect(members["median_peak_bytes"] == peak.map { .integer($0) })
    #expect(plan.text.contains("line 2: n_c 498, n_g 2, batch 1"))
    #expect(plan.text.contains("1 of them is shorter than where laws begin"))
  }

  /// The shortest step that is known takes 3 · 100 kB a token of its own.
  @Test func `shorter ones than laws know are judged as the shortest`() throws {
    let laws = try #require(
      try RecordedLaws(Recording(JSONParser.parse(Array(Self.large.text.utf8)))))
    let least = laws.tokens.lowerBound
    let plan = try plan("0,1\n", 1 << 30)
    #expect(plan.fits)
    let peak = try laws.step(at: StepLengths(nC: least - 1, nG: 1)).leastPeak
    #expect(try answer(plan)["highest_peak_bytes"] == .integer(peak))
    #expect(try !self.plan("0,1\n", 1 << 10).fits)
  }

  @Test func `all fit where there is memory`() throws {
    let plan = try plan("10,2\n498,2\n", 1 << 30)
    #expect(plan.fits && plan.text.contains("every sample fits"))
    #expect(CSV.document(plan.records).split(whereSeparator: \.isNewline).count == 2)
  }
}
