import Foundation
import TestSupport
import Testing

/// Shards and their merge, as a user runs them, on computed points.
@Suite struct ShardTests {
  private static let profile = """
    model: seed
    n_c: {from: 1, to: 10, step: 1}
    n_g: 4
    mode: [full-graph, detached-prefix, replayed-prefix]
    threads: 1
    """

  @Test func `three shards, one of them killed and resumed, merge into one run`() throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", Self.profile)
    func path(_ name: String) -> String { "\(folder.path)/\(name)" }
    #expect(try Program.run(["sweep", profile, "--output", path("whole")]).status == 0)
    for shard in 1...3 {
      let sweep = ["sweep", profile, "--shard", "\(shard)/3", "--output", path("\(shard)")]
      if shard == 2 {
        let program = try Program(sweep)
        while SweepFigures.text(path("2/points.csv")).split(separator: "\n").count < 4,
          program.process.isRunning
        { usleep(2_000) }
        kill(program.process.processIdentifier, SIGKILL)
        #expect(try program.result().status == -SIGKILL)
      }
      let result = try Program.run(sweep + ["--resume"])
      #expect(result.status == 0 && result.output.contains("retained bytes"), "\(result.errors)")
      let said = result.sentence ?? ""
      #expect(said.hasPrefix("ballast: shard \(shard)/3 has ") && said.contains("predicted work"))
    }
    let shards = (1...3).map { path("\($0)") }
    let merged = try Program.run(["merge"] + shards + ["--output", path("merged")])
    #expect(merged.status == 0 && merged.errors.isEmpty, "\(merged.errors)")
    #expect(SweepFigures.untimed(in: path("merged")) == SweepFigures.untimed(in: path("whole")))
    #expect(SweepFigures.untimed(in: path("merged")).count == 34)
    #expect(
      SweepFigures.text(path("merged/sweep.json")) == SweepFigures.text(path("whole/sweep.json")))

    let gap = try Program.run(["merge", shards[0], shards[1], "--output", path("gap")])
    #expect(gap.status == 1 && gap.output.isEmpty)
    #expect(gap.sentence?.contains("shard 3/3 is not among the folders") == true, "\(gap.errors)")
    let allowed = try Program.run(
      ["merge", shards[0], shards[1], "--allow-gaps", "--output", path("gap")])
    #expect(allowed.status == 0 && allowed.sentence?.contains("points are missing") == true)
  }

  @Test func `a shard without points says so and is well`() throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", "model: seed\nn_c: 2\nn_g: 2\n")
    let result = try Program.run(
      ["sweep", profile, "--shard", "900/1000", "--output", folder.path + "/out"])
    #expect(result.status == 0 && result.output.isEmpty)
    #expect(result.sentence?.contains("shard 900/1000 has no point") == true, "\(result.errors)")
    #expect(SweepFigures.text(folder.path + "/out/sweep.json").contains("\"complete\" : true"))
  }

  @Test(arguments: ["0/3", "4/3", "a/b", "1/0", "-1/3", "", "1/1001"])
  func `a part that is none is wrong usage`(shard: String) throws {
    let folder = try Folder()
    let result = try Program.run(
      ["sweep", "/nowhere.yaml", "--shard", shard, "--output", folder.path + "/out"])
    #expect(result.status == 64 && result.output.isEmpty)
    let start = shard.isEmpty ? "--shard is given an empty text" : "--shard \"\(shard)\""
    #expect(result.sentence?.hasPrefix("ballast: \(start)") == true, "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/out"))
  }
}
