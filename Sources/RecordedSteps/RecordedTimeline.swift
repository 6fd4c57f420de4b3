import Recordings
import Traces

extension RecordedStep {
  /// The step as a Chrome trace, which https://ui.perfetto.dev opens: a slice a phase and a module,
  /// counters of what is held by role. A microsecond is an event; nothing ran.
  package var timeline: String { RecordedTimeline(recording).trace.text }
}

private struct RecordedTimeline {
  private(set) var trace: ChromeTrace
  private let recording: Recording
  private var held: [Recording.Role: Int] = [:]
  private var kept = 0
  /// The module of the open slice; nil for none.
  private var module: Int?
  private var isInPhase = false

  init(_ recording: Recording) {
    self.recording = recording
    trace = ChromeTrace(
      process: recording.model.name.isEmpty ? "a recorded step" : recording.model.name,
      thread: "phases and modules", clock: "one microsecond an event; nothing ran")
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
    trace.count("held", roles.map { ($0.rawValue, held[$0] ?? 0) }, at: time)
    trace.count("kept for backward", [("bytes", kept)], at: time)
  }

  private mutating func enter(_ phase: Recording.PhaseStart, at time: Int) {
    leave(at: time)
    trace.begin("\(phase.phase.rawValue), step \(phase.step)", kind: "phase", at: time)
    isInPhase = true
  }

  private mutating func enter(_ module: Int, at time: Int) {
    guard module != self.module else { return }
    if self.module != nil { trace.end(at: time) }
    let name = recording.tables.modules[module]
    self.module = name.isEmpty ? nil : module
    if !name.isEmpty { trace.begin(name, kind: "module", at: time) }
  }

  private mutating func leave(at time: Int) {
    if module != nil { trace.end(at: time) }
    if isInPhase { trace.end(at: time) }
    (module, isInPhase) = (nil, false)
  }
}
