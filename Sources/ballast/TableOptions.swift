import ArgumentParser
import Values

/// How a table is printed, of commands that have no more to say of it.
enum TableFormat: String, AxisWord {
  case table, json
}

/// The option of such a command.
struct TableOptions: ParsableArguments {
  @Option(
    help: """
      How the table is printed: \(TableFormat.words.joined(separator: ", ")) (default: table).
      """,
    completion: .list(TableFormat.words))
  var format: String?

  func given() throws(ValueError) -> TableFormat {
    try TableFormat.given(format, for: "format") ?? .table
  }
}
