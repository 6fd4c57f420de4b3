import CUDAAllocator
import Files
import Ledger
import RecordedLaws
import Recordings
import TestSupport
import Testing

extension LawSample {
  fileprivate func recording() throws -> Recording {
    try Recording(JSONParser.parse(Array(text.utf8)))
  }
}

@Suite struct `Laws of a recorded step` {
  private func laws(_ sample: LawSample = LawSample()) throws -> RecordedLaws {
    try #require(try RecordedLaws(sample.recording()))
  }

  private func numbers(_ recording: Recording) -> [Int] {
    recording.events.map { event in
      switch event {
      case .allocate(let tensor): tensor
      case .release(let tensor): -tensor - 1
      }
    }
  }

  @Test func `are nil where a file has none`() throws {
    #expect(try RecordedLaws(LawSample { $0.hasLaws = false }.recording()) == nil)
  }

  @Test func `give the file's own step at its own lengths`() throws {
    let laws = try laws()
    let own = try LawSample { $0.hasLaws = false }.recording()
    let given = try laws.recording(at: laws.own)
    #expect(laws.own == StepLengths(nC: 4, nG: 2) && laws.madeFrom.map(\.nC) == [2, 3])
    #expect(given.events == own.events && given.tensors == own.tensors)
    #expect(given.tables == own.tables && given.phases == own.phases)
    #expect(given.boundaries == own.boundaries && given.point == own.point)
    #expect(given.laws == nil)
  }

  @Test func `give the step at other lengths`() throws {
    let given = try laws().recording(at: StepLengths(nC: 8, nG: 3))
    // Block 1 takes a temporary now, 5.
    #expect(
      numbers(given) == [0, 1, 2, 3, -4, 4, -5, 5, 6, -6, 7, 8, -8, -2, -3, -7])
    #expect(given.tensors.bytes == [1000, 1100, 1100, 512, 1024, 512, 1100, 256, 2048])
    #expect(given.tensors.stream == [0, 0, 3, 3, 0, 2, 2, 2, 2])
    #expect(given.phases.map(\.firstEvent) == [0, 1, 13] && given.boundaries == [13])
    #expect(given.point == ["n_c": "8", "n_g": "3"])
    let activation = given.tensor(6)
    #expect(activation.shape == [11, 50] && activation.isKept)
    #expect(activation.regions == RegionBytes(prefix: 800, generated: 300))
    let temporary = given.tensor(4)
    #expect(temporary.role == .temporary && temporary.dtype.isEmpty && temporary.shape.isEmpty)
    #expect(temporary.op == "aten::mm" && temporary.layer == 0 && !temporary.isKept)
    #expect(temporary.regions == RegionBytes(shared: 1024))
  }

  @Test func `take nothing where a take is of no bytes`() throws {
    let given = try laws().recording(at: StepLengths(nC: 0, nG: 3))
    #expect(given.tensors.bytes == [1000, 300, 300, 512, 300, 256, 2048])
    #expect(numbers(given) == [0, 1, 2, 3, 4, -4, 5, 6, -6, -2, -3, -5])
  }

  @Test(arguments: randomCases(24)) func `give streams and peaks that are those of the recording`(
    _ seed: Int
  ) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let lengths = StepLengths(
      nC: Int.random(in: 0...500, using: &random), nG: Int.random(in: 3...500, using: &random))
    let step = try laws().step(at: lengths)
    let recording = try step.recording()
    let own = AllocatorReplay(step.requests, with: CachingAllocator())
    let other = AllocatorReplay(recording.requests, with: CachingAllocator())
    #expect(own.allocator.statistics == other.allocator.statistics)
    var (now, most) = (0, 0)
    for event in recording.events {
      switch event {
      case .allocate(let tensor): now += (recording.tensors.bytes[tensor] + 511) / 512 * 512
      case .release(let tensor): now -= (recording.tensors.bytes[tensor] + 511) / 512 * 512
      }
      most = max(most, now)
    }
    #expect(step.leastPeak == most)
    #expect(most <= own.allocator.statistics.allocated.peak)
  }

  @Test(arguments: [
    (1, 1, OutsideLaws.Border.laws, "hold from 3 to 1,000"),
    (999, 2, .laws, "1,001 tokens, and its laws hold from"),
    (-1, 5, .laws, "0 or more"),
    (.max, 5, .laws, "hold from 3 to 1,000"),
  ]) func `end where they do`(
    _ nC: Int, _ nG: Int, _ border: OutsideLaws.Border, _ words: String
  ) throws {
    let laws = try laws()
    let error = #expect(throws: OutsideLaws.self) {
      try laws.recording(at: StepLengths(nC: nC, nG: nG))
    }
    #expect(error?.border == border && error?.sentence.contains(words) == true)
    #expect(error?.sentence.contains("ballast-probe fit") == true)
  }

  @Test func `end at positions, multiples and what is no variable`() throws {
    let laws = try laws(
      LawSample {
        $0.multiple = 3
        $0.mostTokens = "60"
      })
    func border(_ nC: Int, _ nG: Int, _ batch: Int = 1) -> OutsideLaws.Border? {
      do throws(OutsideLaws) {
        _ = try laws.step(at: StepLengths(nC: nC, nG: nG, batch: batch))
      } catch { return error.border }
      return nil
    }
    #expect(border(58, 2) == nil && border(59, 2) == .positions && border(57, 2) == .laws)
    #expect(border(4, 2, 2) == .fixed)
  }

  @Test func `end where a value cannot be, and where no variant holds`() throws {
    // Temporaries of 64 n_c // (n_c - 9): none at 9, less than none below.
    let laws = try laws(
      LawSample {
        $0.values =
          LawSample.values().dropLast()
          + #", 9, ["-", 1, 17], ["<", 18, 7], ["//", 8, 18]]"#
        $0.launches = $0.launches.replacing(
          #"{"when": [], "steps": [9]}"#,
          with: #"{"when": [[19, 1]], "steps": [9]}, {"when": [[13, 0]], "steps": [20]}"#)
      })
    #expect(throws: Never.self) { try laws.step(at: StepLengths(nC: 10, nG: 2)) }
    #expect(throws: OutsideLaws.self) { try laws.step(at: StepLengths(nC: 9, nG: 2)) }
  }

  @Test(arguments: [
    ("law", LawSample { $0.law = "[0]" }), ("law", LawSample { $0.law = "[1,0,0,0,0,0,0,0]" }),
    ("own step", LawSample { $0.law = "[0, 0, 0, -1, -1, 0, -1, -1]" }),
    (
      "own step",
      LawSample {
        let nothing = #"[{"when": [], "steps": []}]"#
        $0.launches = "[\(nothing), \(nothing), \(nothing)]"
      }
    ),
    (
      "own step",
      LawSample { $0.tensors = $0.tensors.replacing("[5, 6, 7, 7]", with: "[6, 5, 7, 7]") }
    ),
    ("earlier", LawSample { $0.values = #"["n_c", ["+", 0, 1]]"# }),
    ("earlier", LawSample { $0.values = #"["n_c", ["bits", 0, 0]]"# }),
    ("operation", LawSample { $0.values = #"["n_c", ["**", 0, 0]]"# }),
    ("operation", LawSample { $0.values = "[[]]" }),
    ("operation", LawSample { $0.values = "[true]" }),
    ("do not go by", LawSample { $0.values = #"["batch"]"# }),
    ("n_cc", LawSample { $0.values = #"["n_cc"]"# }),
    ("tokens", LawSample { $0.tokens = "[7, 6]" }),
    ("own lengths", LawSample { $0.tokens = "[7, 9]" }),
    ("multiple", LawSample { $0.multiple = 0 }),
    ("releases it again", LawSample { $0.launches = Self.launch("9, -1, -1") }),
    ("take", LawSample { $0.launches = Self.launch("9, -2") }),
    ("take", LawSample { $0.launches = Self.launch(#""outputs", "outputs""#) }),
    ("take", LawSample { $0.launches = Self.launch("-9223372036854775808") }),
    ("takes at the most", LawSample { $0.launches = Self.launch(Self.manyTakes) }),
    ("pairs", LawSample { $0.launches = #"[[{"when": [[0, 2]], "steps": []}]]"# }),
    ("variants", LawSample { $0.launches = "[0]" }), ("launch", LawSample { $0.launches = "[]" }),
    ("entries", LawSample { $0.blocks = $0.blocks.replacing("[3, 0, 6]", with: "[3, 0]") }),
    ("block 1", LawSample { $0.blocks = $0.blocks.replacing("[2, 5, 5]", with: "[2, 4, 5]") }),
    ("block 2", LawSample { $0.blocks = $0.blocks.replacing("0, 6]", with: "0, 14]") }),
    ("backward begins", LawSample { $0.blocks = $0.blocks.replacing("0, 6]", with: "0, 7]") }),
    ("temporary", LawSample { $0.blocks = $0.blocks.replacing("[3, 0,", with: "[2, 0,") }),
    ("object", LawSample { $0.blocks = "3" }),
  ]) func `that cannot be are refused`(_ words: String, _ sample: LawSample) throws {
    let fault = #expect(throws: RecordingFault.self) { try RecordedLaws(sample.recording()) }
    #expect(fault?.sentence.contains(words) == true, "\(fault?.sentence ?? "")")
  }

  private static func launch(_ steps: String) -> String {
    #"[[{"when": [], "steps": [\#(steps)]}]]"#
  }

  private static let manyTakes = Array(repeating: "9", count: 257).joined(separator: ", ")
}

@Suite struct `A value of a law` {
  typealias Operation = LawValue.Operation

  /// Python's own answers.
  @Test(
    arguments: [
      (Operation.divide, -7, 2, -4), (.divide, 7, -2, -4), (.divide, -8, 2, -4), (.divide, 7, 2, 3),
      (.remainder, -7, 2, 1), (.remainder, 7, -2, -1), (.remainder, -8, 2, 0),
      (.remainder, 7, 2, 1),
      (.shift, 3, 4, 48), (.shift, -3, 1, -6), (.shift, 1, 62, 1 << 62), (.shift, 2, 62, nil),
      (.shift, 1, 63, nil),
      (.shift, 1, -1, nil), (.shift, 1, 61, 1 << 61), (.divide, 1, 0, nil), (.remainder, 1, 0, nil),
      (.divide, .min, -1, nil), (.remainder, .min, -1, nil), (.add, .max, 1, nil),
      (.subtract, .min, 1, nil), (.multiply, .max, 2, nil), (.least, 2, -3, -3), (.most, 2, -3, 2),
      (.isLess, 2, 3, 1), (.isLess, 3, 3, 0), (.isAtMost, 3, 3, 1), (.isEqual, 3, 3, 1),
      (.isEqual, 3, 2, 0),
    ] as [(Operation, Int, Int, Int?)]) func `is as Python computes it`(
      _ operation: Operation, _ left: Int, _ right: Int, _ wanted: Int?
    )
  {
    #expect(operation(left, right) == wanted)
  }

  @Test func `has as many bits as Python's integer`() {
    let values: [LawValue] = [
      .constant(0), .bits(0), .constant(-8), .bits(2), .constant(7), .bits(4), .constant(.min),
      .bits(6), .binary(.divide, 4, 0), .bits(8),
    ]
    let numbers = LawValue.evaluated(values, at: StepLengths(nC: 1, nG: 1))
    #expect([numbers[1], numbers[3], numbers[5], numbers[7], numbers[9]] == [0, 4, 3, 64, nil])
  }
}
