import ArgumentParser
import Budgets
import Files
import Measurement
import Profiles
import Reporting
import Results
import Retention
import Spelling
import Values

/// `ballast check`: a profile's budgets.
struct Check: ParsableCommand {
  /// How the judgements are printed.
  enum Format: String, AxisWord {
    case table, junit, json, github
  }

  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Hold a profile's budgets against what its points keep.",
    usage: "ballast check <profile.yaml> [<options>]",
    discussion: """
      EXAMPLES
        ballast check seed.yaml
        ballast check modes.yaml --backend shape --format github
            predict the bytes in place of computing; annotate the profile's lines
        ballast check seed.yaml --update
            take the figures of now as the baseline, baselines/seed.csv
        ballast check budgets.yaml --results results/probe
            what a PyTorch model keeps, as ballast-probe or a sweep wrote it; the file needs no \
      more than budgets
        ballast check budgets.yaml --recording recordings/mine
            what a step takes of a GPU at the lengths of the file, such as n_c: [4096, 32768]

      Only the points that a budget is about are run. A budget that is exceeded is shown with the \
      tensors that are responsible, and ends with status 2. A figure that could not be had, such \
      as a gradient error on shapes, is not judged and said to be; with --strict that ends with \
      status 1, and so does a check in which nothing was judged.
      With --results only points of the profile's model and of the values that it gives are \
      judged; status 1 if there are none, or if a point of the profile that budgets are about is \
      missing.
      """)

  @Argument(
    help: ArgumentHelp("The YAML file with the budgets.", valueName: "profile.yaml"),
    completion: .file(extensions: ["yaml", "yml"]))
  var profile: String
  @Option(
    help: "How the judgements are printed: \(Format.words.joined(separator: ", ")).",
    completion: .list(Format.words))
  var format = Format.table.rawValue
  @Option(
    help: """
      Compute, or count on shapes alone: \(BackendKind.words.joined(separator: ", ")) (default: as \
      the profile says). Both give the same bytes; shapes have no gradient error.
      """,
    completion: .list(BackendKind.words))
  var backend: String?
  @Flag(help: "Replace the baseline beside the profile, and then judge.")
  var update = false
  @Flag(help: "End with status 1 if a figure that a budget is about could not be judged.")
  var strict = false
  @Option(
    help: ArgumentHelp(
      "Judge the points of a result folder or a points.csv, and run none.", valueName: "folder"),
    completion: .file(extensions: ["csv"]))
  var results: String?
  @Option(
    help: ArgumentHelp(
      """
      Judge a step that ballast-probe fit has recorded, at the n_c, n_g and batch that the \
      profile gives: peaks of a GPU, without one.
      """, valueName: "file"),
    completion: .file(extensions: ["gz", "json"]))
  var recording: String?
  @OptionGroup var memory: MemoryOption

  func run() throws {
    let given = try memory.given()
    let format = try Format.given(self.format, for: "format") ?? .table
    let backend = try BackendKind.given(self.backend, for: "backend")
    if let source = results ?? recording {
      guard results == nil || recording == nil else {
        throw UsageError("give --results or --recording, not both")
      }
      guard backend == nil, given == nil else {
        throw UsageError("\(option) runs nothing; leave --backend and --memory out")
      }
      try judge(source, as: format)
    } else {
      try measure(backend, given, as: format)
    }
  }

  /// Runs what the budgets are about, and judges it.
  private func measure(_ backend: BackendKind?, _ given: Int?, as format: Format) throws {
    let profile = try Profile(path: self.profile)
    let check = try BudgetCheck(
      profile: profile, file: self.profile, backend: backend, engine: .cpu,
      limit: MemoryLimit(given: given ?? profile.memory))
    try holdBaseline(apartFrom: profile.inputs)
    let committed = update ? nil : try check.budgets.baseline(update: self.profile)
    let measured = check.measure()
    let baseline = update ? try replaceBaseline(measured) : committed
    try conclude(check.judge(measured, against: baseline), as: format, notes: profile.notes)
  }

  /// Judges what was measured before, here or by another program.
  private func judge(_ results: String, as format: Format) throws {
    let budgets = try BudgetFile(path: profile)
    try holdBaseline(
      apartFrom: [NamedFile("the profile", profile), NamedFile(option, results)])
    let read =
      recording == nil
      ? try ResultPoints(results, ofOneOf: [.points])
      : try ResultPoints(
        RecordedResult(results, at: budgets.given.lengths(of: profile), profile: budgets.profile),
        at: results)
    let (all, notes) = try judged(read, of: budgets)
    let needed = try budgets.needed(among: all.map(\.cells), of: results)
    let measured = all.filter { needed.contains($0.cells) }
    let missing = budgets.missing(among: all.map(\.cells))
    let lack =
      missing.isEmpty
      ? nil
      : "\(results): lacks \(missing.count == 1 ? "a point" : "\(missing.count) points") that "
        + "\(profile) describes: \(missing[0])\(missing.count == 1 ? "" : ", …")"
    if update, let lack { throw Failure("the baseline stays as it was, for \(lack)") }
    let baseline =
      update
      ? try replaceBaseline(measured)
      : try budgets.baseline(update: "\(profile) \(option) \(results)")
    let judgements = budgets.judge(measured, of: measured.map(\.cells), against: baseline)
    try conclude(judgements, as: format, notes: notes)
    if let lack { throw Failure(lack) }
  }

  private var option: String { recording == nil ? "--results" : "--recording" }

  /// The points that the profile is about, and what is said of the others.
  private func judged(
    _ results: ResultPoints, of budgets: BudgetFile
  ) throws -> (points: [MeasuredPoint], notes: [String]) {
    let given = budgets.given
    let own = results.measured(of: given)
    var notes = results.strays.map { [$0] } ?? []
    let (ofModels, ofValues) = results.others(than: given)
    let words = Words.list(given.models.map { quoted($0.name) })
    guard !own.isEmpty else {
      let subject = given.models.isEmpty ? "that" : "of \(words) that"
      throw Failure(
        "\(self.results ?? recording ?? ""): holds no point \(subject) \(profile) is about; "
          + (results.nearest(to: given).map { "the nearest has \($0)" }
            ?? "it is of \(Words.list(results.models.map { quoted($0) }))"))
    }
    if ofModels > 0 {
      let which = ofModels == 1 ? "1 point of another model" : "\(ofModels) points of other models"
      notes.append("\(which) than \(words) left out")
    }
    if ofValues > 0 {
      let which = ofValues == 1 ? "1 point is" : "\(ofValues) points are"
      notes.append("\(which) left out, which \(profile) does not describe")
    }
    return (own, notes)
  }

  private func conclude(
    _ judgements: [Judgement], as format: Format, notes: [String]
  ) throws {
    switch format {
    case .table: try Output.show(BudgetTable.text(of: judgements))
    case .junit: try Output.show(BudgetFormats.junit(judgements))
    case .json: try Output.write(BudgetFormats.json(judgements))
    case .github: try Output.show(BudgetFormats.github(judgements))
    }
    try conclude(judgements, notes: notes)
  }

  /// Refuses a baseline in the place of what is read.
  private func holdBaseline(apartFrom inputs: [NamedFile]) throws(FileConflict) {
    guard update else { return }
    try FileLists.hold(
      read: inputs, apartFrom: [NamedFile("--update", Baseline.path(forProfile: profile))])
  }

  /// Writes the figures of now, unless some could not be had.
  private func replaceBaseline(_ measured: [MeasuredPoint]) throws -> Baseline {
    if let failure = measured.lazy.compactMap(\.failure).first {
      throw Failure("the baseline stays as it was, for a point could not be measured: \(failure)")
    }
    let baseline = Baseline(of: measured)
    try baseline.write(to: Baseline.path(forProfile: profile))
    return baseline
  }

  /// Ends with status 2 if a budget is exceeded, and with a failure if one cannot be judged.
  ///
  /// The `notes` come before the count and not before a failure, which is one sentence.
  private func conclude(_ judgements: [Judgement], notes: [String]) throws {
    let groups = BudgetTable.groups(of: judgements)
    let exceeded = groups.filter { $0.all.contains { $0.verdict.isExceeded } }.count
    let total = groups.count == 1 ? "1 budget" : "\(groups.count) budgets"
    let skipped = judgements.filter { $0.verdict == .notJudged }
    let share = "\(skipped.count) of \(judgements.count) figures"
    if exceeded > 0 {
      for note in notes { Output.note(note) }
      let others = skipped.isEmpty ? "" : ", and \(share) not judged"
      Output.note("\(exceeded) of \(total) exceeded\(others)")
      throw ExitCode(Status.budgetExceeded)
    }
    if let failed = judgements.first(where: { $0.verdict == .failed }) {
      throw Failure(failed.sentence)
    }
    if skipped.count == judgements.count {
      throw Failure(
        "nothing could be judged" + (skipped.first.map { ": \($0.sentence)" } ?? ""))
    }
    if strict, let first = skipped.first {
      throw Failure("\(share) could not be judged, as --strict demands; \(first.sentence)")
    }
    for note in notes { Output.note(note) }
    if let first = skipped.first { Output.note("\(share) not judged; \(first.sentence)") }
  }
}
