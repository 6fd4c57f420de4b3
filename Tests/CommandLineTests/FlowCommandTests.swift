import Files
import Foundation
import TestSupport
import Testing

@Suite struct FlowCommandTests {
  private static let point = ["flow", "--model", "seed", "--n-c", "4", "--n-g", "4"]

  /// The rows of a CSV by column name; no field has a comma.
  private func rows(_ text: String) -> [[String: String]] {
    let lines = text.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(lines[0], $0)) }
  }

  private func read(_ folder: Folder, _ name: String) throws -> String {
    try String(contentsOfFile: "\(folder.path)/\(name)", encoding: .utf8)
  }

  @Test func `one layer with generated rows is the seed's table`() throws {
    let result = try Program.run(Self.point + ["--loss-rows", "generated", "--format", "csv"])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let prefix = Dictionary(
      uniqueKeysWithValues: rows(result.output).filter {
        $0["layer"] == "0" && $0["weight"] != "norm"
      }
      .map { ($0["weight"] ?? "", $0["prefix_norm"] == "0.0") })
    #expect(
      prefix == [
        "W_Q": true, "W_K": false, "W_V": false, "W_O": true, "W_gate": true, "W_up": true,
        "W_down": true,
      ])
    #expect(rows(result.output).allSatisfy { Double($0["generated_norm"] ?? "") ?? 0 > 0 })
    #expect(rows(result.output).allSatisfy { $0["boundary_norm"] == "" })
    let table = try Program.run(Self.point + ["--loss-rows", "generated"])
    #expect(table.output.contains("✗ none") && table.output.contains("✓ yes"))
  }

  @Test func `a file, standard output and JSON hold the same rows`() throws {
    let folder = try Folder()
    let result = try Program.run(
      Self.point + ["--layers", "2", "--csv", "f.csv", "--positions", "p.csv", "--format", "csv"],
      in: folder.path)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(names.sorted() == ["f.csv", "p.csv"])
    #expect(try read(folder, "f.csv") == result.output)
    let json = try Program.run(Self.point + ["--layers", "2", "--format", "json"])
    let objects = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]]
    #expect(objects?.count == rows(result.output).count)
    #expect(rows(result.output).allSatisfy { Double($0["boundary_norm"] ?? "") ?? 0 > 0 })

    let positions = rows(try read(folder, "p.csv"))
    #expect(positions.filter { $0["weight"] == "W_K" && $0["layer"] == "1" }.count == 8)
    #expect(positions.filter { $0["weight"] == "norm" && $0["layer"] == "0" }.count == 16)
    let silent = positions.filter { $0["weight"] == "W_Q" && $0["layer"] == "1" }
      .map { $0["norm"] == "0.0" }
    // Rows 3 to 6 carry loss: row 3 predicts the first generated token, row 7 nothing.
    #expect(silent == [true, true, true, false, false, false, false, true])
  }

  @Test func `GPT-2's joint matrix and its tied embedding are told apart`() throws {
    let folder = try Folder()
    let result = try Program.run(
      [
        "flow", "--model", "gpt2", "--layers", "1", "--d-model", "24", "--heads", "2", "--d-ff",
        "16",
        "--vocab", "40", "--n-c", "3", "--n-g", "2", "--dropout", "0.1", "--format", "csv",
        "--positions", "p.csv",
      ], in: folder.path)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let found = rows(result.output).map { "\($0["weight"] ?? "") \($0["parameter"] ?? "")" }
    #expect(
      found == [
        "E transformer.wte.weight", "P transformer.wpe.weight", "norm transformer.h.0.ln_1.weight",
        "b_norm transformer.h.0.ln_1.bias", "W_Q transformer.h.0.attn.c_attn.weight",
        "b_Q transformer.h.0.attn.c_attn.bias", "W_K transformer.h.0.attn.c_attn.weight",
        "b_K transformer.h.0.attn.c_attn.bias", "W_V transformer.h.0.attn.c_attn.weight",
        "b_V transformer.h.0.attn.c_attn.bias", "W_O transformer.h.0.attn.c_proj.weight",
        "b_O transformer.h.0.attn.c_proj.bias", "norm transformer.h.0.ln_2.weight",
        "b_norm transformer.h.0.ln_2.bias", "W_up transformer.h.0.mlp.c_fc.weight",
        "b_up transformer.h.0.mlp.c_fc.bias", "W_down transformer.h.0.mlp.c_proj.weight",
        "b_down transformer.h.0.mlp.c_proj.bias", "norm transformer.ln_f.weight",
        "b_norm transformer.ln_f.bias", "U transformer.wte.weight",
      ])
  }

  @Test func `frozen weights are left out`() throws {
    let result = try Program.run(Self.point + ["--trainable", "v_proj", "--format", "csv"])
    #expect(rows(result.output).map { $0["weight"] } == ["W_V"])
  }

  @Test func `a detached prefix gives nothing, and no prefix is no error`() throws {
    let cut = try Program.run(
      Self.point + ["--mode", "detached-prefix", "--loss-rows", "generated", "--layers", "2"])
    #expect(
      cut.status == 0 && cut.output.contains("In layers 0 and 1 prefix rows give exactly nothing."))
    let none = try Program.run(["flow", "--model", "seed", "--n-c", "0", "--n-g", "4"])
    #expect(none.status == 0 && none.output.contains("There is no prefix"))
  }

  // MARK: Refusals

  @Test(arguments: [
    ("--backend shape", "flow needs --backend cpu"),
    ("--format xml", "unknown format \"xml\""),
    ("--mode x", "unknown mode \"x\""),
    ("--csv a.csv --positions ./a.csv", "--csv and --positions name the same file"),
    ("--gradients g", "unknown option"),
    ("--batch 0", "batch must be 1"),
  ])
  func `wrong usage ends with 64 and one sentence`(arguments: String, part: String) throws {
    let result = try Program.run(Self.point + arguments.split(separator: " ").map(String.init))
    #expect(result.status == 64 && result.output.isEmpty)
    let sentence = try #require(result.sentence, "\(result.errors)")
    #expect(
      sentence.contains(part) && sentence.contains("see 'ballast flow --help'"), "\(sentence)")
  }

  @Test(arguments: [
    ("--csv /nowhere/f.csv", "cannot write /nowhere/f.csv"),
    ("--positions /nowhere/p.csv", "cannot write /nowhere/p.csv"),
    ("--memory 1KiB", "more than the limit of 1024 B"),
    ("--trainable zzz", "is found in no parameter's name"),
    ("--tokens /nowhere.json", "/nowhere.json"),
  ])
  func `what fails ends with 1 and one sentence`(arguments: String, part: String) throws {
    let result = try Program.run(Self.point + arguments.split(separator: " ").map(String.init))
    #expect(result.status == 1 && result.output.isEmpty)
    let sentence = try #require(result.sentence, "\(result.errors)")
    #expect(sentence.contains(part), "\(sentence)")
  }
}
