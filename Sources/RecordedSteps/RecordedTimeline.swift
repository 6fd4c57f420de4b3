import Recordings
import Spelling

extension RecordedStep {
  /// The step as a Chrome trace, which https://ui.perfetto.dev opens: a slice a phase and a module,
  /// counters of what is held by role. A microsecond is an event; nothing ran.
  ///
  /// The format: "Trace Event Format", events `B`, `E` (slices), `C` (counters), `M` (names).
  package var timeline: String { Timeline(recording).text }
}

private struct Timeline {
  private let recording: Recording
  private var events: [JSONText] = []
  private var held: [Recording.Role: Int] = [:]
  private var kept = 0
  /// The module of the open slice; nil for none.
  private var module: Int?
  private var isInPhase = false

  init(_ recording: Recording) {
    self.recording = recording
    name("process_name", recording.model.name.isEmpty ? "a recorded step" : recording.model.name)
    name("thread_name", "phases and modules")
    var next = 0
    for (time, event) in recording.events.enumerated() {
      while next < recording.phases.count, recording.phases[next].firstEvent <= time {
        enter(recording.phases[next], at: time)
        next += 1
      }
      take(event, at: time)
    }
    leave(at: recording.events.count)
  }

  var text: String {
    JSONText.object([
      ("displayTimeUnit", .string("ms")),
      ("otherData", .object([("clock", .string("one microsecond an event; nothing ran"))])),
      ("traceEvents", .array(events, .lines(0))),
    ]).text + "\n"
  }

  private mutating func take(_ event: Recording.Event, at time: Int) {
    let (tensor, sign) =
      switch event {
      case .allocate(let tensor): (tensor, 1)
      case .release(let tensor): (tensor, -1)
      }
    let bytes = recording.tensors.bytes[tensor] * sign
    held[recording.role(ofTensor: tensor), default: 0] += bytes
    if recording.tensors.isKept[tensor] { kept += bytes }
    if sign > 0 { enter(recording.tensors.module[tensor], at: time) }
    let roles = Recording.Role.allCases.filter { held[$0] != nil }
    counter("held", roles.map { ($0.rawValue, held[$0] ?? 0) }, at: time)
    counter("kept for backward", [("bytes", kept)], at: time)
  }

  private mutating func enter(_ phase: Recording.PhaseStart, at time: Int) {
    leave(at: time)
    begin("\(phase.phase.rawValue), step \(phase.step)", "phase", at: time)
    isInPhase = true
  }

  private mutating func enter(_ module: Int, at time: Int) {
    guard module != self.module else { return }
    if self.module != nil { add("E", at: time) }
    let name = recording.tables.modules[module]
    self.module = name.isEmpty ? nil : module
    if !name.isEmpty { begin(name, "module", at: time) }
  }

  private mutating func leave(at time: Int) {
    if module != nil { add("E", at: time) }
    if isInPhase { add("E", at: time) }
    (module, isInPhase) = (nil, false)
  }

  private mutating func begin(_ name: String, _ kind: String, at time: Int) {
    add("B", at: time, [("name", .string(name)), ("cat", .string(kind))])
  }

  private mutating func counter(_ name: String, _ values: [(String, Int)], at time: Int) {
    let args = JSONText.object(values.map { ($0.0, .integer($0.1)) })
    events.append(
      .object([
        ("ph", .string("C")), ("pid", .integer(1)), ("ts", .integer(time)),
        ("name", .string(name)), ("args", args),
      ]))
  }

  private mutating func add(
    _ phase: String, at time: Int, _ members: [(String, JSONText)] = []
  ) {
    let place = [("ph", JSONText.string(phase)), ("pid", .integer(1)), ("tid", .integer(1))]
    events.append(.object(place + [("ts", .integer(time))] + members))
  }

  private mutating func name(_ kind: String, _ value: String) {
    events.append(
      .object([
        ("ph", .string("M")), ("pid", .integer(1)), ("tid", .integer(1)),
        ("name", .string(kind)), ("args", .object([("name", .string(value))])),
      ]))
  }
}
