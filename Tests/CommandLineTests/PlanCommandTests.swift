import Foundation
import TestSupport
import Testing

@Suite struct PlanCommandTests {
  private static let small = [
    "plan", "--model", "one-layer", "--layers", "4", "--optimizer", "sgd",
  ]

  /// The rows of a CSV by column name; no field has a comma.
  private func rows(_ text: String) -> [[String: String]] {
    let lines = text.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(lines[0], $0)) }
  }

  @Test func `a person who types only a model and a memory gets an answer`() throws {
    let result = try Program.run(["plan", "--model", "llama-3.1-8b", "--memory", "80GiB"])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    for words in [
      "n_g 512", "14.96 GiB of parameters, bfloat16", "14.96 GiB of gradients, bfloat16",
      "29.92 GiB of optimizer state, adamw: two moments in bfloat16", "not counted  workspace",
      "▶  replayed-prefix", "--shard-parameters 8",
    ] { #expect(result.output.contains(words), "\(words) in \(result.output)") }
    #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test func `table, CSV and JSON say the same`() throws {
    let arguments = Self.small + ["--memory", "2GiB,4GiB"]
    let csv = rows(try Program.run(arguments + ["--format", "csv"]).output)
    #expect(csv.count == 2 * 88)
    #expect(Set(csv.compactMap { $0["memory_bytes"] }) == ["2147483648", "4294967296"])
    #expect(csv.count { $0["recommended"] == "yes" } == 2)
    #expect(csv.allSatisfy { $0["counted"] == "parameters+gradients+optimizer+activations" })
    let json = try Program.run(arguments + ["--format", "json"]).output
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    let objects = try #require(object["rows"] as? [[String: Any]])
    #expect(objects.compactMap { $0["n_c"] as? Int } == csv.compactMap { Int($0["n_c"] ?? "") })
    #expect(object["sentences"] is [String])
    let best = try #require(csv.last { $0["recommended"] == "yes" })
    let table = try Program.run(arguments).output
    let row = try #require(table.split(separator: "\n").first { $0.hasPrefix("▶") })
    #expect(row.contains(best["mode"] ?? "?") && row.contains(best["recompute"] ?? "?"))
    #expect(row.filter { $0 != "," }.contains(best["n_c"] ?? "?"))
  }

  @Test func `laws go into a file, under the table, and into JSON`() throws {
    let folder = try Folder()
    let arguments =
      Self.small + ["--n-c", "4096", "--mode", "detached-prefix", "--attention", "fused"]
    let result = try Program.run(
      arguments + ["--laws", "--laws-csv", "laws.csv"], in: folder.path)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let laws = rows(
      try String(contentsOfFile: folder.path + "/laws.csv", encoding: .utf8))
    let total = try #require(laws.first { $0["part"] == "total" && $0["figure"] == "retained" })
    // Keys and values of 4 layers of 8 heads of 64, float32.
    #expect(total["linear_bytes"] == String(4 * 2 * 512 * 4))
    #expect(result.output.contains("\(4 * 2 * 512 * 4)·n_c"))
    #expect(laws.contains { $0["figure"] == "peak" })
    let json = try Program.run(arguments + ["--laws", "--format", "json"]).output
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect((object["laws"] as? [Any])?.count == laws.count)
  }

  @Test(arguments: [
    ("", "give --n-c", 64), ("--memory 1MiB", "less than the parameters take", 2),
    ("--memory 80gB", "is not a size", 64), ("--memory 4GiB,", "is not a size", 64),
    ("--n-c 5 --memory 1GiB,2GiB", "one --memory at the most", 64),
    ("--n-c 99999999999999999999", "does not fit 64 bits", 64),
    ("--n-c 268435456 --batch 1048576", "too large to count", 64),
    ("--memory 1GiB --trainable zzz", "is found in no parameter's name", 64),
    ("--memory 1GiB --mode pruned-graph --head all-rows", "pruned-graph makes logits", 64),
    (
      "--n-c 8 --recipe transformers-sdpa --loss-rows generated", "goes with loss_rows next-token",
      64
    ),
    ("--memory 1GiB --shard-parameters 0", "--shard-parameters must be", 64),
    ("--memory 1GiB --shard-stage 2", "goes with --shard-parameters", 64),
    ("--memory 1GiB --sequence-parallel", "goes with --tensor-parallel", 64),
    ("--n-c 9 --tensor-parallel 2 --sequence-parallel --laws", "no polynomial", 64),
    ("--memory 1GiB --tensor-parallel 3", "does not divide heads 8", 64),
    ("--memory 1GiB --count activation", "did you mean \"activations\"", 64),
    ("--memory 1GiB --gradient-dtype bf16", "did you mean \"bfloat16\"", 64),
    ("--memory 4GiB --backend cpu --count workspace", "goes with --backend shape", 64),
    ("--n-c 8 --keep-prefix 9", "keep_prefix 9 is more than the prefix has", 64),
    ("--memory 9GiB --mode full-graph --keep-prefix 9", "keep_prefix goes with mode", 64),
    ("--memory 9GiB --mode pruned-graph --kv-gradients activations", "kv_gradients goes with", 64),
    ("--memory 1GiB --laws --format csv", "there is --laws-csv", 64),
    ("--n-c 4 --laws-csv /no/such/folder/laws.csv", "laws.csv", 1),
  ])
  func `bad input gets one sentence`(options: String, words: String, status: Int32) throws {
    let result = try Program.run(
      ["plan", "--model", "one-layer"] + options.split(separator: " ").map(String.init))
    #expect(result.status == status, "\(options): \(result.errors)")
    #expect(result.sentence?.contains(words) == true, "\(options): \(result.errors)")
    #expect(result.output.isEmpty, "\(options)")
  }

  /// Whichever way it is asked, and whatever is printed.
  @Test(arguments: ["table", "csv", "json"])
  func `what fits ends with 0, what does not with 2`(format: String) throws {
    let short: [(String, Int32)] = [
      ("--n-c 4096", 0), ("--n-c 4096 --memory 4GiB", 0), ("--n-c 4096 --memory 64MiB", 2),
      ("--n-c 4096 --memory 64MiB --mode full-graph", 2), ("--memory 32MiB,64MiB", 2),
      ("--memory 64MiB", 2), ("--memory 4GiB", 0),
    ]
    // Two memories take twice as long, and mean the same whatever is printed.
    for (options, status) in short + (format == "table" ? [("--memory 64MiB,4GiB", 0)] : []) {
      let result = try Program.run(
        Self.small + options.split(separator: " ").map(String.init) + ["--format", format])
      #expect(result.status == status, "\(options): \(result.errors)")
    }
  }

  @Test func `without a model, and with one that there is not, it says so`() throws {
    #expect(try Program.run(["plan", "--memory", "1GiB"]).sentence?.contains("--model") == true)
    let result = try Program.run(["plan", "--model", "llama3", "--memory", "1GiB"])
    #expect(result.sentence?.contains("llama-3.1-8b") == true)
  }
}
