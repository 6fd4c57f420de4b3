import ArgumentParser
import Schemas
import Values

/// `ballast schema`: what editors know of a file.
struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema",
    abstract: "Print the JSON Schema of a kind of file, for editors that complete and check it.",
    usage: "ballast schema <kind>",
    discussion: """
      EXAMPLES
        ballast schema profile > profile.schema.json
            and at the start of a profile beside it, for editors with a YAML language server:
            # yaml-language-server: $schema=profile.schema.json
        ballast schema gpu
            the keys of a GPU of your own, for --gpu FILE.json

      A schema is of draft 2020-12. It knows keys, words and ranges; what goes together in a point \
      is said by the command that reads the file.
      """)

  @Argument(
    help: ArgumentHelp(
      "The kind of file: \(FileSchema.words.joined(separator: ", ")).", valueName: "kind"),
    completion: .list(FileSchema.words))
  var kind: String

  func run() throws { try Output.write(FileSchema(kind, for: "kind").text) }
}
