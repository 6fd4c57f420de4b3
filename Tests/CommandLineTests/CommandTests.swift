import Files
import Foundation
import TestSupport
import Testing

@Suite struct CommandTests {
  private static let point = [
    "measure", "--model", "seed", "--n-c", "4", "--n-g", "4", "--backend", "shape",
  ]

  @Test(arguments: [
    ["--help"], ["measure", "--help"], ["flow", "--help"], ["sweep", "--help"], ["--version"], [],
  ])
  func `help and version are data on standard output`(arguments: [String]) throws {
    let result = try Program.run(arguments)
    #expect(result.status == 0 && result.errors.isEmpty && !result.output.isEmpty)
    if arguments.last == "--help" { #expect(result.output.contains("EXAMPLES")) }
    if arguments.last == "--version" {
      let inside = /[0-9.]+\nSwift 6\..*, jemalloc [0-9.]+, oneDNN [0-9.]+, .*: [a-z0-9]+\n/
      #expect(result.output.wholeMatch(of: inside) != nil)
    }
  }

  @Test func `measure prints its row as CSV, as JSON and as a table`() throws {
    let csv = try Program.run(Self.point + ["--format", "csv"])
    #expect(csv.status == 0 && csv.errors.isEmpty)
    #expect(csv.output.split(separator: "\n").count == 2)
    let json = try Program.run(Self.point + ["--format", "json"])
    let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
    #expect(object?["n_c"] as? Int == 4 && object?["loss"] is NSNull)
    let table = try Program.run(Self.point)
    #expect(table.output.contains("retained"))
  }

  @Test func `measure writes the ledger and the row to files`() throws {
    let folder = try Folder()
    let result = try Program.run(
      Self.point + ["--ledger", "l.csv", "--json", "row.json"], in: folder.path)
    #expect(result.status == 0)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(names.sorted() == ["l.csv", "row.json"])
    let ledger = try String(contentsOfFile: folder.path + "/l.csv", encoding: .utf8)
    #expect(ledger.contains("needed_for") && ledger.contains("W_K"))
  }

  @Test func `measure writes the errors of all parameters' gradients`() throws {
    let folder = try Folder()
    let result = try Program.run(
      [
        "measure", "--model", "seed", "--n-c", "4", "--n-g", "4", "--mode", "detached-prefix",
        "--head", "chunked", "--chunk", "2", "--gradient-errors", "g.csv",
      ],
      in: folder.path)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    #expect(result.output.contains("  largest ") && result.output.contains("full-graph"))
    let lines = try String(contentsOfFile: folder.path + "/g.csv", encoding: .utf8)
      .split(separator: "\n")
    // Embedding, head, final norm, and 9 weights of a layer.
    #expect(lines.count == 1 + 12)
    #expect(lines.dropFirst().allSatisfy { $0.hasSuffix(",full-graph") })
  }

  @Test func `a gradient file that cannot be written is refused before measuring`() throws {
    let result = try Program.run(
      "measure --model seed --n-c 4 --n-g 4 --gradient-errors /nowhere/x".split(separator: " ")
        .map(String.init))
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.sentence?.contains("cannot write /nowhere/x") == true)
  }

  @Test func `a sweep shows its laws and does not touch results unasked`() throws {
    let folder = try Folder()
    let profile = try folder.add(
      "p.yaml",
      """
      model: seed
      n_c: [1, 2, 8]
      n_g: 2
      backend: shape
      mode: [full-graph, detached-prefix]
      """)
    let sweep = ["sweep", profile, "--output", folder.path + "/a/b"]
    let first = try Program.run(sweep)
    #expect(first.status == 0 && first.errors.isEmpty, "\(first.errors)")
    #expect(first.output.contains("retained bytes") && first.output.contains("B/token"))
    // Two series under the headings of what is kept and of what it costs.
    #expect(first.output.split(separator: "\n").count == 6)
    let points = folder.path + "/a/b/points.csv"
    let before = try String(contentsOfFile: points, encoding: .utf8)
    let second = try Program.run(sweep)
    #expect(second.status == 1 && second.sentence?.contains("--overwrite") == true)
    #expect(try String(contentsOfFile: points, encoding: .utf8) == before)
    #expect(try Program.run(sweep + ["--overwrite"]).status == 0)
  }

  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
  func `a stopped sweep keeps its rows and says so`(signal: Int32, status: Int32) throws {
    let folder = try Folder()
    let profile = try folder.add(
      "p.yaml",
      "model: seed\nn_g: 2\nbackend: shape\nn_c: {from: 1, to: 9000, step: 1}\n")
    let program = try Program(["sweep", profile, "--output", folder.path + "/out"])
    let points = folder.path + "/out/points.csv"
    func rows() -> Int {
      let text = try? String(contentsOfFile: points, encoding: .utf8)
      return (text ?? "").split(separator: "\n").count - 1
    }
    while rows() < 3, program.process.isRunning { usleep(20_000) }
    kill(program.process.processIdentifier, signal)
    let result = try program.result()
    #expect(result.status == status && result.output.isEmpty)
    let sentence = try #require(result.sentence, "\(result.errors)")
    #expect(
      sentence == "ballast: stopped after \(rows()) of 9000 points; the rows are in "
        + "\(folder.path)/out, and --resume goes on from there")
    let laws = try String(contentsOfFile: folder.path + "/out/laws.csv", encoding: .utf8)
    #expect(laws.split(separator: "\n").count == 2)
  }

  @Test func `a reader that goes away is no failure`() throws {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/bash")
    shell.arguments = [
      "-c", "set -o pipefail; '\(Program.path)' \(Self.point.joined(separator: " ")) | true",
    ]
    let errors = Pipe()
    shell.standardError = errors
    try shell.run()
    let text = try errors.fileHandleForReading.readToEnd() ?? Data()
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 0 && text.isEmpty)
  }
}
