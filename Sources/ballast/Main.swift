import ArgumentParser
import Files
import Foundation
import HuggingFace
import Measurement
import Profiles
import Retention
import Safetensors
import Spelling
import Sweep
import Threading
import Transformer
import Values

/// Parses the command line, runs a command, and turns every error into one sentence and a status.
@main
enum Main {
  /// The commands that compute steps, or start what does.
  private static let computing = ["measure", "flow", "check", "sweep", "worker"]

  static func main() {
    if computing.contains(CommandLine.arguments.dropFirst().first ?? "") { Threads.waitBriefly() }
    if let refusal = ProcessStart.prepare() { exit(complain(refusal, status: Status.failure)) }
    widenNarrowHelp()
    do {
      try RawArguments.check(Array(CommandLine.arguments.dropFirst()))
      var command = try Ballast.parseAsRoot()
      try command.run()
    } catch {
      exit(report(error))
    }
  }

  /// Overrules a width given in `COLUMNS` that leaves no room, with which the help would be empty.
  private static func widenNarrowHelp() {
    guard let text = unsafe getenv("COLUMNS"), let width = unsafe Int(String(cString: text)) else {
      return
    }
    if width < 40 { unsafe setenv("COLUMNS", "80", 1) }
  }

  /// Prints what an error has to say and returns the exit status.
  private static func report(_ error: any Error) -> Int32 {
    switch error {
    case let error as ValueError:
      return complain(RawArguments.sentence(of: error), status: Status.usage)
    case PointError.value(let error):
      return complain(RawArguments.sentence(of: error), status: Status.usage)
    case is UsageError, is PointError, is ModelError, is FileConflict:
      return complain("\(error)", status: Status.usage)
    case is ProfileError, is FileError, is ConfigurationError, is WeightsError, is TokensError,
      is SweepError, is Failure:
      return complain("\(error)", status: Status.failure)
    case is BrokenPipe: return Status.done
    case let error as ExitCode: return error.rawValue
    default: break
    }
    if Ballast.exitCode(for: error) == .success {
      // Help and version.
      try? Output.write(Ballast.fullMessage(for: error) + "\n")
      return Status.done
    }
    let message = Ballast.message(for: error).split(whereSeparator: \.isWhitespace)
      .joined(separator: " ")
    return complain(UsageError.lowercasingStart(of: message), status: Status.usage)
  }

  private static func complain(_ sentence: String, status: Int32) -> Int32 {
    let text = sentence.hasSuffix(".") ? String(sentence.dropLast()) : sentence
    let isQuestion = text.hasSuffix("?")
    let see = isQuestion ? " (see '\(helpCommand)')" : "; see '\(helpCommand)'"
    let help = status == Status.usage ? see : ""
    StandardError.write("ballast: \(printable(text.unicodeScalars))\(help)\n")
    return status
  }

  /// The help of the command that was meant, if one was named.
  private static var helpCommand: String {
    let commands = Ballast.configuration.subcommands.map { $0.configuration.commandName ?? "" }
    guard CommandLine.arguments.count > 1, commands.contains(CommandLine.arguments[1]) else {
      return "ballast --help"
    }
    return "ballast \(CommandLine.arguments[1]) --help"
  }
}

/// The program's exit statuses.
enum Status {
  static let done: Int32 = 0
  static let failure: Int32 = 1
  static let budgetExceeded: Int32 = 2
  static let usage: Int32 = 64
}

/// The command line asks for something that cannot be.
struct UsageError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }

  /// A sentence as it stands after a colon.
  static func lowercasingStart(of text: String) -> String {
    let second = text.dropFirst().first
    guard let first = text.first, first.isUppercase, second?.isLowercase ?? true else {
      return text
    }
    return first.lowercased() + text.dropFirst()
  }
}

/// The command was right, and yet it failed.
struct Failure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
