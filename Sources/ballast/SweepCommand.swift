import ArgumentParser
import Files
import Measurement
import Profiles
import Reporting
import Retention
import Spelling
import Sweep

/// `ballast sweep`: all points of a profile.
struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Run all points of a profile into a folder of CSV files.",
    usage: "ballast sweep <profile.yaml> --output <dir> [<options>]",
    discussion: """
      EXAMPLES
        ballast sweep seed.yaml --output results/seed
        ballast sweep one-layer.yaml --output results/one-layer --memory 8GiB
        ballast sweep one-layer.yaml --output results/one-layer --memory 8GiB --resume
            go on after Ctrl-C, a kill, a full disk or a power cut
        ballast sweep lengths.yaml --recording recordings/mine --output results/mine
            what a recorded step takes of a GPU at each length
        ballast sweep modes.yaml --output shards/2 --shard 2/3
            the second of three parts, to run on three machines; then see 'ballast merge --help'

      The folder gets points.csv, ledger.csv, gradients.csv and laws.csv. Each row is on disk \
      before the next point starts. Points run in a process of their own: one that crashes, or \
      runs out of memory, gets a row that says so, and the sweep goes on; its exit status is then 1.
      """)

  @Argument(
    help: ArgumentHelp("The sweep's YAML file.", valueName: "profile.yaml"),
    completion: .file(extensions: ["yaml", "yml"]))
  var profile: String
  @Option(
    help: ArgumentHelp("The folder for the results.", valueName: "dir"),
    completion: .directory)
  var output: String
  @Flag(help: "Replace results that the folder holds.")
  var overwrite = false
  @Flag(
    help: """
      Go on where the sweep in the folder stopped; starts it if there is none. Refused if the \
      profile, the program's version or --memory is another.
      """)
  var resume = false
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Points that run at once; more than 1 only for a profile without times, that is with \
      "timings: false" or on shapes alone.
      """, valueName: "n"))
  var jobs = 1
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Run part I of N, I from 1 to N. Every point of the profile is in one part; parts take about \
      as long as each other, by the work that shapes predict.
      """, valueName: "i/n"))
  var shard: String?
  @Flag(help: "Run points in this process, where a crash ends the sweep; for debuggers.")
  var inProcess = false
  @Option(
    help: ArgumentHelp(
      """
      Take the figures of a step that ballast-probe fit has recorded, at the n_c, n_g and batch \
      that the profile gives, in place of a model; nothing is run.
      """, valueName: "file"),
    completion: .file(extensions: ["gz", "json"]))
  var recording: String?
  @OptionGroup var memory: MemoryOption
  @OptionGroup var table: TableOptions

  func run() throws {
    let format = try table.given()
    if let recording { return try sweep(recording) }
    Interrupts.take()
    let given = try memory.given()
    try requireSense()
    let shard = try Shard.given(shard, for: "shard")
    let profile = try Profile(path: profile)
    try requireNoTimes(of: profile)
    try FileLists.hold(
      read: profile.inputs, apartFrom: ResultsStore.outputs(in: output, as: "--output"))
    let limit = given ?? profile.memory
    let fresh = overwrite ? ResultsStore.Opening.replace : .refuse
    let plan = shard.map { ShardPlan(of: profile.points, shards: $0.count) }
    let store = try ResultsStore(
      directory: output, of: profile, memory: limit,
      shard: shard.flatMap { shard in plan.map { (shard, $0.parts[shard.index - 1]) } },
      opening: resume ? .resume : fresh)
    for note in profile.notes { Output.note(note) }
    if let shard, let plan { Output.note(plan.summary(of: shard)) }
    if store.isComplete {
      Output.note("the sweep in \(output) is complete; there is nothing left to resume")
    }
    let sweep = SweepRun(
      profile: profile, store: store, engine: .cpu, limit: MemoryLimit(given: limit),
      execution: inProcess ? .direct : .workers(.ballast, jobs: jobs))
    Interrupts.handle { sweep.stop(signal: $0) }
    let summary = try sweep.run()
    guard !store.part.isEmpty else { return }
    let laws = summary.laws.records
    switch format {
    case .table:
      try Output.show(
        (laws.isEmpty ? "" : SweepTable.text(laws: laws, points: summary.records))
          + LengthsTable.text(summary.records))
    case .json:
      try Output.write(
        Self.json(
          series: SweepTable.json(laws: laws, points: summary.records),
          points: LengthsTable.shown(summary.records)))
    }
    // Points without figures fail the sweep whoever ran them, and whenever.
    if let complaint = summary.complaint { throw Failure(complaint) }
  }

  /// What a sweep says at its end, as data: its series, and points that are of none.
  static func json(series: JSONText = .array([]), points: [PointRecord]) -> String {
    JSONText.object(
      [("series", series), ("points", JSONObject.array(of: points))], .rows
    ).text + "\n"
  }

  private func requireSense() throws(UsageError) {
    if resume && overwrite {
      throw UsageError("--resume keeps the rows that --overwrite replaces; give one of them")
    }
    guard (1...64).contains(jobs) else { throw UsageError("--jobs must be 1 to 64, not \(jobs)") }
    if inProcess && jobs > 1 {
      throw UsageError("--jobs needs processes, which --in-process does without")
    }
  }

  /// Points beside each other share cores and caches, so their times would say nothing.
  private func requireNoTimes(of profile: Profile) throws(UsageError) {
    let isTimed = profile.takesTimes && profile.points.contains { $0.point.backend == .cpu }
    guard jobs > 1, isTimed else { return }
    throw UsageError(
      "--jobs \(jobs) would spoil the times that the profile \(quoted(profile.name)) asks for; "
        + "leave it, or write \"timings: false\" into the profile")
  }
}
