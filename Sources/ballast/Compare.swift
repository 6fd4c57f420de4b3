import ArgumentParser
import Budgets
import Reporting
import Results
import Spelling

/// `ballast compare`: two results side by side.
struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Put two results side by side: bytes, times, and the tensors that differ.",
    usage: "ballast compare <a> <b> [<options>]",
    discussion: """
      EXAMPLES
        ballast compare results/before results/after
        ballast compare a/ledger.csv b/ledger.csv
        ballast compare results/before results/after --fail-on-increase 2
            end with status 2 if retained, allocated or peak bytes of a point grew by more than 2 %

      A and B are two folders that 'ballast sweep' wrote, two points.csv or two ledger.csv. Points \
      are matched by every axis that both have, and by seed and repeat.

      With --fail-on-increase the status is 2 if bytes of a point grew by more, and if B lacks a \
      point or a figure that A has; 1 if no point has bytes in both.
      """)

  @Argument(
    help: ArgumentHelp("The results before.", valueName: "a"),
    completion: .file(extensions: ["csv"]))
  var before: String
  @Argument(
    help: ArgumentHelp("The results after.", valueName: "b"),
    completion: .file(extensions: ["csv"]))
  var after: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "End with status 2 if bytes grew by more than this, or are missing in B.",
      valueName: "percent"))
  var failOnIncrease: Double?
  @Option(
    help: ArgumentHelp(
      "A column that points may differ in, such as threads; may be given more than once.",
      valueName: "column"),
    completion: .list(Comparison.columns))
  var ignore: [String] = []
  @OptionGroup var table: TableOptions

  func run() throws {
    if let percent = failOnIncrease, !percent.isFinite || percent < 0 {
      throw UsageError("--fail-on-increase must be 0 or more percent")
    }
    if let unknown = ignore.first(where: { !Comparison.columns.contains($0) }) {
      let advice = Words.advice(for: unknown, among: Comparison.columns)
      throw UsageError("unknown column \(quoted(unknown)); \(advice)")
    }
    let format = try table.given()
    let results = (try ResultPoints(before), try ResultPoints(after))
    let comparison = try Comparison(results.0, results.1, ignoring: ignore)
    switch format {
    case .table:
      try Output.show(
        ComparisonTable.text(
          of: comparison.points, onlyBefore: comparison.onlyBefore,
          onlyAfter: comparison.onlyAfter))
    case .json: try Output.write(comparison.json.text + "\n")
    }
    for note in [results.0.strays, results.1.strays].compactMap(\.self) { Output.note(note) }
    guard let percent = failOnIncrease else { return }
    let worse = comparison.increases(beyond: percent) + comparison.losses
    guard let first = worse.first else {
      if let one = comparison.unheld.first {
        let count = comparison.unheld.count
        Output.note(count == 1 ? one : "\(one), and \(count - 1) more such")
      }
      guard comparison.comparesBytes else {
        throw Failure(
          "nothing could be held against --fail-on-increase: no point has bytes in both")
      }
      return
    }
    Output.note(worse.count == 1 ? first : "\(first), and \(worse.count - 1) more such")
    throw ExitCode(Status.budgetExceeded)
  }
}
