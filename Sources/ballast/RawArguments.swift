import ArgumentParser
import Spelling
import Values

/// What the parser lets pass or says badly, looked at before it: the first word, and repetitions.
enum RawArguments {
  /// Options that may be given more than once: lists, and flags, which mean the same twice.
  private static let repeatable: Set<String> = [
    "--ignore", "--overwrite", "--resume", "--in-process", "--install", "--update", "--strict",
    "--allow-gaps", "--allow-duplicates", "--allow-versions",
  ]

  /// The commands' names, but for those that are not shown.
  private static var commands: [String] {
    Ballast.configuration.subcommands.filter { $0.configuration.shouldDisplay }
      .compactMap { $0.configuration.commandName }
  }

  /// Checks the arguments after the program's name.
  ///
  /// - Throws: `UsageError` for a first word that is no command, and for an option given twice, of
  ///   which the parser would take the last without a word.
  static func check(_ arguments: [String]) throws(UsageError) {
    guard let first = arguments.first, !first.hasPrefix("-") else { return }
    if first == "help" { return try checkHelp(about: arguments.dropFirst()) }
    try requireCommand(first)
    let options = arguments.dropFirst().prefix { $0 != "--" }.filter { $0.hasPrefix("-") }
    // Help is shown whatever stands beside it.
    guard !options.contains("--help"), !options.contains("-h") else { return }
    try refuseEmpty(arguments)
    var seen: Set<Substring> = []
    for option in options where option.hasPrefix("--") {
      let name = option.prefix { $0 != "=" }
      if !seen.insert(name).inserted, !repeatable.contains(String(name)) {
        throw UsageError("\(printable(name.unicodeScalars)) is given more than once; give it once")
      }
    }
  }

  /// Checks what stands after `help`: nothing, or the name of one command.
  ///
  /// The parser shows the help of the whole for a name that is none, and ends as if all were well.
  private static func checkHelp(about words: ArraySlice<String>) throws(UsageError) {
    let names = words.filter { !$0.hasPrefix("-") }
    if let name = names.first, name != "help" { try requireCommand(name) }
    guard names.count <= 1 else {
      throw UsageError("help is about one command; \(quoted(names[1], with: "'")) is one too many")
    }
  }

  private static func requireCommand(_ name: String) throws(UsageError) {
    let all = Ballast.configuration.subcommands.compactMap { $0.configuration.commandName }
    guard all.contains(name) else {
      let start = "there is no command \(quoted(name, with: "'")); "
      guard let nearest = Words.nearest(to: name, among: commands) else {
        throw UsageError(start + "the commands are \(commands.joined(separator: ", "))")
      }
      throw UsageError(start + "did you mean \(nearest)?")
    }
  }

  /// Refuses an option with an empty text, which no option has a meaning for.
  ///
  /// It comes of a variable that is not set, as in `--lora "$LORA"`, and would be taken for the
  /// default.
  private static func refuseEmpty(_ arguments: [String]) throws(UsageError) {
    var before = ""
    for argument in arguments.dropFirst().prefix(while: { $0 != "--" }) {
      let isGlued = argument.hasPrefix("--") && argument.hasSuffix("=")
      if isGlued || argument.isEmpty && before.hasPrefix("--") && !before.contains("=") {
        let option = isGlued ? String(argument.dropLast()) : before
        throw UsageError(
          "\(printable(option.unicodeScalars)) is given an empty text, as of a variable that is "
            + "not set; give it a value, or leave it out")
      }
      before = argument
    }
  }

  /// An error in the words of the command line, if it is about one of its options.
  static func sentence(of error: ValueError) -> String {
    let name = ValueName(option: error.name)
    let isGiven = CommandLine.arguments.contains {
      $0 == name.subject || $0.hasPrefix("\(name.subject)=")
    }
    return error.sentence(as: isGiven ? name : ValueName(error.name))
  }
}
