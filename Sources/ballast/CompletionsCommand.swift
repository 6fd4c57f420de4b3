import ArgumentParser
import Files
import Foundation
import Spelling
import Values

/// `ballast completions`: what a shell knows of the commands.
struct CompletionsCommand: ParsableCommand {
  /// A shell that completes.
  enum Shell: String, AxisWord {
    case bash, zsh, fish
  }

  static let configuration = CommandConfiguration(
    commandName: "completions",
    abstract: "Print a shell's completion of commands, options and their values, or install it.",
    usage: "ballast completions <shell> [--install]",
    discussion: """
      EXAMPLES
        source <(ballast completions bash)
            for this shell alone; in zsh the same with zsh, and in fish:
            ballast completions fish | source
        ballast completions --install
            for every new shell of the kind that $SHELL names
      """)

  @Argument(
    help: ArgumentHelp(
      "The shell: \(Shell.words.joined(separator: ", ")) (default with --install: that of $SHELL).",
      valueName: "shell"),
    completion: .list(Shell.words))
  var shell: String?
  @Flag(help: "Write the script where the shell looks for it.")
  var install = false
  @Flag(help: "With --install, replace a file that Ballast did not write.")
  var overwrite = false

  func run() throws {
    let shell = try Shell.given(self.shell, for: "shell")
    if install { return try Self.install(shell ?? Self.ofUser(), overwrites: overwrite) }
    guard !overwrite else { throw UsageError("--overwrite goes with --install") }
    guard let shell else {
      throw UsageError("name the shell: \(Shell.words.joined(separator: ", ")); or give --install")
    }
    try Output.write(CompletionScript(for: shell).text)
  }

  /// The shell that the environment names.
  private static func ofUser() throws(UsageError) -> Shell {
    let path = CompletionScript.environment("SHELL") ?? ""
    let name = URL(fileURLWithPath: path).lastPathComponent
    guard let shell = Shell(rawValue: name) else {
      let what = path.isEmpty ? "is not set" : "is \(quoted(path))"
      throw UsageError(
        "$SHELL \(what); name one of \(Shell.words.joined(separator: ", ")) beside --install")
    }
    return shell
  }

  private static func install(_ shell: Shell, overwrites: Bool) throws {
    let script = CompletionScript(for: shell)
    let folder = try script.folder()
    let path = Paths.join(folder, script.name)
    if Paths.exists(path), !overwrites, !CompletionScript.isOurs(path) {
      throw Failure("\(path) was not written by ballast; replace it with --overwrite")
    }
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw Failure("cannot make the folder \(folder)")
    }
    try PendingFile(path).commit(script.text)
    Output.note("wrote \(path); \(script.advice(for: folder))")
  }
}

/// A completion script: ArgumentParser's, with a line that says whose it is.
struct CompletionScript {
  /// How a file of ours is known.
  static let mark = "# Written by 'ballast completions', which replaces it."

  private let shell: CompletionsCommand.Shell

  init(for shell: CompletionsCommand.Shell) { self.shell = shell }

  var text: String {
    switch shell {
    case .bash: marked(Ballast.completionScript(for: .bash))
    case .fish: "\(Self.mark)\n\(Ballast.completionScript(for: .fish))\n"
    case .zsh: marked(Self.withOpenFolders(Ballast.completionScript(for: .zsh)))
    }
  }

  /// The mark stands below the first line, which says what the script is.
  private func marked(_ script: String) -> String {
    let end = script.firstIndex(of: "\n") ?? script.endIndex
    return "\(script[..<end])\n\(Self.mark)\(script[end...])\n"
  }

  /// In zsh a folder that the program proposes is followed by no space, as one of zsh's own.
  private static func withOpenFolders(_ script: String) -> String {
    script.replacing(
      #"__ballast_complete "${completions[@]:0:-1}""#,
      with: #"""
        completions=("${completions[@]:0:-1}")
                local -ar folders=("${(M)completions[@]:#*/}")
                [[ "${#folders[@]}" -gt 0 ]] && compadd -S '' -f -- "${folders[@]}"
                __ballast_complete "${completions[@]:#*/}"
        """#)
  }

  // MARK: Its place

  var name: String {
    switch shell {
    case .bash: "ballast"
    case .zsh: "_ballast"
    case .fish: "ballast.fish"
    }
  }

  /// Where the shell looks for scripts of a user.
  func folder() throws(Failure) -> String {
    switch shell {
    case .bash: try Self.home("XDG_DATA_HOME", ".local/share") + "/bash-completion/completions"
    case .zsh: try Self.home("XDG_DATA_HOME", ".local/share") + "/zsh/site-functions"
    case .fish: try Self.home("XDG_CONFIG_HOME", ".config") + "/fish/completions"
    }
  }

  /// What the user does for it to count.
  func advice(for folder: String) -> String {
    switch shell {
    case .bash: "new shells with the package bash-completion take it"
    case .fish: "fish takes it at once"
    case .zsh: "put fpath=(\(folder) $fpath) into ~/.zshrc, above its compinit, if it is not there"
    }
  }

  private static func home(_ variable: String, _ fallback: String) throws(Failure) -> String {
    if let folder = environment(variable), folder.hasPrefix("/") { return folder }
    guard let home = environment("HOME"), home.hasPrefix("/") else {
      throw Failure("HOME names no folder, so that there is no place to install to")
    }
    return Paths.join(home, fallback)
  }

  /// A variable of the environment that is not empty.
  static func environment(_ name: String) -> String? {
    ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// Whether a file is one that was written here.
  static func isOurs(_ path: String) -> Bool {
    guard let text = try? OpenedFile.text(path, most: 4 << 20) else { return false }
    return text.split(separator: "\n", maxSplits: 2).prefix(2).contains { $0 == mark }
  }
}
