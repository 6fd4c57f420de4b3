import CUDAAllocator
import Dispatch
import Foundation
import RecordedLaws
import Recordings
import Synchronization

/// Finds the last length at which a step fits a device.
///
/// ```
///   need │              · peak of rounded sizes     1. the last length whose peak is no more than
///        │- - - - - - ·/- - - memory                   the memory: no later one can fit
///        │       ∘  ·/                              2. before it, the last one that the
///        │    ∘   ·/   ∘ reserved                      allocator gets through in one order of
///        │ ∘    ·/                                     addresses; before that if another fails
/// ```
///
/// What it gives fits in every order, and one length further does not, of which there is proof. How
/// blocks lie is no smooth matter: between the two ends single lengths may fit again.
struct FitSearch {
  let laws: RecordedLaws
  let device: DeviceMemory
  let settings: AllocatorSettings
  let range: LengthRange
  private var replays: [Key: DeviceReplay] = [:]

  private struct Key: Hashable {
    let place: Int
    let order: AddressOrder
  }

  /// Why a search ended.
  enum End: Sendable {
    /// The next length needs more memory.
    case memory(StepLengths, DeviceReplay.Failure)
    /// Beyond are no laws, or no positions.
    case border(OutsideLaws)
  }

  struct Found {
    /// The last lengths that fit, with a replay an order; nil if none does.
    let last: (lengths: StepLengths, replays: [DeviceReplay])?
    let end: End
    /// The last lengths whose tensors alone are no more than the memory; nil if there are none.
    let bound: StepLengths?
  }

  init(
    _ laws: RecordedLaws, _ range: LengthRange, on device: DeviceMemory,
    _ settings: AllocatorSettings
  ) {
    (self.laws, self.range, self.device, self.settings) = (laws, range, device, settings)
  }

  mutating func find() -> Found {
    let bound = lengthsWithinPeak()
    var (fits, beyond) = (-1, bound)
    let orders = DeviceReplay.orders(of: laws.recording.device, settings)
    var tried = [orders[0]]
    while true {
      (fits, beyond) = last(below: beyond, tried)
      guard fits >= 0 else { break }
      look(at: orders.map { Key(place: fits, order: $0) })
      guard let failing = orders.first(where: { !self.fits(fits, $0) }) else { break }
      tried.append(failing)
      beyond = fits
    }
    let end = end(at: beyond, tried)
    let kept = fits < 0 ? [] : orders.compactMap { replays[Key(place: fits, order: $0)] }
    return Found(
      last: fits < 0 ? nil : (range[fits], kept), end: end,
      bound: bound > 0 ? range[bound - 1] : nil)
  }

  /// How many lengths, from the first on, have a peak that is no more than the memory.
  private func lengthsWithinPeak() -> Int {
    var (within, beyond) = (-1, range.count)
    while beyond - within > 1 {
      let middle = within + (beyond - within) / 2
      if peak(middle).map({ $0 <= device.room }) ?? false {
        within = middle
      } else {
        beyond = middle
      }
    }
    return beyond
  }

  private func peak(_ place: Int) -> Int? {
    do throws(OutsideLaws) { return try laws.step(at: range[place]).leastPeak } catch { return nil }
  }

  /// The last length that fits in some orders, and the next one, which does not.
  private mutating func last(below end: Int, _ orders: [AddressOrder]) -> (Int, Int) {
    var (within, beyond) = (-1, end)
    let start = guess(below: end)
    var reach = max((end - start) / 32, 1)
    var places = [start, start + reach]
    // Up from the guess by ever more until one does not fit, or down until one does …
    while beyond - within > 1 {
      places = places.filter { $0 > within && $0 < beyond }
      guard let last = places.last else { break }
      (within, beyond) = narrowed(within, beyond, places, orders)
      reach *= 2
      if within >= 0, beyond == end {
        places = [last + reach, last + 3 * reach]
      } else if within < 0, beyond > 0 {
        places = [max(beyond - 3 * reach, 0), max(beyond - reach, 0)]
      } else {
        break
      }
      reach *= 2
    }
    // … and between the two.
    while beyond - within > 1 {
      let step = max((beyond - within) / (Self.atOnce + 1), 1)
      places = (1...Self.atOnce).map { within + $0 * step }.filter { $0 < beyond }
      (within, beyond) = narrowed(within, beyond, places, orders)
    }
    return (within, beyond)
  }

  /// How many replays run at a time.
  private static let atOnce = min(max(ProcessInfo.processInfo.activeProcessorCount, 1), 4)

  /// The gap between what fits and what does not, after some ascending places in it are looked at.
  private mutating func narrowed(
    _ within: Int, _ beyond: Int, _ places: [Int], _ orders: [AddressOrder]
  ) -> (Int, Int) {
    look(at: places.flatMap { place in orders.map { Key(place: place, order: $0) } })
    var within = within
    for place in places where place > within {
      guard orders.allSatisfy({ fits(place, $0) }) else { return (within, place) }
      within = place
    }
    return (within, beyond)
  }

  /// Where to begin: before the end, by what the allocator would take there beyond the memory.
  private func guess(below end: Int) -> Int {
    let last = end - 1
    guard last > 0, laws.recording.device == .cuda, let total = device.total,
      let most = peak(last), let less = peak(last / 2), most > less,
      let step = try? laws.step(at: range[last])
    else { return last }
    let free = DeviceReplay(step.requests, of: .cuda, on: .unlimited, settings, .up)
    let excess = (free.reserved ?? 0) - (total - device.held)
    guard excess > 0 else { return last }
    let slope = Double(most - less) / Double(last - last / 2)
    return max(last - Int(min(Double(excess) / slope, Double(last))), 0)
  }

  /// Whether a length fits in an order of addresses.
  private mutating func fits(_ place: Int, _ order: AddressOrder) -> Bool {
    let key = Key(place: place, order: order)
    look(at: [key])
    return replays[key].map { $0.failure == nil } ?? false
  }

  /// Replays what has not been, some at a time; where there are no laws is nothing to replay.
  private mutating func look(at keys: [Key]) {
    let keys = keys.filter { replays[$0] == nil }
    let results = Mutex<[Key: DeviceReplay]>([:])
    let (laws, range, device, settings) = (laws, range, device, settings)
    DispatchQueue.concurrentPerform(iterations: keys.count) { number in
      let key = keys[number]
      guard let step = try? laws.step(at: range[key.place]) else { return }
      let replay = DeviceReplay(
        step.requests, of: laws.recording.device, on: device, settings, key.order)
      results.withLock { $0[key] = replay }
    }
    replays.merge(results.withLock { $0 }) { _, new in new }
  }

  /// Why a length is none of those that fit.
  private mutating func end(at place: Int, _ orders: [AddressOrder]) -> End {
    do throws(OutsideLaws) {
      _ = try laws.step(at: range[place])
    } catch {
      return .border(error)
    }
    let failing = orders.first { !fits(place, $0) } ?? .up
    if let failure = replays[Key(place: place, order: failing)]?.failure {
      return .memory(range[place], failure)
    }
    preconditionFailure("a length at which a search ends does not fit")
  }
}

/// The lengths at which a step is looked at: all of them alike but for one.
struct LengthRange: Sendable {
  let variable: RecordedLaws.Variable
  private let base: StepLengths
  private let first: Int
  let step: Int
  let count: Int

  /// Where laws hold, for one variable.
  ///
  /// - Throws: `OutsideLaws` where they hold for none.
  init(
    of variable: RecordedLaws.Variable, _ laws: RecordedLaws, beside base: StepLengths
  ) throws(OutsideLaws) {
    (self.variable, self.base) = (variable, base)
    var base = base
    let last: Int
    switch variable {
    case .batch:
      (first, last, step) = (laws.batch.lowerBound, laws.batch.upperBound, 1)
    case .nC, .nG:
      let others = variable == .nC ? base.nG : base.nC
      step = laws.multiple
      let least = max(laws.tokens.lowerBound, others)
      let most = min(laws.tokens.upperBound, laws.mostTokens ?? .max)
      guard others >= 0, least <= most else {
        base[variable] = 0
        try laws.require(base)
        throw laws.nothing(at: base)
      }
      first = (least + step - 1) / step * step - others
      last = most / step * step - others
    }
    base[variable] = first
    try laws.require(base)
    count = (last - first) / step + 1
  }

  /// The lengths of a place; that of `count` is the first behind all.
  subscript(place: Int) -> StepLengths {
    var lengths = base
    lengths[variable] = first + place * step
    return lengths
  }

  /// How many places a number of tokens or sequences are, at least one.
  func places(for number: Int) -> Int { max(number / step, 1) }

  func place(of lengths: StepLengths) -> Int { (lengths[variable] - first) / step }
}
