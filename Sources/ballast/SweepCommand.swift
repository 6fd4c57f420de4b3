import ArgumentParser
import Reporting
import Retention
import Sweep

/// `ballast sweep`: all points of a profile.
struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Run all points of a profile into a folder of CSV files.",
    discussion: """
      EXAMPLES
        ballast sweep profiles/seed.yaml --output results/seed
        ballast sweep profiles/one-layer.yaml --output results/one-layer --memory 8GiB

      The folder gets points.csv, ledger.csv, gradients.csv and laws.csv. Each row is on disk before the next \
      point starts; Ctrl-C keeps what was measured.
      """)

  @Argument(help: ArgumentHelp("The sweep's YAML file.", valueName: "profile.yaml"))
  var profile: String
  @Option(help: ArgumentHelp("The folder for the results.", valueName: "dir"))
  var output: String
  @Flag(help: "Replace results that the folder holds.")
  var overwrite = false
  @OptionGroup var memory: MemoryOption

  func run() throws {
    Interrupts.hold()
    let given = try memory.given()
    let profile = try Profile(path: profile)
    let store = try ResultsStore(directory: output, overwrites: overwrite)
    for note in profile.notes { Output.note(note) }
    let sweep = SweepRun(
      profile: profile, store: store, engine: .cpu,
      limit: MemoryLimit(given: given ?? profile.memory))
    Interrupts.handleFirst { sweep.stop(signal: $0) }
    let summary = try sweep.run()
    try Output.write(SweepTable.text(laws: summary.laws.records, points: summary.records))
    try judge(summary)
  }

  /// Fails if a figure contradicts another, or if nothing could be measured at all.
  private func judge(_ summary: SweepSummary) throws {
    let total = summary.records.count
    let failed = summary.records.filter { $0.status == .failed }
    if let first = failed.first {
      throw Failure(
        "\(failed.count) of \(total) points failed; the first: \(first.error ?? "no reason")")
    }
    if let first = summary.laws.disagreements.first {
      let others = summary.laws.disagreements.count - 1
      throw Failure(others == 0 ? first : "\(first) (and \(others) more such)")
    }
    let refused = summary.records.filter { $0.status != .ok }
    guard let first = refused.first else { return }
    if refused.count == total {
      throw Failure(
        "none of the \(total) points could be measured; the first: \(first.error ?? "no reason")")
    }
    Output.note("\(refused.count) of \(total) points did not fit; see status in points.csv")
  }
}
