import ArgumentParser
import Files
import Ledger
import Measurement
import Reporting
import Retention
import Traces

/// Pictures of one step, for the viewers that others made.
struct TraceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Write the step as a Chrome trace for https://ui.perfetto.dev: a slice an op, and counters of \
      live bytes; - for standard output.
      """, valueName: "file.json"),
    completion: .file(extensions: ["json"]))
  var timeline: String?
  @Option(
    help: ArgumentHelp(
      "Write retained bytes as stacks, mode;layer;op;tensor bytes, for flamegraph.pl; or -.",
      valueName: "file"),
    completion: .file())
  var stacks: String?
  @Option(
    help: ArgumentHelp(
      "Write the same for https://www.speedscope.app, or to standard output with -.",
      valueName: "file.json"),
    completion: .file(extensions: ["json"]))
  var speedscope: String?
  @Option(
    help: ArgumentHelp(
      "Write forward as a PyTorch memory snapshot for https://pytorch.org/memory_viz.",
      valueName: "file.pickle"),
    completion: .file(extensions: ["pickle"]))
  var snapshot: String?

  /// The outputs that are texts.
  var texts: [(option: String, path: String?)] {
    [("--timeline", timeline), ("--stacks", stacks), ("--speedscope", speedscope)]
  }

  /// What must hear of every event of a step; nil if nothing is drawn of them.
  func recorder(for point: Point) -> EventRecorder? {
    timeline == nil && snapshot == nil ? nil : EventRecorder(isTimed: point.backend == .cpu)
  }

  /// Refuses to print a pickle.
  func requireFile() throws(UsageError) {
    if snapshot == "-" {
      throw UsageError("--snapshot needs a file, since a pickle is no text to print; not -")
    }
  }

  /// Finds out whether a snapshot can be written, before anything runs.
  func snapshotFile() throws -> PendingFile? {
    try snapshot.map { (path) throws(FileError) in try PendingFile(path) }
  }

  /// Writes what was asked for.
  func write(
    _ outcome: PointOutcome, _ recorder: EventRecorder?, to outputs: Outputs,
    snapshot file: PendingFile?
  ) throws {
    let point = outcome.record.point
    if let recorder {
      try outputs.write("--timeline", Timeline.json(of: recorder, point: point))
      try file?.commit(MemorySnapshot.pickle(of: recorder, point: point))
    }
    try outputs.write("--stacks", Stacks(of: outcome.saved, point: point).collapsed)
    try outputs.write("--speedscope", Stacks(of: outcome.saved, point: point).speedscope)
  }
}
