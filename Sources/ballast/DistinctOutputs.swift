import Files
import Foundation

/// What a command writes beside the row that it prints: each into a file, or one printed.
///
/// The path `-` is standard output, which holds one thing alone: the row is then not printed. A
/// file of that name is `./-`.
struct Outputs {
  /// Whether the row is printed.
  let printsRow: Bool
  private let destinations: [String: Destination]

  private enum Destination {
    case file(PendingFile)
    case standardOutput
  }

  /// Looks at the places before anything runs.
  ///
  /// - Parameters:
  ///   - outputs: The options and what was given for them; nil for nothing.
  ///   - format: What `--format` was given; nil for nothing.
  ///   - inputs: The files and directories that are read, which are no outputs.
  /// - Throws: `UsageError` for two outputs in one place, `FileError` for a file that cannot be
  ///   written.
  init(
    _ outputs: [(option: String, path: String?)], format: String?,
    from inputs: [(option: String, path: String?)]
  ) throws {
    let toStandardOutput = outputs.filter { $0.path == "-" }.map(\.option)
    let others = toStandardOutput.dropFirst() + (format == nil ? [] : ["--format"])
    if let first = toStandardOutput.first, let other = others.first {
      throw UsageError(
        "\(first) and \(other) would both write to standard output; give one of them alone, or "
          + "\(first) a file")
    }
    printsRow = toStandardOutput.isEmpty
    let files = outputs.filter { $0.path != "-" }
    try PendingFile.requireDistinct(files, from: inputs)
    var destinations: [String: Destination] = [:]
    for option in toStandardOutput { destinations[option] = .standardOutput }
    for (option, path) in files {
      if let path { destinations[option] = .file(try PendingFile(path)) }
    }
    self.destinations = destinations
  }

  /// Writes an option's text, if it was given.
  func write(_ option: String, _ text: @autoclosure () -> String) throws {
    switch destinations[option] {
    case .file(let file): try file.commit(text())
    case .standardOutput: try Output.write(text())
    case nil: break
    }
  }
}

extension PendingFile {
  /// Refuses one file for two outputs, of which the first would be lost, and an input as an output.
  ///
  /// Of a directory among the `inputs` every file in it is one.
  static func requireDistinct(
    _ outputs: [(option: String, path: String?)], from inputs: [(option: String, path: String?)]
  ) throws(UsageError) {
    var options: [String: String] = [:]
    for (option, path) in inputs {
      guard let path else { continue }
      let inside = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      for file in [path] + inside.map({ "\(path)/\($0)" }) {
        if let identity = identity(of: file) { options[identity] = option }
      }
    }
    for (option, path) in outputs {
      guard let path, let identity = identity(of: path) else { continue }
      if let other = options.updateValue(option, forKey: identity) {
        throw UsageError("\(other) and \(option) name the same file, \(quoted(path))")
      }
    }
  }
}
