import Foundation
import TestSupport
import Testing

/// `ballast completions`: what bash proposes, and what is installed where.
@Suite struct CompletionTests {
  /// Runs bash on a script that has the program in `$1`, in a folder.
  private func bash(_ script: String, in folder: Folder, _ words: [String] = []) throws -> String {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/bash")
    shell.arguments = ["--norc", "-c", script, "bash", Program.path] + words
    shell.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    let output = Pipe()
    shell.standardOutput = output
    try shell.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 0)
    return String(decoding: text, as: UTF8.self)
  }

  /// What is proposed for the last word of each line.
  private func proposed(_ lines: [String], in folder: Folder) throws -> [[String]] {
    let script = """
      PATH=${1%/*}:$PATH
      source <(ballast completions bash)
      complete -p ballast >/dev/null || exit 3
      for COMP_LINE in "${@:2}"; do
        IFS=' ' read -ra COMP_WORDS <<<"$COMP_LINE"
        [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_POINT=${#COMP_LINE}; COMPREPLY=()
        _ballast ballast "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        echo "${COMPREPLY[*]}"
      done
      """
    return try bash(script, in: folder, lines).split(
      separator: "\n", omittingEmptySubsequences: false
    ).dropLast().map { $0.split(separator: " ").map(String.init) }
  }

  @Test func `bash proposes commands, options, words, lists and files`() throws {
    let folder = try Folder()
    for name in ["mine.yaml", "mine.json", "mine.txt"] { _ = try folder.add(name, "") }
    try FileManager.default.createDirectory(
      atPath: folder.path + "/models", withIntermediateDirectories: true)
    let cases: [(line: String, expected: [String])] = [
      ("ballast mea", ["measure"]), ("ballast measure --recom", ["--recompute"]),
      ("ballast measure --mode d", ["detached-prefix"]),
      ("ballast measure --model qwen3-8", ["qwen3-8b"]),
      (
        "ballast measure --model mi",
        ["mistral-7b", "mistral-7b-v0.1", "mistral-nemo-12b", "mine.json"]
      ),
      ("ballast plan --gpu h100,h", ["h100,h200"]), ("ballast measure --by op,l", ["op,layer"]),
      ("ballast check m", ["models", "mine.yaml"]), ("ballast schema r", ["recording"]),
      ("ballast compare a b --ignore thr", ["threads"]), ("ballast sweep --out", ["--output"]),
      ("ballast completions ", ["bash", "zsh", "fish"]), ("ballast measure --n-c ", []),
    ]
    let found = try proposed(cases.map(\.line), in: folder)
    #expect(found.count == cases.count)
    for (one, found) in zip(cases, found) {
      #expect(Set(found) == Set(one.expected), "\(one.line)")
    }
  }

  @Test(arguments: [
    ("bash", "data/bash-completion/completions/ballast", "bash-completion"),
    ("zsh", "data/zsh/site-functions/_ballast", "fpath=("),
    ("fish", "config/fish/completions/ballast.fish", "at once"),
  ])
  func `a script goes where its shell looks, and replaces none of others`(
    shell: String, name: String, advice: String
  ) throws {
    let folder = try Folder()
    func install(_ words: String...) throws -> Program.Result {
      try Program(
        ["completions"] + words,
        environment: [
          "SHELL": "/usr/bin/\(shell)", "HOME": folder.path,
          "XDG_DATA_HOME": folder.path + "/data", "XDG_CONFIG_HOME": folder.path + "/config",
        ]
      ).result()
    }
    let path = "\(folder.path)/\(name)"
    let text = try Program.run(["completions", shell]).output
    for _ in 1...2 {  // Its own is replaced.
      let first = try install("--install")
      #expect(first.status == 0 && first.output.isEmpty)
      #expect(first.sentence?.hasPrefix("ballast: wrote \(path); ") == true, "\(first.errors)")
      #expect(first.errors.contains(advice))
      #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
    }
    try "mine\n".write(toFile: path, atomically: true, encoding: .utf8)
    let refused = try install("--install")
    #expect(refused.status == 1 && refused.sentence?.contains("--overwrite") == true)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine\n")
    #expect(try install(shell, "--install", "--overwrite").status == 0)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
  }

  @Test(arguments: [
    ("", "name the shell"), ("tcsh", "unknown shell \"tcsh\""),
    ("bash --overwrite", "--overwrite goes with --install"), ("--install", "$SHELL is \"/bin/sh\""),
  ])
  func `what cannot be completed is wrong usage`(words: String, part: String) throws {
    let result = try Program(
      ["completions"] + words.split(separator: " ").map(String.init),
      environment: ["SHELL": "/bin/sh"]
    ).result()
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.sentence?.contains(part) == true, "\(result.errors)")
  }

  @Test func `a folder that zsh is proposed is left open`() throws {
    // ArgumentParser's script has the line that is replaced.
    let text = try Program.run(["completions", "zsh"]).output
    #expect(text.hasPrefix("#compdef ballast\n") && text.contains("compadd -S '' -f"))
  }
}
