import Foundation
import TestSupport
import Testing

/// Standard streams that are full, closed or without a reader, and outputs that collide.
@Suite struct StreamTests {
  /// Runs a line of bash, with the program as `$B`, and returns its status and standard output.
  private func shell(_ line: String, in folder: Folder) throws -> (status: Int32, output: String) {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/bash")
    shell.arguments = ["-c", line]
    shell.environment = ProcessInfo.processInfo.environment.merging(["B": Program.path]) { $1 }
    shell.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    shell.standardInput = FileHandle.nullDevice
    shell.standardError = FileHandle.nullDevice
    let output = Pipe()
    shell.standardOutput = output
    try shell.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    shell.waitUntilExit()
    return (shell.terminationStatus, String(decoding: data, as: UTF8.self))
  }

  @Test(
    arguments: [
      ("\"$B\" measure --n-c -1 2>/dev/full", 64),
      ("\"$B\" measure --n-c -1 2>&-", 64),
      ("(sleep 0.3; exec \"$B\" measure --n-c -1) 2>&1 | true; exit ${PIPESTATUS[0]}", 64),
      ("\"$B\" sweep missing.yaml --output out 2>/dev/full", 1),
      ("\"$B\" measure --model seed --n-c 4 --n-g 4 --backend shape >&-", 1),
    ] as [(String, Int32)])
  func `a stream that cannot be written changes no status`(line: String, status: Int32) throws {
    #expect(try shell(line, in: Folder()).status == status)
  }

  @Test func `with all streams closed results hold rows alone`() throws {
    let folder = try Folder()
    _ = try folder.add("p.yaml", "model: seed\nn_c: 4\nn_g: 4\nbackend: shape\n")
    _ = try shell("\"$B\" sweep p.yaml --output out >&- 2>&- <&-", in: folder)
    let points = try String(contentsOfFile: folder.path + "/out/points.csv", encoding: .utf8)
    let lines = points.split(separator: "\n")
    #expect(lines.count == 2 && lines[0].hasPrefix("schema,") && lines[1].hasPrefix("1,p,seed,"))
  }

  @Test(
    arguments: [
      "--json X --ledger X", "--json X --ledger ./X", "--json X --gradients X",
      "--json X --ledger link", "--json kept --ledger hard",
    ])
  func `two outputs of one name are refused`(outputs: String) throws {
    let folder = try Folder()
    let kept = try folder.add("kept", "before")
    try FileManager.default.linkItem(atPath: kept, toPath: folder.path + "/hard")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/link", withDestinationPath: "X")
    let result = try Program.run(
      "measure --model seed --n-c 4 --n-g 4 \(outputs)".split(separator: " ").map(String.init),
      in: folder.path)
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.sentence?.contains("name the same file") == true, "\(result.errors)")
    #expect(try String(contentsOfFile: kept, encoding: .utf8) == "before")
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/X"))
  }

  @Test func `a killed measure leaves no temporary file`() throws {
    let folder = try Folder()
    let program = try Program(
      "measure --model one-layer --n-c 16384 --n-g 16 --threads 1 --ledger l.csv --json r.json"
        .split(separator: " ").map(String.init), in: folder.path)
    usleep(300_000)
    kill(program.process.processIdentifier, SIGKILL)
    #expect(try program.result().status == -SIGKILL)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test func `a pipe with a name gets the whole row`() throws {
    let (status, output) = try shell(
      "mkfifo f; cat f & \"$B\" measure --model seed --n-c 4 --n-g 4 --backend shape --json f"
        + " >/dev/null && wait", in: Folder())
    #expect(status == 0 && output.hasPrefix("{") && output.hasSuffix("}\n"))
  }

  @Test func `an empty path is no profile`() throws {
    let result = try Program.run(["sweep", "", "--output", "/nowhere/out"])
    #expect(result.status == 1)
    #expect(result.sentence == "ballast: the profile's path is empty")
  }
}

/// What memory leaves unmeasured.
@Suite struct MemoryTests {
  @Test func `no saving is shown without the gradient error at that length`() throws {
    let folder = try Folder()
    let profile = try folder.add(
      "p.yaml", "model: one-layer\nn_c: [128, 512]\nn_g: 16\nmode: [full-graph, detached-prefix]\n")
    func table(_ memory: String) throws -> Program.Result {
      try Program.run(
        ["sweep", profile, "--output", folder.path + "/" + memory, "--memory", memory])
    }
    let tight = try table("95200000")
    #expect(tight.status == 1 && tight.sentence?.contains("over-limit") == true)
    #expect(!tight.output.contains("%") && tight.output.contains("–    not measured"))
    let wide = try table("300MiB")
    #expect(wide.output.contains("%") && !wide.output.contains("not measured"))
  }

  @Test func `measure says that the exact gradient could not be had`() throws {
    let result = try Program.run(
      "measure --model one-layer --n-c 512 --n-g 16 --mode detached-prefix --memory 110MiB"
        .split(separator: " ").map(String.init))
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("not measured: the exact gradient needs more"))
    #expect(!result.output.contains("gradient cosine"))
  }

  @Test func `shapes are judged by a memory that is given, and by no other`() throws {
    let point = "measure --model llama-3.1-405b --n-c 8192 --n-g 16 --backend shape"
      .split(separator: " ").map(String.init)
    #expect(try Program.run(point).status == 0)
    let result = try Program.run(point + ["--memory", "80GiB"])
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.sentence?.contains("more than the limit") == true, "\(result.errors)")

    let folder = try Folder()
    let profile = try folder.add("p.yaml", "model: seed\nn_c: 4\nn_g: 4\nbackend: shape\n")
    let sweep = try Program.run(
      ["sweep", profile, "--output", folder.path + "/out", "--memory", "1KiB"])
    #expect(sweep.status == 1, "\(sweep.output)")
    let points = try String(contentsOfFile: folder.path + "/out/points.csv", encoding: .utf8)
    #expect(points.contains(",over-limit,"))
  }
}
