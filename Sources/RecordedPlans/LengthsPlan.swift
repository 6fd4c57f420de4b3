import CUDAAllocator
import Dispatch
import Foundation
import RecordedLaws
package import Recordings
import Synchronization

/// What the samples of a data set take, each as a step of its own, and which do not fit.
///
/// Lengths that are equal are looked at once. Peaks are exact but for what the allocator adds in
/// blocks that it does not split; those with the highest ones go through the allocator, until
/// several in a row fit without its cache given back.
///
/// A sample that is shorter than where laws begin is judged as the shortest step for which there
/// are any, where steps take the more the longer they are.
package struct LengthsPlan: Sendable {
  let file: LengthsFile
  let recording: Recording
  let gpu: GPU?
  let devices: [DeviceMemory]
  /// Distinct lengths with their peaks, the highest first.
  let kinds: [Kind]
  /// Samples for which there are no laws: the first ones, and how many there are.
  let outside: [(line: Int, sentence: String)]
  let outsideCount: Int
  /// Samples shorter than where laws begin, which are judged as longer ones, and as how long.
  let raised: (count: Int, tokens: Int)
  package let answers: [LengthsAnswer]

  /// Samples of the same lengths.
  struct Kind: Sendable {
    let lengths: StepLengths
    /// The line of the first.
    let line: Int
    let count: Int
    let peak: Int
  }

  /// Looks at every sample, for each memory.
  ///
  /// - Parameters:
  ///   - file: The samples.
  ///   - question: The recording, which has laws, and the memories; of what is given the batch
  ///     counts, and n_g where a sample has none.
  /// - Throws: `RecordingFault` for a recording without laws, or with such as cannot be.
  package init(_ file: LengthsFile, _ question: RecordedPlan.Question) throws(RecordingFault) {
    guard let laws = try RecordedLaws(question.recording) else { throw RecordedPlan.withoutLaws }
    (self.file, recording, gpu) = (file, question.recording, question.devices.first?.gpu)
    devices = question.devices.map(\.memory)
    var own = laws.own
    for (variable, number) in question.given { own[variable] = number }
    var groups: [StepLengths: (line: Int, count: Int)] = [:]
    let least = (laws.tokens.lowerBound + laws.multiple - 1) / laws.multiple * laws.multiple
    let grows = Self.grows(laws, from: least, beside: own)
    var raisedCount = 0
    for sample in file.samples {
      var lengths = StepLengths(nC: sample.nC, nG: sample.nG ?? own.nG, batch: own.batch)
      if grows, lengths.tokens < least, laws.variables.contains(.nC) {
        lengths.nC = least - lengths.nG
        raisedCount += 1
      }
      groups[lengths, default: (sample.line, 0)].count += 1
    }
    let judged = Self.peaks(of: Array(groups.keys), laws)
    var kinds: [Kind] = []
    var outside: [(line: Int, sentence: String, count: Int)] = []
    for (lengths, group) in groups {
      switch judged[lengths] {
      case .success(let peak):
        kinds.append(Kind(lengths: lengths, line: group.line, count: group.count, peak: peak))
      case .failure(let error): outside.append((group.line, error.sentence, group.count))
      case nil: break
      }
    }
    raised = (raisedCount, least)
    kinds.sort { ($1.peak, $0.line) < ($0.peak, $1.line) }
    self.kinds = kinds
    self.outside = outside.sorted { $0.line < $1.line }.prefix(LengthsAnswer.listed)
      .map { ($0.line, $0.sentence) }
    outsideCount = outside.reduce(0) { $0 + $1.count }
    answers = devices.map { LengthsAnswer(kinds, laws, on: $0, question.settings) }
  }

  /// Whether a step takes the more the longer it is, at a few lengths of all for which there are
  /// laws.
  private static func grows(
    _ laws: RecordedLaws, from least: Int, beside own: StepLengths
  ) -> Bool {
    let most = min(laws.tokens.upperBound, laws.mostTokens ?? .max)
    guard laws.variables.contains(.nC), most > least else { return false }
    let steps = 8
    let places = (0...steps).map { (most - least) / laws.multiple * $0 / steps * laws.multiple }
    let peaks = Set(places).sorted().map { place -> Int? in
      let lengths = StepLengths(nC: least + place - own.nG, nG: own.nG, batch: own.batch)
      return (try? laws.step(at: lengths))?.leastPeak
    }
    let known = peaks.compactMap(\.self)
    return known.count == peaks.count && zip(known, known.dropFirst()).allSatisfy { $0 <= $1 }
  }

  /// The peak at each of some lengths; those that are the same step are gone through once.
  private static func peaks(
    of all: [StepLengths], _ laws: RecordedLaws
  ) -> [StepLengths: Result<Int, OutsideLaws>] {
    var judged: [StepLengths: Result<Int, OutsideLaws>] = [:]
    var places: [[Int]: Int] = [:]
    var different: [StepLengths] = []
    var placeOf: [StepLengths: Int] = [:]
    for lengths in all {
      do throws(OutsideLaws) {
        let signature = try laws.step(at: lengths).signature
        let place = places[signature] ?? different.count
        if place == different.count { different.append(lengths) }
        places[signature] = place
        placeOf[lengths] = place
      } catch {
        judged[lengths] = .failure(error)
      }
    }
    let threads = max(ProcessInfo.processInfo.activeProcessorCount, 1)
    let results = Mutex<[Int]>(Array(repeating: 0, count: different.count))
    DispatchQueue.concurrentPerform(iterations: threads) { [different] thread in
      for place in stride(from: thread, to: different.count, by: threads) {
        guard let step = try? laws.step(at: different[place]) else { continue }
        let peak = step.leastPeak
        results.withLock { $0[place] = peak }
      }
    }
    let peaks = results.withLock { $0 }
    for (lengths, place) in placeOf { judged[lengths] = .success(peaks[place]) }
    return judged
  }

  /// Whether every sample fits every memory.
  package var fits: Bool { outsideCount == 0 && answers.allSatisfy { $0.misfits.isEmpty } }

  /// The peak of the sample at a place of a thousand, of all in the order of their peaks.
  func peak(atThousandth place: Int) -> Int? {
    let count = kinds.reduce(0) { $0 + $1.count }
    var rest = (count * place + 999) / 1000
    for kind in kinds.reversed() {
      rest -= kind.count
      if rest <= 0 { return kind.peak }
    }
    return kinds.first?.peak
  }
}

/// Which samples fit a memory.
package struct LengthsAnswer: Sendable {
  /// How many samples are named.
  static let listed = 5
  /// So many in a row have to fit before the rest is taken to.
  private static let enough = 8

  let device: DeviceMemory
  /// Those that do not fit, the highest peak first.
  let misfits: [LengthsPlan.Kind]
  /// The one with the highest peak of those that fit, and what the allocator makes of it.
  let highest: Replayed?
  /// The one of those that fit for which most is reserved.
  let mostReserved: Replayed?
  /// The one with the most tokens of those that fit.
  let longest: LengthsPlan.Kind?

  struct Replayed: Sendable {
    let kind: LengthsPlan.Kind
    let allocated: Int
    let reserved: Int?
    let retries: Int
  }

  init(
    _ kinds: [LengthsPlan.Kind], _ laws: RecordedLaws, on device: DeviceMemory,
    _ settings: AllocatorSettings
  ) {
    self.device = device
    var misfits: [LengthsPlan.Kind] = []
    var fitting: [Replayed] = []
    var inARow = 0
    var place = 0
    while place < kinds.count, inARow < Self.enough {
      guard kinds[place].peak <= device.room else {
        misfits.append(kinds[place])
        place += 1
        continue
      }
      let some = Array(kinds[place..<min(place + Self.enough, kinds.count)])
      for (kind, replayed) in zip(some, Self.replayed(some, laws, device, settings)) {
        guard let replayed else {
          misfits.append(kind)
          inARow = 0
          continue
        }
        fitting.append(replayed)
        inARow = replayed.retries > 0 ? 0 : inARow + 1
      }
      place += some.count
    }
    self.misfits = misfits
    let lines = Set(misfits.map(\.line))
    highest = fitting.first
    mostReserved = fitting.max {
      ($0.reserved ?? 0, $1.kind.line) < ($1.reserved ?? 0, $0.kind.line)
    }
    longest = kinds.filter { !lines.contains($0.line) }.max {
      ($0.lengths.tokens, $1.line) < ($1.lengths.tokens, $0.line)
    }
  }

  /// Each of some, in some orders of addresses; nil for what does not fit.
  private static func replayed(
    _ kinds: [LengthsPlan.Kind], _ laws: RecordedLaws, _ device: DeviceMemory,
    _ settings: AllocatorSettings
  ) -> [Replayed?] {
    let results = Mutex<[Replayed?]>(Array(repeating: nil, count: kinds.count))
    DispatchQueue.concurrentPerform(iterations: kinds.count) { number in
      guard let step = try? laws.step(at: kinds[number].lengths) else { return }
      let requests = step.requests
      var replays: [DeviceReplay] = []
      for order in DeviceReplay.someOrders(of: laws.recording.device, settings) {
        let replay = DeviceReplay(
          requests, of: laws.recording.device, on: device, settings, order)
        guard replay.failure == nil else { return }
        replays.append(replay)
      }
      let replayed = Replayed(
        kind: kinds[number], allocated: replays.first?.allocated ?? 0,
        reserved: replays.compactMap(\.reserved).max(), retries: replays.map(\.retries).max() ?? 0)
      results.withLock { $0[number] = replayed }
    }
    return results.withLock { $0 }
  }
}
