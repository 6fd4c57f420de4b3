import ArgumentParser
import Files
import RecordedLaws
import RecordedSteps
import Recordings
import Reporting
import Retention
import Spelling
import Traces
import Values

extension Measure {
  /// Prints the row of a recorded step, and writes what was asked for.
  func show(_ recorded: RecordingOptions.Recorded) throws {
    let format = try Format.given(self.format, for: "format") ?? .table
    try traces.requireFile()
    let outputs = try Outputs(
      [("--ledger", ledger), ("--json", json)] + traces.texts,
      binaries: [("--snapshot", traces.snapshot)], format: self.format,
      from: [NamedFile("--recording", recorded.path)])
    let snapshotFile = try traces.snapshotFile()
    let keys = try totalsWords(isPrinted: format != .csv && outputs.printsRow)
      .map { try RecordedKey($0, for: "by") }

    let step = recorded.step
    let record: PointRecord
    do throws(RecordingFault) { record = try step.record() } catch { throw error.of(recorded.path) }
    let rows = step.ledger(of: record)
    try outputs.write("--ledger", CSV.document(rows))
    try outputs.write("--json", JSONObject.text(of: record))
    try outputs.write("--timeline", step.timeline)
    try snapshotFile?.commit(step.snapshot)
    try outputs.write("--stacks", Stacks(of: rows, point: record.point).collapsed)
    try outputs.write("--speedscope", Stacks(of: rows, point: record.point).speedscope)
    if outputs.printsRow {
      switch format {
      case .table:
        try Output.show(
          step.table(of: record) + keys.map { "\n" + step.totals(by: $0) }.joined())
      case .json:
        let totals = keys.map { (name: $0.rawValue, value: step.totalsJSON(by: $0)) }
        try Output.write(Self.json(of: record, with: totals))
      case .csv: try Output.write(CSV.document([record]))
      }
    }
    for note in recorded.notes + step.verdict { Output.note(note) }
    if recorded.isAskedToFit, !step.fits { throw ExitCode(Status.budgetExceeded) }
  }

  /// Options that were given and say something about a point that is run.
  var pointOptions: [String] {
    let files = [
      ("--model", options.model), ("--weights", options.weights), ("--tokens", options.tokens),
      ("--gradients", gradients), ("--gradient-errors", gradientErrors), ("--stream", stream),
    ]
    return files.filter { $0.1 != nil }.map(\.0) + (noReference ? ["--no-reference"] : [])
      + options.axes.texts.filter { RecordedLaws.Variable(rawValue: $0.axis.name) == nil }
      .map { "--\($0.axis.option)" }
  }

  /// Lengths that were given, which go with a recording too.
  var recordedLengths: [(variable: RecordedLaws.Variable, text: String)] {
    options.axes.texts.compactMap { axis, text in
      RecordedLaws.Variable(rawValue: axis.name).map { ($0, text) }
    }
  }
}
