import Files

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
  ///   - binaries: The same for what is no text, and is written by others.
  ///   - format: What `--format` was given; nil for nothing.
  ///   - inputs: The files and directories that are read, which are no outputs.
  /// - Throws: `UsageError` for two outputs on standard output, `FileConflict` for two in one
  ///   place, `FileError` for a file that cannot be written.
  init(
    _ outputs: [(option: String, path: String?)],
    binaries: [(option: String, path: String?)] = [], format: String?, from inputs: [NamedFile]
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
    try FileLists.hold(
      read: inputs,
      apartFrom: (files + binaries).compactMap { option, path in
        path.map { NamedFile(option, $0) }
      })
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
