import Foundation
import TestSupport
import Testing

@Suite struct CheckTests {
  private static let profile = """
    model: seed
    n_c: 4
    n_g: 4
    backend: shape
    mode: [full-graph, detached-prefix]
    attention: materialized
    loss_rows: generated
    budgets:
      - {figure: retained, within: 0%}
    """

  @Test func `update writes the baseline that the next check meets`() throws {
    let folder = try Folder()
    let path = try folder.add("p.yaml", Self.profile)
    let missing = try Program.run(["check", path])
    #expect(missing.status == 1 && missing.output.isEmpty)
    #expect(missing.sentence?.contains("p.csv: there is no such file; write it with") == true)
    #expect(try Program.run(["check", path, "--update"]).status == 0)
    let again = try Program.run(["check", path])
    #expect(again.status == 0 && again.errors.isEmpty)
    #expect(again.output.contains("exactly 40160 B"))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/baselines")
    #expect(names == ["p.csv"])
    // Relative paths mean the same.
    #expect(try Program.run(["check", "p.yaml"], in: folder.path).status == 0)
  }

  @Test func `an exceeded budget ends with 2 and names what grew`() throws {
    let folder = try Folder()
    let path = try folder.add("p.yaml", Self.profile)
    #expect(try Program.run(["check", path, "--update"]).status == 0)
    // The baseline of a model whose attention kept no probabilities.
    let place = "\(folder.path)/baselines/p.csv"
    var lines = try String(contentsOfFile: place, encoding: .utf8).components(separatedBy: "\n")
    lines.removeAll { $0.contains("saved") && $0.contains(",probabilities,") }
    let text = lines.joined(separator: "\n").replacing(",40160,", with: ",39136,")
    try text.write(toFile: place, atomically: true, encoding: .utf8)
    let result = try Program.run(["check", path])
    #expect(result.status == 2)
    #expect(result.sentence == "ballast: 1 of 1 budget exceeded")
    #expect(result.output.contains("layers.0.attention:probabilities appeared, 1024 B"))
    #expect(result.output.contains("p.yaml:9: retained of full-graph n_c=4 is 40160 B"))
    for (format, part) in [
      ("junit", "<failure message=\"retained of"), ("json", "\"value\": 40160}"),
      ("github", ",line=9,title=budget retained::retained of full-graph n_c=4 is 40160 B"),
    ] {
      let result = try Program.run(["check", path, "--format", format])
      #expect(result.status == 2 && result.output.contains(part), "\(result.output)")
    }
  }

  @Test func `a point that cannot be measured ends with 1, a budget beside it with 2`() throws {
    let folder = try Folder()
    let start = "model: seed\nn_c: 4\nn_g: 4\nmemory: 1KiB\nbudgets:\n"
    let path = try folder.add("p.yaml", start + "  - {figure: peak, at_most: 1GiB}")
    let failed = try Program.run(["check", path])
    #expect(failed.status == 1 && failed.output.contains("failed"))
    #expect(failed.sentence?.contains("raise --memory") == true)
    let update = try Program.run(["check", path, "--update"])
    #expect(update.status == 1 && update.sentence?.contains("stays as it was") == true)
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/baselines"))
    let both = try folder.add(
      "q.yaml",
      start.replacing("n_c: 4", with: "n_c: [4, 4000]").replacing("1KiB", with: "1MiB")
        + "  - {figure: peak, at_most: 1}")
    #expect(try Program.run(["check", both]).status == 2)
  }

  @Test func `a figure that shapes do not have is not judged, and said to be`() throws {
    let folder = try Folder()
    let path = try folder.add(
      "p.yaml", Self.profile + "\n  - {figure: gradient_error, at_most: 0.1}\n")
    #expect(try Program.run(["check", path, "--update"]).status == 0)
    let shapes = try Program.run(["check", path])
    #expect(shapes.status == 0)
    #expect(shapes.sentence?.contains("2 of 4 figures not judged") == true)
    #expect(shapes.sentence?.hasSuffix("is not judged: shapes have no gradients") == true)
    #expect(shapes.output.contains("not judged (2)"))
    let annotated = try Program.run(["check", path, "--format", "github"])
    #expect(annotated.status == 0)
    #expect(annotated.output.hasPrefix("::warning file="))
    #expect(annotated.output.contains("not judged (2 of 2 points)::"))
    let strict = try Program.run(["check", path, "--strict"])
    #expect(strict.status == 1 && strict.output == shapes.output)
    #expect(strict.sentence?.contains("2 of 4 figures could not be judged") == true)
    let computed = try Program.run(["check", path, "--backend", "cpu"])
    #expect(computed.status == 2 && computed.output.contains("gradient_error"))
  }

  @Test
  func `figures not judged are counted beside an exceeded budget, and strictness lets all pass`()
    throws
  {
    let folder = try Folder()
    let path = try folder.add(
      "p.yaml",
      Self.profile.replacing("within: 0%", with: "at_most: 1")
        + "\n  - {figure: gradient_error, at_most: 0.1}\n")
    let both = try Program.run(["check", path, "--strict"])
    #expect(both.status == 2)
    #expect(
      both.sentence == "ballast: 1 of 2 budgets exceeded, and 2 of 4 figures not judged")
    let fine = try folder.add("q.yaml", Self.profile.replacing("within: 0%", with: "at_most: 1MiB"))
    let judged = try Program.run(["check", fine, "--strict"])
    #expect(judged.status == 0 && judged.errors.isEmpty)
  }

  @Test func `a baseline that cannot be written is a sentence`() throws {
    let folder = try Folder()
    let path = try folder.add("p.yaml", Self.profile)
    _ = try folder.add("baselines", "a file")
    let result = try Program.run(["check", path, "--update"])
    #expect(result.status == 1 && result.sentence?.contains("baselines") == true)
  }

  @Test(arguments: [
    (["--format", "xml"], 64, "unknown format \"xml\""),
    (["--backend", "gpu"], 64, "unknown backend \"gpu\""), (["--memory", "x"], 64, "not a size"),
    (["--bogus"], 64, "unknown option"), ([], 1, "has no budgets"),
  ])
  func `wrong usage is one sentence`(arguments: [String], status: Int32, part: String) throws {
    let folder = try Folder()
    let path = try folder.add("p.yaml", "model: seed\nn_c: 4\nn_g: 4\n")
    let result = try Program.run(["check", path] + arguments)
    #expect(result.status == status && result.output.isEmpty)
    #expect(result.sentence?.contains(part) == true, "\(result.errors)")
  }
}

@Suite struct CompareTests {
  private static func sweep(_ folder: Folder, _ name: String, attention: String) throws -> String {
    let path = try folder.add(
      "p.yaml",
      "model: seed\nn_c: [4, 8]\nn_g: 4\nbackend: shape\nattention: \(attention)\n")
    let output = "\(folder.path)/\(name)"
    #expect(try Program.run(["sweep", path, "--output", output]).status == 0)
    return output
  }

  @Test func `two results are put side by side, and fail on an increase if told to`() throws {
    let folder = try Folder()
    let a = try Self.sweep(folder, "a", attention: "fused")
    let b = try Self.sweep(folder, "b", attention: "materialized")
    let both = ["compare", a, b, "--ignore", "attention"]
    let result = try Program.run(both)
    #expect(result.status == 0 && result.errors.isEmpty)
    #expect(result.output.contains("layers.0.attention:probabilities  appeared"))
    #expect(result.output.contains("layers.0.attention:log_sum_exp    vanished"))
    let failing = try Program.run(both + ["--fail-on-increase", "1"])
    #expect(failing.status == 2 && failing.output == result.output)
    #expect(failing.sentence?.contains("retained of full-graph n_c=") == true)
    #expect(try Program.run(both + ["--fail-on-increase", "1000"]).status == 0)
    let same = try Program.run(["compare", a + "/ledger.csv", a + "/ledger.csv"])
    #expect(same.status == 0 && same.output.contains("The saved tensors are the same."))
    let files = try Program.run(
      ["compare", a + "/points.csv", a, "--fail-on-increase", "0"])
    #expect(files.status == 0 && files.output.contains("="))
  }

  @Test func `wrong input is one sentence`() throws {
    let folder = try Folder()
    let huge = "\(folder.path)/huge.csv"
    _ = try folder.add("huge.csv", "")
    #expect(unsafe truncate(huge, 1 << 33) == 0)
    let zeros = try folder.add("zeros.csv", Data(count: 1 << 20))
    let commas = try folder.add("commas.csv", String(repeating: ",", count: 1 << 20))
    let binary = try folder.add("binary.csv", Data([0xFF, 0xFE, 0x00]))
    for (path, part) in [
      (huge, "larger than 256 MiB"), (zeros, "does not end"), (commas, "more than 1000 fields"),
      (binary, "is UTF-16"), ("/dev/zero", "not a regular file"),
      (folder.path + "/none", "no such file"), (folder.path, "holds no points.csv"), ("", "file"),
    ] {
      let result = try Program.run(["compare", path, path])
      #expect(result.status == 1 && result.output.isEmpty)
      #expect(result.sentence?.contains(part) == true, "\(result.errors)")
    }
    let empty = try Program.run(["compare", "", zeros])
    #expect(empty.status == 1)
    #expect(empty.sentence?.contains("the name of a result is empty") == true)
    let header = "mode,n_c,status,retained_bytes\n"
    let rowless = try folder.add("rowless.csv", header)
    let rows = try folder.add("rows.csv", header + "full,4,ok,1\nfull,8,ok,9223372036854775807\n")
    let blamed = try Program.run(["compare", rows, rowless])
    #expect(blamed.status == 1)
    #expect(blamed.sentence?.hasPrefix("ballast: \(rowless): has a header and no rows") == true)
    let less = try folder.add("less.csv", header + "full,4,ok,1\nfull,8,ok,1\n")
    let grown = try Program.run(["compare", less, rows, "--fail-on-increase", "1"])
    #expect(grown.status == 2 && grown.sentence?.contains("grew from 1 B to 9.22") == true)
    for (arguments, part) in [
      (["a"], "missing"), (["a", "b", "--fail-on-increase", "-1"], "0 or more"),
      (["a", "b", "--fail-on-increase", "x"], "x"),
      (["a", "b", "--ignore", "x"], "unknown column"),
    ] {
      let result = try Program.run(["compare"] + arguments)
      #expect(result.status == 64 && result.output.isEmpty)
      #expect(result.sentence?.contains(part) == true, "\(result.errors)")
    }
  }
}
