import Foundation
import TestSupport
import Testing

/// Sweeps in processes of their own, as a user sees them.
@Suite struct WorkerTests {
  private static let text = """
    model: seed
    n_c: [3, 5, 9]
    n_g: 2
    mode: [full-graph, detached-prefix]
    keep_prefix: [0, 1]
    threads: 1
    """

  @Test func `where points run, and how many at once, changes no figure`() throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", Self.text + "\ntimings: false\n")
    for (name, options) in [
      ("alone", []), ("direct", ["--in-process"]), ("beside", ["--jobs", "3"]),
    ] {
      let result = try Program.run(
        ["sweep", profile, "--output", "\(folder.path)/\(name)"] + options)
      #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    }
    let alone = SweepFigures.untimed(in: folder.path + "/alone")
    #expect(alone.count == 13)
    #expect(SweepFigures.untimed(in: folder.path + "/direct") == alone)
    #expect(SweepFigures.untimed(in: folder.path + "/beside") == alone)
  }

  @Test func `times that are not asked for are empty`() throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", "model: seed\nn_c: 4\nn_g: 2\n")
    let quiet = try folder.add("q.yaml", "model: seed\nn_c: 4\nn_g: 2\ntimings: false\n")
    func times(_ profile: String) throws -> [Substring] {
      #expect(try Program.run(["sweep", profile, "--output", profile + ".out"]).status == 0)
      let rows = try String(contentsOfFile: profile + ".out/points.csv", encoding: .utf8)
        .split(separator: "\n")
      let names = rows[0].split(separator: ",", omittingEmptySubsequences: false)
      let cells = rows[1].split(separator: ",", omittingEmptySubsequences: false)
      return zip(names, cells).filter { $0.0.hasSuffix("_seconds") }.map(\.1)
    }
    #expect(try times(quiet) == ["", ""])
    #expect(try times(profile).allSatisfy { (Double($0) ?? 0) > 0 })
  }

  static let usage: [(String, String, String)] = [
    ("--jobs 2", "", "would spoil the times that the profile \"p\" asks for"),
    ("--jobs 0", "", "--jobs must be 1 to 64, not 0"),
    ("--jobs 65", "timings: false", "--jobs must be 1 to 64, not 65"),
    ("--jobs 2 --in-process", "timings: false", "--jobs needs processes"),
    ("--resume --overwrite", "", "give one of them"),
  ]

  @Test(arguments: usage)
  func `options that contradict are refused`(options: String, line: String, part: String) throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", "model: seed\nn_c: 4\nn_g: 2\n\(line)\n")
    let result = try Program.run(
      ["sweep", profile, "--output", folder.path + "/out"]
        + options.split(separator: " ").map(String.init))
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.sentence?.contains(part) == true, "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/out"))
  }

  @Test func `shapes take no time, so any number of them runs at once`() throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", Self.text + "\nbackend: shape\n")
    let result = try Program.run(
      ["sweep", profile, "--output", folder.path + "/out", "--jobs", "2"])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
  }

  @Test func `points that do not fit are named, and the others are measured`() throws {
    let folder = try Folder()
    let profile = try folder.add(
      "p.yaml", "model: seed\nn_c: [4, 4000, 8]\nn_g: 4\nattention: materialized\n")
    let result = try Program.run(
      ["sweep", profile, "--output", folder.path + "/out", "--memory", "16MiB"])
    #expect(result.status == 1 && result.output.contains("full-graph"))
    #expect(
      result.sentence?.hasPrefix(
        "ballast: 1 of 3 points were not measured: 1 over-limit (full-graph n_c 4000); the first: ")
        == true, "\(result.errors)")
    let points = try String(contentsOfFile: folder.path + "/out/points.csv", encoding: .utf8)
      .split(separator: "\n")
    #expect(points.map { $0.contains(",ok,") } == [false, true, false, true])
    #expect(points[2].contains(",over-limit,"))
    // Whoever asks again gets the same answer, and nothing is measured again.
    let again = try Program.run(
      ["sweep", profile, "--output", folder.path + "/out", "--memory", "16MiB", "--resume"])
    #expect(again.status == 1 && again.output == result.output)
    #expect(again.errors.hasSuffix("\n" + result.errors), "\(again.errors)")
  }

  @Test func `memory that the system refuses is out-of-memory`() throws {
    let folder = try Folder()
    let profile = try folder.add(
      "p.yaml",
      "model: seed\nn_c: [4, 6000, 8]\nn_g: 4\nattention: materialized\nthreads: 1\n")
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/bash")
    // The address space of the sweep and of its workers; the long point wants 577 MB in one block.
    shell.arguments = [
      "-c",
      "ulimit -v 700000; exec '\(Program.path)' sweep '\(profile)' --memory 8GiB"
        + " --output '\(folder.path)/out'",
    ]
    let errors = Pipe()
    shell.standardError = errors
    shell.standardOutput = FileHandle.nullDevice
    try shell.run()
    let said = String(
      decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    shell.waitUntilExit()
    #expect(shell.terminationReason == .exit && shell.terminationStatus == 1)
    #expect(said.contains("1 out-of-memory (full-graph n_c 6000)"), "\(said)")
    let points = try String(contentsOfFile: folder.path + "/out/points.csv", encoding: .utf8)
      .split(separator: "\n")
    #expect(points.map { $0.contains(",ok,") } == [false, true, false, true])
  }

  @Test func `a worker serves nobody but a sweep`() throws {
    let result = try Program.run(["worker"])
    #expect(result.status == 0 && result.output.isEmpty)
    #expect(try !Program.run(["--help"]).output.contains("worker"))
  }
}
