import Foundation
import TestSupport
import Testing

@Suite struct RecordedSweepCommandTests {
  /// Three activations of 100 kB a token.
  private static let sample = LawSample { $0.unit = 100_000 }

  private func files(_ profile: String) throws -> (Folder, recording: String, profile: String) {
    let folder = try Folder()
    return (
      folder, try folder.add("step.json", Self.sample.text), try folder.add("p.yaml", profile)
    )
  }

  /// The rows of a CSV by column.
  private func rows(_ path: String) throws -> [[String: String]] {
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(whereSeparator: \.isNewline)
    let header = lines[0].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    return lines.dropFirst().map { line in
      let cells = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      return Dictionary(zip(header, cells)) { first, _ in first }
    }
  }

  @Test func `a sweep has a row a length, and measure says the same of each`() throws {
    let (folder, recording, profile) = try files("n_c: [4, 100, 500]\nn_g: [2, 7]\n")
    let output = folder.path + "/out"
    let sweep = ["sweep", profile, "--recording", recording, "--output", output]
    let result = try Program.run(sweep)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let points = try rows(output + "/points.csv")
    #expect(points.map { $0["n_c"] } == ["4", "4", "100", "100", "500", "500"])
    #expect(points.map { $0["n_g"] } == ["2", "7", "2", "7", "2", "7"])
    #expect(points.allSatisfy { $0["profile"] == "p" && $0["status"] == "ok" })
    for point in points {
      let measured = try Program.run([
        "measure", "--recording", recording, "--n-c", point["n_c"] ?? "", "--n-g",
        point["n_g"] ?? "", "--format", "json",
      ])
      let row = try #require(
        JSONSerialization.jsonObject(with: Data(measured.output.utf8)) as? [String: Any])
      for figure in ["retained_bytes", "peak_allocated_bytes", "peak_reserved_bytes"] {
        #expect(row[figure] as? Int == point[figure].flatMap { Int($0) }, "\(figure)")
      }
    }
    #expect(try !rows(output + "/ledger.csv").isEmpty)
    let again = try Program.run(sweep)
    #expect(again.status == 1 && again.errors.contains("--overwrite"))
    #expect(try Program.run(sweep + ["--overwrite"]).status == 0)
    #expect(try Program.run(["compare", output, output]).status == 0)
    #expect(try Program.run(["report", output]).status == 0)
  }

  @Test func `budgets of peaks hold over lengths, and name what stands there`() throws {
    let (folder, recording, profile) = try files(
      "n_c: [4, 500]\nbudgets:\n  - {figure: peak_allocated, at_most: 100MiB}\n")
    let check = ["check", profile, "--recording", recording]
    let over = try Program.run(check)
    #expect(over.status == 2 && over.errors.contains("1 of 1 budget exceeded"), "\(over.errors)")
    #expect(over.output.contains("n_c=500") && over.output.contains("the largest tensors"))
    let (second, other, wide) = try files(
      "n_c: [4, 500]\nbudgets:\n  - {figure: peak_allocated, at_most: 1GiB}\n")
    #expect(try Program.run(["check", wide, "--recording", other]).status == 0)
    withExtendedLifetime((folder, second)) {}
  }

  @Test(arguments: [
    (["sweep", "--resume"], "n_c: 4", "--resume does not go with --recording"),
    (["sweep", "--memory", "1GiB"], "n_c: 4", "--memory does not go with --recording"),
    (["sweep"], "n_c: [4, 4000]", "its laws hold from 3 to 1,000"),
    (["sweep"], "n_c: [4]\nbatch: 3", "batch is 1 alone in its laws"),
    (["sweep"], "n_c: [four]", "must be"),
    (["check"], "n_c: 4", "has no budgets"),
    (
      ["check", "--backend", "shape"], "budgets: [{figure: retained, at_most: 1}]",
      "--recording runs nothing"
    ),
  ]) func `what cannot be is one sentence, and leaves nothing`(
    _ arguments: [String], _ text: String, _ words: String
  ) throws {
    let (folder, recording, profile) = try files(text + "\n")
    var command = [arguments[0], profile, "--recording", recording] + arguments.dropFirst()
    if arguments[0] == "sweep" { command += ["--output", folder.path + "/out"] }
    let result = try Program.run(command)
    #expect(result.status == 1 || result.status == 64)
    #expect(result.errors.contains(words), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1)
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/out"))
  }
}

@Suite struct RecordedPlanOptionTests {
  private static let sample = LawSample { $0.unit = 100_000 }

  @Test func `GPUs stand side by side, each with its memory`() throws {
    let folder = try Folder()
    let file = try folder.add("step.json", Self.sample.text)
    let result = try Program.run([
      "plan", "--recording", file, "--gpu", "l4,h100", "--format", "csv",
    ])
    let lines = result.output.split(whereSeparator: \.isNewline)
    #expect(result.status == 0 && lines.count == 3)
    #expect(lines[1].contains(",l4,") && lines[2].contains(",h100,"))
    #expect(result.errors.contains("recorded for h100"))
    for wrong in [["--gpu", "l4,h1000"], ["--gpu", "l4,h100", "--memory", "1GiB"]] {
      #expect(try Program.run(["plan", "--recording", file] + wrong).status == 64)
    }
  }

  @Test func `the allocator can be set, of a recording alone`() throws {
    let folder = try Folder()
    let file = try folder.add("step.json", Self.sample.text)
    let plan = ["plan", "--recording", file, "--memory", "64MiB", "--format", "json"]
    func longest(_ more: [String]) throws -> [String: Any] {
      let result = try Program.run(plan + more)
      return try #require(
        JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }
    let usual = try longest([])
    let growing = try longest(["--set", "expandable_segments:True"])
    let more = usual["expandable_segments_fit"] as? Int ?? usual["n_c"] as? Int
    #expect(more == growing["n_c"] as? Int)
    #expect(growing["expandable_segments_fit"] is NSNull)
    for wrong in [
      plan + ["--set", "expandable_segments:Maybe"], plan + ["--set", "nothing:1"],
      ["plan", "--model", "llama-3.1-8b", "--set", "expandable_segments:True"],
    ] {
      #expect(try Program.run(wrong).status == 64)
    }
  }
}
