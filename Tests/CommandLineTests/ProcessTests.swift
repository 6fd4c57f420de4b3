import Foundation
import TestSupport
import Testing

/// What the program does with signals, limits and the disk.
@Suite struct ProcessTests {
  /// Resolving and planning its points takes many seconds.
  private static let large = """
    model: llama-3.1-405b
    n_c: {from: 1, to: 30000, step: 1}
    n_g: 4
    mode: [full-graph, replayed-prefix]
    backend: shape
    """

  @Test(arguments: [SIGINT, SIGTERM])
  func `a signal while points are planned ends the sweep at once`(signal: Int32) throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", Self.large)
    let program = try Program(
      ["sweep", profile, "--shard", "1/3", "--output", folder.path + "/out"])
    usleep(500_000)
    kill(program.process.processIdentifier, signal)
    let result = try program.result()
    #expect(result.status == 128 + signal && result.output.isEmpty)
    #expect(result.sentence == "ballast: stopped before any point was run", "\(result.errors)")
    // It would be there if the plan had been made first.
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/out"))
  }

  @Test func `SIGQUIT ends the program`() throws {
    let folder = try Folder()
    let program = try Program(
      "measure --model one-layer --n-c 30000 --n-g 16 --threads 1".split(separator: " ")
        .map(String.init), in: folder.path)
    usleep(300_000)
    kill(program.process.processIdentifier, SIGQUIT)
    let result = try program.result()
    #expect(result.status == -SIGQUIT && result.errors.isEmpty, "\(result.errors)")
  }

  /// Runs a line of shell, and returns what `Program` does.
  private func shell(_ line: String) throws -> (status: Int32, errors: String) {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/bash")
    shell.arguments = ["-c", line]
    let errors = Pipe()
    shell.standardError = errors
    shell.standardOutput = FileHandle.nullDevice
    try shell.run()
    let said = try errors.fileHandleForReading.readToEnd() ?? Data()
    shell.waitUntilExit()
    return (shell.terminationStatus, String(decoding: said, as: UTF8.self))
  }

  @Test func `a stack that is too small is refused`() throws {
    let measure = "exec '\(Program.path)' measure --model seed --n-c 4 --n-g 4"
    let result = try shell("ulimit -s 64; \(measure)")
    #expect(result.status == 1)
    #expect(
      result.errors == "ballast: the stack is limited to 64 KiB, and ballast needs 256 KiB; "
        + "raise it with 'ulimit -s 8192'\n")
    #expect(try shell("ulimit -s 256; \(measure)").status == 0)
  }

  private static let strace = "/usr/bin/strace"

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: strace)))
  func `gradients are on disk before they get their name, and the name after`() throws {
    let folder = try Folder()
    let file = "\(folder.path)/g.safetensors"
    let result = try shell(
      "exec \(Self.strace) -f -e trace=fsync,rename -o '\(folder.path)/log' '\(Program.path)' "
        + "measure --model seed --n-c 4 --n-g 4 --threads 1 --gradients '\(file)'")
    try #require(result.status == 0, "\(result.errors)")
    let calls = SweepFigures.text("\(folder.path)/log").matches(of: /(fsync|rename)\(/)
      .map { String($0.1) }
    #expect(calls == ["fsync", "rename", "fsync"])
  }
}
