package import Spelling

/// A Chrome trace while it is written, which https://ui.perfetto.dev opens: slices of one thread,
/// and counters.
///
/// The format: "Trace Event Format", events `B`, `E` (slices), `C` (counters), `M` (names).
package struct ChromeTrace {
  private var events: [JSONText] = []
  private let clock: String
  private let time: @Sendable (Int) -> JSONText

  /// Begins a trace.
  ///
  /// - Parameters:
  ///   - process: What the process is called.
  ///   - thread: What its one thread is called.
  ///   - clock: What the times mean, in a sentence.
  ///   - time: A time in microseconds, as the file has it.
  package init(
    process: String, thread: String, clock: String,
    time: @escaping @Sendable (Int) -> JSONText = { .integer($0) }
  ) {
    (self.clock, self.time) = (clock, time)
    events = [("process_name", process), ("thread_name", thread)].map { name, value in
      .object([
        ("ph", .string("M")), ("pid", .integer(1)), ("tid", .integer(1)), ("name", .string(name)),
        ("args", .object([("name", .string(value))])),
      ])
    }
  }

  /// Opens a slice, inside those that are open.
  package mutating func begin(_ name: String, kind: String, layer: Int? = nil, at time: Int) {
    var members = [("name", JSONText.string(name)), ("cat", .string(kind))]
    if let layer { members.append(("args", .object([("layer", .integer(layer))]))) }
    add("B", isOfThread: true, at: time, members)
  }

  /// Closes the innermost slice.
  package mutating func end(at time: Int) { add("E", isOfThread: true, at: time) }

  /// Bytes by name, from here on.
  package mutating func count(_ name: String, _ values: [(name: String, bytes: Int)], at time: Int)
  {
    let args = JSONText.object(values.map { ($0.name, .integer($0.bytes)) })
    add("C", isOfThread: false, at: time, [("name", .string(name)), ("args", args)])
  }

  /// The file.
  package var text: String {
    JSONText.object([
      ("displayTimeUnit", .string("ms")), ("otherData", .object([("clock", .string(clock))])),
      ("traceEvents", .array(events, .lines(0))),
    ]).text + "\n"
  }

  private mutating func add(
    _ phase: String, isOfThread: Bool, at time: Int, _ members: [(String, JSONText)] = []
  ) {
    let thread = isOfThread ? [("tid", JSONText.integer(1))] : []
    let place = [("ph", JSONText.string(phase)), ("pid", .integer(1))] + thread
    events.append(.object(place + [("ts", self.time(time))] + members))
  }
}
