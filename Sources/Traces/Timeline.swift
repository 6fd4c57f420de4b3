package import Ledger
import Reporting
package import Retention
import Spelling

/// A step as a Chrome trace, which Perfetto opens: a slice an op, and counters of live bytes.
///
/// Times are microseconds; those of shapes count events. Slices of ops stand in one of the phase.
package struct Timeline {
  private var trace: ChromeTrace
  private var live = LiveCounts()
  private var phase = Phase.setup
  /// The kinds of the open slices, the phase's first.
  private var open: [String] = []
  /// Counters at a time that is not over yet.
  private var pending: Int?

  /// The trace's text.
  package static func json(of recorder: EventRecorder, point: Point) -> String {
    var timeline = Timeline(
      trace: ChromeTrace(
        process: "ballast: \(point.modelName), \(point.mode.name.rawValue), n_c \(point.nC)",
        thread: "step",
        clock: recorder.isTimed
          ? "microseconds of this machine" : "one microsecond an event; nothing ran",
        time: { .number(microseconds($0)) }))
    for moment in recorder.moments { timeline.add(moment) }
    timeline.finish(at: recorder.moments.last?.time ?? 0)
    return timeline.trace.text
  }

  // MARK: Events

  private mutating func add(_ moment: EventRecorder.Moment) {
    if let pending, pending != moment.time { emitCounters(at: pending) }
    switch moment.event {
    case .enter(let phase):
      close(at: moment.time)
      self.phase = phase
      begin("\(phase)", "phase", layer: nil, at: moment.time)
    case .begin(let scope):
      begin(scope.path, kind(of: scope), layer: scope.layer, at: moment.time)
    case .end: end(at: moment.time)
    case .allocate, .free, .save, .release:
      if live.take(moment.event) { pending = moment.time }
    }
  }

  /// What an op does: of forward, of backward, made again for an op of backward, or replayed.
  private func kind(of scope: Scope) -> String {
    switch scope.pass {
    case .backward: "backward"
    case .recomputation: "recomputation"
    case .forward where open.contains("backward"): "recomputation"
    case .forward: phase == .backward ? "replay" : "forward"
    }
  }

  private mutating func begin(_ name: String, _ kind: String, layer: Int?, at time: Int) {
    open.append(kind)
    trace.begin(name, kind: kind, layer: layer, at: time)
  }

  private mutating func end(at time: Int) {
    open.removeLast()
    trace.end(at: time)
  }

  /// Ends every open slice.
  private mutating func close(at time: Int) {
    while !open.isEmpty { end(at: time) }
  }

  private mutating func finish(at time: Int) {
    emitCounters(at: time)
    close(at: time)
  }

  private mutating func emitCounters(at time: Int) {
    pending = nil
    for (name, values) in live.counters { trace.count(name, values, at: time) }
  }

  /// Microseconds with three digits behind the point.
  private static func microseconds(_ nanoseconds: Int) -> String {
    let rest = String(nanoseconds % 1000 + 1000).dropFirst()
    return "\(nanoseconds / 1000).\(rest)"
  }
}

/// Bytes alive at a moment: by category, of activations by region, and what is saved for backward.
private struct LiveCounts {
  private struct Entry {
    let description: StorageDescription
    var saves = 0
  }

  private var entries: [StorageID: Entry] = [:]
  private var categories = CategoryBytes()
  private var regions = RegionBytes()
  private var saved = 0

  /// Follows an event; whether a count changed.
  ///
  /// What the step did not make, a parameter or a gradient of before, is not counted.
  mutating func take(_ event: Event) -> Bool {
    switch event {
    case .allocate(let id, _, let description):
      entries[id] = Entry(description: description)
      count(description, 1)
      return true
    case .free(let id):
      guard let entry = entries.removeValue(forKey: id) else { return false }
      count(entry.description, -1)
      if entry.saves > 0 { saved -= entry.description.requestedBytes }
      return true
    case .save(let id, _):
      guard let entry = entries[id], entry.description.category == .activation else { return false }
      entries[id]?.saves += 1
      if entry.saves == 0 { saved += entry.description.requestedBytes }
      return entry.saves == 0
    case .release(let id):
      guard let entry = entries[id], entry.saves > 0 else { return false }
      entries[id]?.saves -= 1
      if entry.saves == 1 { saved -= entry.description.requestedBytes }
      return entry.saves == 1
    case .begin, .end, .enter: return false
    }
  }

  private mutating func count(_ description: StorageDescription, _ sign: Int) {
    categories[description.category] += sign * description.requestedBytes
    guard description.category == .activation else { return }
    for region in Region.allCases { regions[region] += sign * description.regions[region] }
  }

  var counters: [(name: String, values: [(name: String, bytes: Int)])] {
    [
      ("live bytes", Category.allCases.map { ("\($0)", categories[$0]) }),
      ("live activations", regions.byName),
      ("saved for backward", [("bytes", saved)]),
    ]
  }
}
