package import CUDAAllocator
package import RecordedLaws
package import Recordings

/// How long a recorded step may get in each of some memories.
package struct RecordedPlan: Sendable {
  /// The file that was read, as it was named.
  package let file: String
  /// The step as it was recorded.
  let recording: Recording
  /// The laws of the file, and what is as long as it may be; nil without laws, and where all
  /// lengths were given.
  let laws: RecordedLaws?
  let variable: RecordedLaws.Variable?
  let answers: [RecordedAnswer]

  /// Whether anything fits anywhere.
  package var fits: Bool { answers.contains(where: \.fits) }
}

/// The answer for one memory.
struct RecordedAnswer: Sendable {
  /// The GPU whose memory it is, or whose context is held of a given one; nil on a CPU.
  var gpu: GPU?
  let device: DeviceMemory
  /// Whether any length fits.
  let fits: Bool
  /// Those of the figures: the longest that fits, or else the shortest that there is; nil where a
  /// recording without laws does not say its own.
  let lengths: StepLengths?
  /// The step there, and what the allocator makes of it in each order of addresses: with the
  /// device's memory, or without limit where nothing fits.
  let step: Recording
  let replays: [DeviceReplay]
  /// What is no more possible; nil without laws, where the recorded step fits.
  let end: FitSearch.End?
  /// The last lengths whose tensors alone are no more than the memory; nil without laws.
  let bound: StepLengths?
  /// The longest that fits where segments may grow in place, if that is more; nil without laws.
  let expandable: StepLengths?
  /// What 1,000 tokens more, or one sequence, add to the peak; nil without laws.
  let further: Int?

  /// The order that figures of one order are of.
  private var main: DeviceReplay? { replays.first }

  var peakAllocated: Int { main?.allocated ?? 0 }
  var peakEvent: Int { main?.peakEvent ?? -1 }
  var peakReserved: Int? { replays.compactMap(\.reserved).max() }
  var leastReserved: Int? { replays.compactMap(\.reserved).min() }
  var retries: Int { replays.map(\.retries).max() ?? 0 }
  /// What the process takes of the device, with the driver's context.
  var needed: Int { (peakReserved ?? peakAllocated) + device.held }
  /// What of the device nobody takes; nil where nothing fits, or where there is no limit.
  var left: Int? { fits ? device.total.map { $0 - needed } : nil }
}

extension RecordedPlan {
  /// What is asked about a recording.
  package struct Question {
    package let file: String
    package let recording: Recording
    package let devices: [Device]
    /// How the allocator is set.
    package var settings = AllocatorSettings()
    /// Lengths that were given.
    package var given: [RecordedLaws.Variable: Int] = [:]

    /// A memory, and the GPU whose it is or whose context is held of it.
    package typealias Device = (gpu: GPU?, memory: DeviceMemory)

    package init(file: String, recording: Recording, devices: [Device]) {
      (self.file, self.recording, self.devices) = (file, recording, devices)
    }
  }

  /// Answers for each memory.
  ///
  /// - Throws: `RecordingFault` for laws that cannot be, `OutsideLaws` where they do not hold for
  ///   what was given.
  package init(_ question: Question) throws {
    (file, recording) = (question.file, question.recording)
    laws = try RecordedLaws(question.recording)
    guard let laws else {
      guard question.given.isEmpty else { throw Self.withoutLaws }
      variable = nil
      answers = question.devices.map { gpu, memory in
        RecordedAnswer(question.recording, on: memory, question.settings).of(gpu)
      }
      return
    }
    variable = Self.variable(laws, question.given)
    var base = laws.own
    for (variable, number) in question.given { base[variable] = number }
    guard let variable else {
      let step = try laws.recording(at: base)
      answers = question.devices.map { gpu, memory in
        RecordedAnswer(step, on: memory, question.settings).of(gpu)
      }
      return
    }
    let range = try LengthRange(of: variable, laws, beside: base)
    answers = try question.devices.map { gpu, memory in
      try RecordedAnswer(laws, range, on: memory, question.settings).of(gpu)
    }
  }

  /// What to do about a recording without laws.
  package static let withoutLaws = RecordingFault(
    "has no laws, which give the step at other lengths; ballast-probe fit records it with laws")

  /// What the recorder was asked to find the most of, or else what is left to find; nil where all
  /// is given, and the question is whether that fits.
  private static func variable(
    _ laws: RecordedLaws, _ given: [RecordedLaws.Variable: Int]
  ) -> RecordedLaws.Variable? {
    [laws.solves, .nC, .batch, .nG].first { laws.variables.contains($0) && given[$0] == nil }
  }
}

extension RecordedAnswer {
  /// The same about the memory of a GPU.
  fileprivate func of(_ gpu: GPU?) -> RecordedAnswer {
    var answer = self
    answer.gpu = gpu
    return answer
  }

  /// Of one step: a recording's own, or that of its laws at given lengths.
  init(_ recording: Recording, on device: DeviceMemory, _ settings: AllocatorSettings) {
    let requests = recording.requests
    let kind = recording.device
    let orders = DeviceReplay.orders(of: kind, settings)
    var replays = orders.map { DeviceReplay(requests, of: kind, on: device, settings, $0) }
    let failure = replays.compactMap(\.failure).first
    if failure != nil {
      replays = orders.map { DeviceReplay(requests, of: kind, on: .unlimited, settings, $0) }
    }
    let numbers = ["n_c", "n_g", "batch"].map { recording.point[$0].flatMap { Int($0) } }
    let lengths: StepLengths? =
      if let nC = numbers[0], let nG = numbers[1] {
        StepLengths(nC: nC, nG: nG, batch: numbers[2] ?? 1)
      } else {
        nil
      }
    self.init(
      device: device, fits: failure == nil, lengths: lengths, step: recording, replays: replays,
      end: failure.map { .memory(lengths ?? StepLengths(nC: 0, nG: 0), $0) }, bound: nil,
      expandable: nil, further: nil)
  }

  /// Of all lengths of a range.
  init(
    _ laws: RecordedLaws, _ range: LengthRange, on device: DeviceMemory,
    _ settings: AllocatorSettings
  ) throws(OutsideLaws) {
    var search = FitSearch(laws, range, on: device, settings)
    let found = search.find()
    let lengths = found.last?.lengths ?? range[0]
    let step = try laws.step(at: lengths)
    let kind = laws.recording.device
    let replays =
      found.last?.replays
      ?? DeviceReplay.orders(of: kind, settings).map {
        DeviceReplay(step.requests, of: kind, on: .unlimited, settings, $0)
      }
    let places = range.places(for: range.variable == .batch ? 1 : 1000)
    let place = range.place(of: lengths)
    func peak(_ place: Int) -> Int? { (try? laws.step(at: range[place]))?.leastPeak }
    var further: Int?
    for (from, to) in [(place, place + places), (place - places, place)] where further == nil {
      guard from >= 0, to < range.count, let less = peak(from), let more = peak(to) else {
        continue
      }
      further = more - less
    }
    self.init(
      device: device, fits: found.last != nil, lengths: lengths, step: try step.recording(),
      replays: replays, end: found.end, bound: found.bound,
      expandable: Self.expandable(laws, range, on: device, settings, beside: found),
      further: further)
  }

  /// The longest with segments that grow in place, where tensors would leave room for more.
  private static func expandable(
    _ laws: RecordedLaws, _ range: LengthRange, on device: DeviceMemory,
    _ settings: AllocatorSettings, beside found: FitSearch.Found
  ) -> StepLengths? {
    var settings = settings
    guard laws.recording.device == .cuda, !settings.usesExpandableSegments,
      let bound = found.bound?[range.variable],
      bound > found.last?.lengths[range.variable] ?? -1
    else { return nil }
    settings.usesExpandableSegments = true
    var search = FitSearch(laws, range, on: device, settings)
    guard let longest = search.find().last?.lengths,
      longest[range.variable] > found.last?.lengths[range.variable] ?? -1
    else { return nil }
    return longest
  }
}
