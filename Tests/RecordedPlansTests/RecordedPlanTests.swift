import CUDAAllocator
import Files
import RecordedLaws
import RecordedPlans
import Recordings
import Reporting
import TestSupport
import Testing

@Suite struct `A plan of a recorded step` {
  private func plan(
    _ sample: LawSample, _ memories: [Int], given: [RecordedLaws.Variable: Int] = [:]
  ) throws -> RecordedPlan {
    let recording = try Recording(JSONParser.parse(Array(sample.text.utf8)))
    var question = RecordedPlan.Question(
      file: "step.json", recording: recording,
      devices: memories.map { (recording.gpu, DeviceMemory(total: $0, held: 1 << 20)) })
    question.given = given
    return try RecordedPlan(question)
  }

  /// The members of a plan's only answer.
  private func answer(_ plan: RecordedPlan) throws -> [String: JSON] {
    let json = try JSONParser.parse(Array(plan.json.utf8))
    guard case .object(let members) = json else { throw RecordingFault("no object") }
    return members
  }

  private func fits(_ sample: LawSample, _ nC: Int, _ memory: Int) throws -> Bool {
    let recording = try Recording(JSONParser.parse(Array(sample.text.utf8)))
    let laws = try #require(try RecordedLaws(recording))
    let requests = try laws.recording(at: StepLengths(nC: nC, nG: 2)).requests
    return AddressOrder.several.allSatisfy { order in
      let device = DeviceMemory(total: memory, held: 1 << 20)
      return AllocatorReplay(requests, with: CachingAllocator(device: device, order: order)).failure
        == nil
    }
  }

  @Test func `says whether a step of given lengths fits`() throws {
    let given: [RecordedLaws.Variable: Int] = [.nC: 298, .nG: 2, .batch: 1]
    for (memory, fits) in [(64 << 20, false), (200 << 20, true)] {
      let plan = try plan(Self.large, [memory], given: given)
      #expect(plan.fits == fits)
      let members = try answer(plan)
      #expect(members["solves"] == .null && members["shown_n_c"] == .integer(298))
      let recording = try Recording(JSONParser.parse(Array(Self.large.text.utf8)))
      let laws = try #require(try RecordedLaws(recording))
      let step = try laws.recording(at: StepLengths(nC: 298, nG: 2))
      let replay = AllocatorReplay(step.requests, with: CachingAllocator())
      #expect(
        members["peak_allocated_bytes"] == .integer(replay.allocator.statistics.allocated.peak))
      #expect(plan.text.contains(fits ? "this step fits" : "this step does not fit"))
      #expect(!plan.text.contains("ballast-probe fit records"))
    }
  }

  /// Three activations of 100 kB a token.
  private static let large = LawSample { $0.unit = 100_000 }

  @Test(arguments: [30 << 20, 64 << 20, 100 << 20, 200 << 20, 250_000_000])
  func `gives lengths that fit, and the next one does not`(_ memory: Int) throws {
    let members = try answer(try plan(Self.large, [memory]))
    guard case .integer(let nC) = members["n_c"] else { throw RecordingFault("no n_c") }
    #expect(try fits(Self.large, nC, memory))
    #expect(try !fits(Self.large, nC + 1, memory))
    #expect(members["fits"] == .bool(true) && members["ended_by"] == .string("memory"))
    #expect(members["tokens"] == .integer(nC + 2) && members["n_g"] == .integer(2))
    #expect(members["batch"] == .integer(1))
    guard case .integer(let allocated) = members["peak_allocated_bytes"],
      case .integer(let reserved) = members["peak_reserved_bytes"],
      case .integer(let bound) = members["tensors_fit_until"]
    else { throw RecordingFault("no figures") }
    #expect(allocated >= 3 * (nC + 2) * 100_000 && allocated <= reserved)
    #expect(reserved + 1 << 20 <= memory)
    // 1,000 more or less are beyond the laws.
    #expect(members["growth_bytes"] == .null && bound >= nC)
    #expect(3 * (bound + 2) * 100_000 <= memory && 3 * (bound + 4) * 100_000 > memory - 3 << 20)
  }

  @Test func `says what ends it: laws, or the model's positions`() throws {
    let laws = try plan(Self.large, [1 << 40])
    #expect(try answer(laws)["n_c"] == .integer(998) && answer(laws)["ended_by"] == .string("law"))
    #expect(laws.text.contains("at least 998 tokens"))
    var sample = Self.large
    sample.mostTokens = "500"
    let positions = try plan(sample, [1 << 40])
    #expect(try answer(positions)["n_c"] == .integer(498))
    #expect(try answer(positions)["ended_by"] == .string("positions"))
    #expect(positions.text.contains("the model has positions for 500"))
  }

  @Test func `goes by multiples, and by what is given`() throws {
    var sample = Self.large
    sample.multiple = 3
    #expect(try answer(plan(sample, [1 << 40], given: [.nG: 4]))["n_c"] == .integer(995))
    #expect(try answer(plan(sample, [1 << 40], given: [.nC: 5]))["n_g"] == .integer(994))
    #expect(throws: OutsideLaws.self) { try plan(sample, [1 << 40], given: [.nG: 4000]) }
    #expect(throws: OutsideLaws.self) { try plan(sample, [1 << 40], given: [.batch: 2]) }
    #expect(try plan(sample, [1 << 40], given: [.nC: 1, .nG: 2]).fits)
    #expect(throws: OutsideLaws.self) { try plan(sample, [1 << 40], given: [.nC: 2, .nG: 2]) }
  }

  @Test func `says what the shortest takes where nothing fits`() throws {
    let plan = try plan(Self.large, [2 << 20])
    let members = try answer(plan)
    #expect(!plan.fits && members["fits"] == .bool(false) && members["n_c"] == .null)
    #expect(members["shown_n_c"] == .integer(1) && members["ended_by"] == .string("memory"))
    #expect(members["needed_bytes"] == .integer(7 << 20))
    #expect(plan.text.contains("longest prompt  none: the least that was recorded"))
  }

  @Test func `answers for several memories side by side`() throws {
    let plan = try plan(Self.large, [2 << 20, 64 << 20, 1 << 40])
    #expect(plan.fits && plan.records.count == 3)
    let rows = CSV.document(plan.records).split(whereSeparator: \.isNewline)
    #expect(rows.count == 4)
    #expect(plan.text.contains("64MiB") && plan.text.contains("at least 998"))
  }

  @Test func `of a recording without laws is about its own step`() throws {
    var sample = Self.large
    sample.hasLaws = false
    let plan = try plan(sample, [64 << 20])
    let members = try answer(plan)
    #expect(plan.fits && members["n_c"] == .integer(4) && members["solves"] == .null)
    #expect(plan.text.contains("ballast-probe fit"))
    #expect(try !self.plan(sample, [2 << 20]).fits)
    #expect(throws: RecordingFault.self) { try self.plan(sample, [64 << 20], given: [.nG: 4]) }
  }

  @Test func `of a CPU adds bytes up`() throws {
    var sample = Self.large
    sample.device = "cpu"
    let members = try answer(try plan(sample, [100 << 20]))
    guard case .integer(let nC) = members["n_c"] else { throw RecordingFault("no n_c") }
    func peak(_ nC: Int) -> Int { 1000 + 3 * (nC + 2) * 100_000 + 256 + 2048 }
    #expect(peak(nC) <= 99 << 20 && peak(nC + 1) > 99 << 20)
    #expect(members["peak_allocated_bytes"] == .integer(peak(nC)))
    #expect(members["peak_reserved_bytes"] == .null)
  }

  /// Numbers of a file put in place of others: it is refused, or it has an answer.
  @Test(arguments: randomCases(48)) func `of a file that nobody wrote ends well`(
    _ seed: Int
  ) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let numbers = [
      "-1", "0", "1", "7", "1000", "2199023255552", "9223372036854775807", "-9223372036854775808",
    ]
    for _ in 0..<40 {
      var sample = LawSample()
      func change(_ text: String) -> String {
        var parts = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        let places = parts.indices.filter { parts[$0].contains(where: \.isNumber) }
        guard let place = places.randomElement(using: &random) else { return text }
        let number = numbers.randomElement(using: &random) ?? "0"
        let digits = parts[place].drop { !$0.isNumber }.prefix { $0.isNumber }
        parts[place] = parts[place].replacing(digits, with: number, maxReplacements: 1)
        return parts.joined(separator: " ")
      }
      switch Int.random(in: 0..<6, using: &random) {
      case 0: sample.values = change(LawSample.values())
      case 1: sample.tensors = change(sample.tensors)
      case 2: sample.law = change(sample.law)
      case 3: sample.launches = change(sample.launches)
      case 4: sample.blocks = change(sample.blocks)
      default: sample.tokens = change(sample.tokens)
      }
      do {
        let plan = try plan(sample, [1 << 30, 1 << 62])
        #expect(!plan.json.isEmpty && !plan.text.isEmpty)
      } catch is RecordingFault {} catch is OutsideLaws {} catch is JSONError {}
    }
  }
}
