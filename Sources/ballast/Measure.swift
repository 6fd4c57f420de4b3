import ArgumentParser
import CUDAAllocator
import Files
import Measurement
import RecordedSteps
import Recordings
import Reporting
import Retention
import Spelling
import Values

/// `ballast measure`: one point.
struct Measure: ParsableCommand {
  /// How the row is printed.
  enum Format: String, AxisWord {
    case table, json, csv
  }

  static let configuration = CommandConfiguration(
    commandName: "measure",
    abstract: "Run one training step and print what it keeps.",
    discussion: """
      EXAMPLES
        ballast measure --model seed --n-c 4 --n-g 4 --loss-rows generated
        ballast measure --model one-layer --n-c 2048 --n-g 128 --mode detached-prefix \
      --format json
        ballast measure --model one-layer --layers 4 --n-c 512 --n-g 64 --ledger ledger.csv
        ballast measure --model DIR --tokens tokens.json --n-c 23 --n-g 9 \
      --gradients g.safetensors
            a model that save_pretrained wrote, on tokens of one's own
        ballast measure --model llama-3.1-8b --backend shape --n-c 8192 --n-g 512 --by op
            what dominates
        ballast measure --model one-layer --n-c 512 --n-g 64 --timeline step.json
            a picture of the step for https://ui.perfetto.dev
        ballast measure --recording recording.json.gz --by phase,op
            a step of PyTorch's, as ballast-probe record took it down
        ballast measure --recording recording.json.gz --n-c 20000 --by phase,role
            the same at another length, where ballast-probe fit has recorded laws
      """)

  @OptionGroup(title: "Point") var options: PointOptions
  @Option(
    help: """
      How the row is printed: \(Format.words.joined(separator: ", ")) (default: table; with an \
      output to -, which is standard output, the row is not printed).
      """,
    completion: .list(Format.words))
  var format: String?
  @Option(
    help: ArgumentHelp(
      "Write every saved storage to a CSV file, or to standard output with -.",
      valueName: "file.csv"),
    completion: .file(extensions: ["csv"]))
  var ledger: String?
  @Option(
    help: ArgumentHelp(
      "Write the row as one JSON object to a file, or to standard output with -.",
      valueName: "file"),
    completion: .file(extensions: ["json"]))
  var json: String?
  @Option(
    help: ArgumentHelp(
      "Write the gradients of all trained parameters, in float32, under Hugging Face names.",
      valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var gradients: String?
  @Option(
    help: ArgumentHelp(
      """
      Write how far every parameter's gradient is from the exact one to a CSV file, or to standard \
      output with -.
      """, valueName: "file.csv"),
    completion: .file(extensions: ["csv"]))
  var gradientErrors: String?
  @Flag(
    help: """
      Run the step alone, and not the exact one whose gradient it is compared with; of long steps \
      that takes longer than the step.
      """)
  var noReference = false
  @Option(
    help: ArgumentHelp(
      """
      Add totals of the retained bytes to the table or the JSON, by \
      \(TotalsKey.words.joined(separator: ", ")), of a recorded step also by role and phase; \
      several, separated by commas.
      """, valueName: "word"),
    completion: .list(of: RecordedKey.words))
  var by: String?
  @Option(
    help: ArgumentHelp(
      """
      Of a recipe: write PyTorch's step, allocation by allocation, as a file for --recording and \
      ballast allocator, on the GPU of --gpu or else on a CPU; - for standard output.
      """, valueName: "file.json"),
    completion: .file(extensions: ["json"]))
  var stream: String?
  @OptionGroup(title: "Pictures of one step") var traces: TraceOptions
  @OptionGroup(title: "A recorded step") var recording: RecordingOptions

  func run() throws {
    if let recorded = try recording.recorded(
      memory: try options.memory.given(), at: recordedLengths, besides: pointOptions,
      isForStream: stream != nil)
    {
      return try show(recorded)
    }
    let parsed = try options.parsed()
    let planned = parsed.planned
    let limit = MemoryLimit(given: try options.memory.given()).bytes(for: planned.point.backend)
    let format = try Format.given(self.format, for: "format") ?? .table
    for (option, path) in [("--gradients", gradients), ("--gradient-errors", gradientErrors)]
    where path != nil && planned.point.backend == .shape {
      throw UsageError("\(option) needs --backend cpu; on shapes nothing is computed")
    }
    if noReference, gradientErrors != nil {
      throw UsageError(
        "--gradient-errors compares with the exact gradient; leave --no-reference out")
    }
    if gradients == "-" {
      throw UsageError("--gradients needs a file, since safetensors are no text to print; not -")
    }
    let stream = try stream.map { _ in
      try RecipeStream(planned.point, on: recording.gpu.map(GPU.given))
    }
    let texts =
      [
        ("--ledger", ledger), ("--gradient-errors", gradientErrors), ("--json", json),
        ("--stream", self.stream),
      ]
      + traces.texts
    let binaries = [("--gradients", gradients), ("--snapshot", traces.snapshot)]
    try traces.requireFile()
    let outputs = try Outputs(
      texts, binaries: binaries, format: self.format, from: options.inputs)
    let snapshotFile = try traces.snapshotFile()
    let gradientFile = try gradients.map { try GradientFile($0) }
    let totals = try totals(isPrinted: format != .csv && outputs.printsRow)
    let recorder = traces.recorder(for: planned.point)

    let runner = PointRunner(
      engine: .cpu, limit: limit, points: [planned], tokens: parsed.tokens,
      listsGradients: gradientErrors != nil, comparesGradients: !noReference)
    let outcome = runner.run(
      planned, profile: nil, gradients: gradientFile, observers: recorder.map { [$0] } ?? [])
    if let sentence = outcome.record.error { throw Failure(sentence) }

    let record = outcome.record
    try outputs.write("--ledger", CSV.document(LedgerRecord.rows(of: outcome.saved, in: record)))
    try outputs.write(
      "--gradient-errors", CSV.document(GradientRecord.rows(of: outcome.gradients, in: record)))
    try outputs.write("--json", JSONObject.text(of: record))
    if let stream { try outputs.write("--stream", stream.json) }
    try traces.write(outcome, recorder, to: outputs, snapshot: snapshotFile)
    if outputs.printsRow {
      let each = format == .table ? try? Predictor(engine: .cpu).sequences(of: planned.point) : nil
      let group = format == .table ? try? Predictor(engine: .cpu).groupLaw(of: planned.point) : nil
      let text =
        text(of: outcome, as: format, with: totals)
        + (each.map { SequenceTable.text($0) } ?? "")
        + (group.map { GroupTable.text(of: $0, at: planned.point) } ?? "")
        + (format == .table ? tables(of: outcome, totals) : "")
      try format == .table ? Output.show(text) : Output.write(text)
    }
    // After everything that can fail, so that a failure stays one sentence.
    for note in parsed.notes { Output.note(note) }
    if planned.point.recipe != .ballast, traces.timeline != nil || traces.snapshot != nil {
      Output.note(
        "a recipe's timeline and snapshot are of what its ops hold; PyTorch's own order of "
          + "releases, of which the peak is, is in --stream FILE, for measure --recording FILE"
      )
    }
  }

  /// What to add up by.
  private func totals(isPrinted: Bool) throws -> [TotalsKey] {
    try totalsWords(isPrinted: isPrinted).map { try TotalsKey($0, for: "by") }
  }

  /// The words of `--by`, each once.
  func totalsWords(isPrinted: Bool) throws -> [String] {
    guard let by else { return [] }
    guard isPrinted else {
      throw UsageError(
        "--by adds to what is printed, as a table or JSON; leave --format csv and outputs to - out")
    }
    let words = by.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard words.allSatisfy({ !$0.isEmpty }) else {
      throw UsageError("--by \(quoted(by)) has an empty name; write it as --by op,layer")
    }
    if let twice = words.indices.first(where: { words[..<$0].contains(words[$0]) }) {
      throw UsageError("--by names \(quoted(words[twice])) more than once; name it once")
    }
    return words
  }

  private func tables(of outcome: PointOutcome, _ totals: [TotalsKey]) -> String {
    totals.map { "\n" + TotalsTable.text(of: outcome.saved, by: $0) }.joined()
  }

  /// A row as one object; totals, if any are asked for, are its last member.
  static func json(of record: PointRecord, with totals: [(name: String, value: JSONText)]) -> String
  {
    guard !totals.isEmpty else { return JSONObject.text(of: record) }
    let members = JSONObject.members(of: record) + [("by", .object(totals, .lines(4, close: 2)))]
    return JSONText.object(members, .lines(2)).text + "\n"
  }

  private func text(
    of outcome: PointOutcome, as format: Format, with totals: [TotalsKey]
  ) -> String {
    switch format {
    case .table: PointTable.text(of: outcome.record, gradients: outcome.gradients)
    case .json:
      Self.json(
        of: outcome.record,
        with: totals.map { ($0.rawValue, TotalsTable.json(of: outcome.saved, by: $0)) })
    case .csv: CSV.document([outcome.record])
    }
  }
}
