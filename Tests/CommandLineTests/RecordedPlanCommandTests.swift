import Foundation
import TestSupport
import Testing

@Suite struct RecordedPlanCommandTests {
  /// Three activations of 100 kB a token.
  private static let sample = LawSample { $0.unit = 100_000 }

  private func object(_ text: String) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func `a plan says the longest, and measure what it takes there`() throws {
    let folder = try Folder()
    let file = try folder.add("step.json", Self.sample.text)
    let plan = ["plan", "--recording", file, "--memory", "128MiB"]
    let result = try Program.run(plan + ["--format", "json"])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let answer = try object(result.output)
    let nC = try #require(answer["n_c"] as? Int)
    #expect(answer["gpu"] as? String == "h100" && answer["ended_by"] as? String == "memory")
    let measured = try object(
      Program.run(
        ["measure", "--recording", file, "--n-c", "\(nC)", "--format", "json"]
      ).output)
    #expect(measured["n_c"] as? Int == nC && measured["n_g"] as? Int == 2)
    #expect(
      measured["peak_allocated_bytes"] as? Int == answer["peak_allocated_bytes"] as? Int)
    let table = try Program.run(plan).output
    #expect(table.contains("longest prompt") && table.contains("of prompt and n_g"))
    #expect(table.split(separator: "\n").allSatisfy { $0.count <= 100 })
    let csv = try Program.run(plan.dropLast() + ["64MiB,128MiB", "--format", "csv"]).output
    #expect(csv.split(whereSeparator: \.isNewline).count == 3)
  }

  @Test func `status 2 is for what does not fit`() throws {
    let folder = try Folder()
    let file = try folder.add("step.json", Self.sample.text)
    let plan = ["plan", "--recording", file, "--memory"]
    #expect(try Program.run(plan + ["1MiB"]).status == 2)
    #expect(try Program.run(plan + ["1MiB,64MiB"]).status == 0)
    let lengths = try folder.add("samples.csv", "4,2\n900,2\n")
    #expect(try Program.run(plan + ["64MiB", "--lengths", lengths]).status == 2)
    #expect(try Program.run(plan + ["1GiB", "--lengths", lengths]).status == 0)
    let whole = ["--n-c", "298", "--n-g", "2"]
    #expect(try Program.run(plan + ["1GiB"] + whole).status == 0)
    #expect(try Program.run(plan + ["64MiB"] + whole).status == 2)
    let measure = ["measure", "--recording", file, "--n-c", "298"]
    #expect(try Program.run(measure).status == 0)
    #expect(try Program.run(measure + ["--memory", "1GiB"]).status == 0)
    let tight = try Program.run(measure + ["--memory", "64MiB"])
    #expect(tight.status == 2 && tight.errors.contains("it does not fit"), "\(tight.errors)")
    #expect(tight.output.contains("298"))
  }

  @Test func `a length that cannot be is refused as it was given`() throws {
    let folder = try Folder()
    let file = try folder.add("step.json", Self.sample.text)
    for command in ["measure", "plan"] {
      let refused = try Program.run(
        [command, "--recording", file, "--n-c", "9223372036854775807"])
      #expect(refused.status == 64 && refused.output.isEmpty)
      #expect(
        refused.sentence?.contains("not \"9223372036854775807\"") == true, "\(refused.errors)")
    }
  }

  @Test func `a recording of no GPU says that no context is counted`() throws {
    let folder = try Folder()
    let text = Self.sample.text
    let start = try #require(text.range(of: "\"gpu\": {") ?? text.range(of: "\"gpu\":{"))
    let end = try #require(text[start.upperBound...].firstIndex(of: "}"))
    let file = try folder.add(
      "step.json", text.replacingCharacters(in: start.lowerBound...end, with: "\"gpu\": null"))
    let result = try Program.run(["measure", "--recording", file, "--memory", "1GiB"])
    #expect(result.status == 0 && result.errors.contains("names no GPU"), "\(result.errors)")
  }

  @Test(arguments: [
    (["plan", "--mode", "full-graph"], 64, "--mode does not go with --recording"),
    (["plan", "--laws"], 64, "--laws does not go with --recording"),
    (["plan", "--n-g", "-1"], 64, "--n-g must be a whole number"),
    (["plan", "--n-g", "4000"], 64, "its laws hold from 3 to 1,000"),
    (["plan", "--lengths", "x.csv"], 1, "x.csv: there is no such file"),
    (["plan", "--lengths", "x.csv", "--n-c", "3"], 64, "--n-c does not go with --lengths"),
    (["measure", "--n-c", "4000"], 64, "4,002 tokens, and its laws hold from 3 to 1,000"),
    (["measure", "--batch", "2"], 64, "batch is 1 alone in its laws"),
  ]) func `what cannot be is one sentence`(
    _ arguments: [String], _ status: Int32, _ words: String
  ) throws {
    let folder = try Folder()
    let file = try folder.add("step.json", Self.sample.text)
    let result = try Program.run(
      [arguments[0], "--recording", file] + arguments.dropFirst(), in: folder.path)
    #expect(result.status == status && result.errors.contains(words), "\(result.errors)")
    #expect(result.errors.split(separator: "\n").count == 1)
  }

  @Test func `without laws other lengths are refused with what to do`() throws {
    var sample = Self.sample
    sample.hasLaws = false
    let folder = try Folder()
    let file = try folder.add("step.json", sample.text)
    for command in ["plan", "measure"] {
      let result = try Program.run([command, "--recording", file, "--n-g", "8"])
      #expect(result.status == 1 && result.errors.contains("ballast-probe fit"))
    }
    #expect(try Program.run(["plan", "--recording", file]).status == 0)
  }
}
