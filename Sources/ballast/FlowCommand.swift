import ArgumentParser
import Measurement
import Reporting
import Retention
import Values

/// `ballast flow`: who gets gradient from where.
struct FlowCommand: ParsableCommand {
  /// How the rows are printed.
  enum Format: String, AxisWord {
    case table, csv, json
  }

  static let configuration = CommandConfiguration(
    commandName: "flow",
    abstract: "Run one training step and show which weight gets gradient from which rows.",
    discussion: """
      For every trained weight: the norm of its gradient's part from prefix rows (rows 0 to \
      n_c − 1), from the boundary row n_c − 1 alone (next-token loss rows only), from generated \
      rows, and of all; the prefix's share, its norm over the sum of both, which is 0 if it gives \
      nothing and 1 if all comes from it; and the cosine between both parts. What is exactly zero \
      is shown as "none".

      Weights are E, P (learned positions), norm, W_Q, W_K, W_V, W_O, W_gate, W_up, W_down, U, and \
      b_… for biases. GPT-2's joint c_attn counts as W_Q, W_K and W_V; a tied embedding as E where \
      tokens are looked up and as U where logits are made.

      EXAMPLES
        ballast flow --model seed --n-c 4 --n-g 4 --loss-rows generated
        ballast flow --model seed --layers 3 --n-c 24 --n-g 8 --positions positions.csv
            which rows feed which weight, row by row
      """)

  @OptionGroup(title: "Point") var options: PointOptions
  @Option(
    help: """
      How the rows are printed: \(Format.words.joined(separator: ", ")) (default: table; with an \
      output to -, which is standard output, they are not printed).
      """,
    completion: .list(Format.words))
  var format: String?
  @Option(
    help: ArgumentHelp(
      "Write a row for every weight to a CSV file, or to standard output with -.",
      valueName: "file.csv"),
    completion: .file(extensions: ["csv"]))
  var csv: String?
  @Option(
    help: ArgumentHelp(
      """
      Write the norm of every single row's part to a CSV file, or to standard output with -: \
      layer, weight, position, norm; weights of one name in a layer, such as its norms, count \
      together.
      """, valueName: "file.csv"),
    completion: .file(extensions: ["csv"]))
  var positions: String?

  func run() throws {
    let parsed = try options.parsed()
    let planned = parsed.planned
    let limit = MemoryLimit(given: try options.memory.given()).bytes(for: planned.point.backend)
    let format = try Format.given(self.format, for: "format") ?? .table
    if planned.point.backend == .shape {
      throw UsageError("flow needs --backend cpu; on shapes nothing is computed")
    }
    let outputs = try Outputs(
      [("--csv", csv), ("--positions", positions)], format: self.format, from: options.inputs)

    let runner = FlowRunner(engine: .cpu, limit: limit, tokens: parsed.tokens)
    let flow: Flow
    do { flow = try runner.run(planned, measuresPositions: positions != nil) } catch {
      throw Failure("\(error)")
    }
    try outputs.write("--csv", CSV.document(FlowRecord.rows(of: flow)))
    try outputs.write("--positions", CSV.document(PositionRecord.rows(of: flow)))
    if outputs.printsRow {
      let text = text(of: flow, as: format)
      try format == .table ? Output.show(text) : Output.write(text)
    }
    // After everything that can fail, so that a failure stays one sentence.
    for note in parsed.notes { Output.note(note) }
  }

  private func text(of flow: Flow, as format: Format) -> String {
    switch format {
    case .table: FlowTable.text(of: flow)
    case .csv: CSV.document(FlowRecord.rows(of: flow))
    case .json: JSONObject.text(ofAll: FlowRecord.rows(of: flow))
    }
  }
}
