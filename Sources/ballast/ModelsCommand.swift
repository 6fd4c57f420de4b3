import ArgumentParser
import Measurement
import Reporting
import Values

/// `ballast models`: the names that `--model` knows.
struct ModelsCommand: ParsableCommand {
  /// How the rows are printed.
  enum Format: String, AxisWord {
    case table, csv, json
  }

  static let configuration = CommandConfiguration(
    commandName: "models",
    abstract: "List the models that have a name, with their public names and sizes.",
    discussion: """
      A model's name and its public name both go with --model. Families that ballast-probe alone \
      takes are PyTorch's: ballast-probe fit, record and run count their steps, and ballast plan \
      --recording reads what fit writes. Any other model is given by its config.json, its \
      directory, or its name on the Hugging Face Hub, if it is in the cache of this machine.

      EXAMPLES
        ballast models
            the names as a table
        ballast models --format csv
            the same with exact numbers of parameters
      """)

  @Option(
    help: "How the rows are printed: \(Format.words.joined(separator: ", ")) (default: table).")
  var format: String?

  func run() throws {
    let format = try Format.given(self.format, for: "format") ?? .table
    let models = ModelSource.records
    switch format {
    case .table: try Output.show(ModelTable.text(of: models))
    case .csv: try Output.write(CSV.document(models))
    case .json: try Output.write(JSONObject.text(ofAll: models))
    }
  }
}

/// The help of `--model`.
enum ModelHelp {
  static let sources =
    "A name such as qwen3-8b (ballast models lists them), org/name in the Hugging Face cache, a "
    + "config.json, or a directory"
}
