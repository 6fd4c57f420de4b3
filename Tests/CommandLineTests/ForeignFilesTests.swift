import Foundation
import TestSupport
import Testing

/// A report shows what is of the points in `points.csv`, and leaves out what stayed or was copied
/// from another result.
@Suite struct ForeignFilesTests {
  /// Two models of one name and profile, so that nothing but what they are tells them apart.
  private static func profile(layers: Int) -> String {
    """
    profile: same
    model: {name: m, layers: \(layers), d_model: 16, heads: 2, d_ff: 24, vocab: 31}
    n_c: [2, 5, 9]
    n_g: 3
    mode: [full-graph, detached-prefix]

    """
  }

  /// Results of two and of four layers, `a` and `b`.
  private func swept() throws -> Folder {
    let folder = try Folder()
    for (name, layers) in [("a", 2), ("b", 4)] {
      _ = try folder.add("\(name).yaml", Self.profile(layers: layers))
      let result = try Program.run(
        ["sweep", "\(name).yaml", "--output", name], in: folder.path)
      #expect(result.status == 0, "\(result.errors)")
    }
    return folder
  }

  private func data(of html: String) throws -> [String: Any] {
    let start = try #require(html.range(of: "id=\"data\">"))
    let end = try #require(html[start.upperBound...].range(of: "</script>"))
    let json = try JSONSerialization.jsonObject(
      with: Data(html[start.upperBound..<end.lowerBound].utf8))
    return try #require(((json as? [String: Any])?["results"] as? [[String: Any]])?.last)
  }

  /// The folder's report: the parts that it has, and what is said on standard error.
  private func report(
    _ name: String, in folder: Folder
  ) throws -> (parts: [String: Any], said: String) {
    let result = try Program.run(["report", name, "--output", "-"], in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    return (try data(of: result.output), result.errors)
  }

  private func rows(_ part: Any?) -> Int { ((part as? [String: Any])?["rows"] as? Int) ?? 0 }

  @Test func `a folder's own files are all shown, and nothing is said`() throws {
    let folder = try swept()
    let own = try report("a", in: folder)
    #expect(own.said.isEmpty)
    #expect(rows(own.parts["points"]) == 6 && rows(own.parts["laws"]) == 2)
    #expect(rows(own.parts["ledger"]) > 0 && rows(own.parts["gradients"]) > 0)
    #expect(own.parts["sweep"] != nil)
  }

  @Test(arguments: ["ledger", "gradients", "laws"])
  func `a file of another model is left out with a sentence`(name: String) throws {
    let folder = try swept()
    let path = "\(folder.path)/a/\(name).csv"
    let own = try report("a", in: folder)
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.copyItem(atPath: "\(folder.path)/b/\(name).csv", toPath: path)
    let mixed = try report("a", in: folder)
    #expect(mixed.said.contains("a: \(name).csv: ") && mixed.said.contains("left out"))
    #expect(rows(mixed.parts[name]) == 0)
    for other in ["points", "ledger", "gradients", "laws"] where other != name {
      #expect(rows(mixed.parts[other]) == rows(own.parts[other]), "\(other)")
    }
    let notes = try #require(mixed.parts["notes"] as? [String])
    #expect(notes.contains { $0.hasPrefix("\(name).csv") })
  }

  /// No axis tells windows apart, but what the points retain does.
  @Test func `a law that gives other bytes than the points is left out`() throws {
    let folder = try Folder()
    for window in [3, 8] {
      _ = try folder.add(
        "mx.json",
        """
        {"model_type": "mistral", "hidden_size": 16, "intermediate_size": 24, "head_dim": 8,
         "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 2,
         "vocab_size": 31, "sliding_window": \(window), "tie_word_embeddings": false}
        """)
      _ = try folder.add(
        "p.yaml",
        "model: mx.json\nn_c: [12, 20, 28]\nn_g: 4\nmode: [pruned-graph, full-graph]\n")
      let result = try Program.run(
        ["sweep", "p.yaml", "--output", "w\(window)"], in: folder.path)
      #expect(result.status == 0, "\(result.errors)")
    }
    let own = try report("w3", in: folder)
    #expect(own.said.isEmpty && rows(own.parts["laws"]) == 2)
    let path = "\(folder.path)/w8/laws.csv"
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.copyItem(atPath: "\(folder.path)/w3/laws.csv", toPath: path)
    let mixed = try report("w8", in: folder)
    // That of full-graph is the same law.
    #expect(rows(mixed.parts["laws"]) == 1)
    #expect(mixed.said.contains("laws.csv: 1 of 2 laws are left out"), "\(mixed.said)")
  }

  @Test func `of a file with rows of two results those that belong are shown`() throws {
    let folder = try swept()
    let own = try report("a", in: folder)
    for name in ["ledger", "gradients", "laws"] {
      let path = "\(folder.path)/a/\(name).csv"
      let lines = try String(contentsOfFile: "\(folder.path)/b/\(name).csv", encoding: .utf8)
        .split(separator: "\n")
      let first = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      let both = [first[0]] + lines.dropFirst() + first.dropFirst()
      try (both.joined(separator: "\n") + "\n").write(
        toFile: path, atomically: true, encoding: .utf8)
    }
    let mixed = try report("a", in: folder)
    for name in ["ledger", "gradients", "laws"] {
      #expect(rows(mixed.parts[name]) == rows(own.parts[name]), "\(name)")
      #expect(mixed.said.contains("\(name).csv: "))
    }
  }

  @Test func `a comparison names no tensors of another model`() throws {
    let folder = try swept()
    let manager = FileManager.default
    try manager.copyItem(atPath: "\(folder.path)/a", toPath: "\(folder.path)/c")
    try manager.removeItem(atPath: "\(folder.path)/c/ledger.csv")
    try manager.copyItem(
      atPath: "\(folder.path)/b/ledger.csv", toPath: "\(folder.path)/c/ledger.csv")
    let own = try Program.run(["compare", "a", "a"], in: folder.path)
    #expect(own.output.contains("The saved tensors are the same.") && own.errors.isEmpty)
    let mixed = try Program.run(["compare", "a", "c"], in: folder.path)
    #expect(mixed.status == 0 && !mixed.output.contains("layers.3"))
    #expect(mixed.sentence?.contains("c/ledger.csv: the tensors of 6 of 6 points") == true)
  }

  @Test func `the profile's text of another sweep is left out`() throws {
    let folder = try swept()
    let path = "\(folder.path)/a/sweep.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    for (old, new) in [
      ("\"profile\" : \"same\"", "\"profile\" : \"other\""), ("\"points\" : 6", "\"points\" : 5"),
      ("\"version\" : \"", "\"version\" : \"9"),
    ] {
      #expect(text.contains(old))
      try text.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
      let mixed = try report("a", in: folder)
      #expect(mixed.said.contains("sweep.json is left out") && mixed.parts["sweep"] == nil)
    }
  }

  /// A flow's options, and what is said of it beside the results of `a`; nil where it belongs.
  static let flows: [(String, String?)] = [
    ("", nil), ("--n-c 9", nil), ("--threads 1 --attention materialized --head all-rows", nil),
    ("--mode replayed-prefix", nil), ("--mode detached-prefix", nil),
    ("--recompute layer --optimizer adamw", nil),
    ("--layers 4", "layers 4"), ("--n-c 8", "n_c 8"), ("--n-g 4", "n_g 4"), ("--seed 3", "seed 3"),
    ("--loss-rows generated", "loss_rows generated"), ("--trainable q_proj", "trainable q_proj"),
    ("--dtype bfloat16", "dtype bfloat16"), ("--d-ff 32", "d_ff 32"), ("--batch 2", "batch 2"),
    ("--lora r=2,alpha=4,targets=q_proj", "lora r=2"),
    ("--mode detached-prefix --keep-prefix 1", "keep_prefix 1"),
  ]

  @Test func `a flow is shown beside the points whose gradient it is of`() throws {
    let folder = try Folder()
    let sizes = "--layers 2 --d-model 16 --heads 2 --d-ff 24 --vocab 31".split(separator: " ")
    _ = try folder.add(
      "a.yaml", Self.profile(layers: 2).replacing("name: m,", with: "name: seed,"))
    #expect(try Program.run(["sweep", "a.yaml", "--output", "a"], in: folder.path).status == 0)
    for (options, part) in Self.flows {
      var given = ["--n-c", "5", "--n-g", "3"] + sizes.map(String.init)
      let words = options.split(separator: " ").map(String.init)
      for index in stride(from: 0, to: words.count, by: 2) {
        if let known = given.firstIndex(of: words[index]) {
          given[known + 1] = words[index + 1]
        } else {
          given += words[index...index + 1]
        }
      }
      let flow = try Program.run(
        ["flow", "--model", "seed"] + given + ["--csv", "a/flow.csv"], in: folder.path)
      #expect(flow.status == 0, "\(options): \(flow.errors)")
      let page = try report("a", in: folder)
      #expect((page.parts["flow"] != nil) == (part == nil), "\(options): \(page.said)")
      #expect(page.said.isEmpty == (part == nil), "\(options): \(page.said)")
      if let part {
        #expect(page.said.contains("a: flow.csv is left out: it is of \(part)"), "\(page.said)")
      }
    }
    // As an earlier version wrote it, and of two steps.
    let path = "\(folder.path)/a/flow.csv"
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    let old = lines.map { $0.split(separator: ",", omittingEmptySubsequences: false).prefix(9) }
      .map { $0.joined(separator: ",") + "\n" }.joined()
    try old.write(toFile: path, atomically: true, encoding: .utf8)
    #expect(try report("a", in: folder).said.contains("does not say of which step it is"))
    let two = lines.dropLast() + [lines[lines.count - 1].replacing(",5,", with: ",6,")]
    try (two.joined(separator: "\n") + "\n").write(
      toFile: path, atomically: true, encoding: .utf8)
    #expect(try report("a", in: folder).said.contains("its rows are of several steps"))
  }

  @Test func `overwriting leaves nothing of the old result, and what is not ours`() throws {
    let folder = try swept()
    let manager = FileManager.default
    let flow = ["flow", "--model", "seed", "--n-c", "4", "--n-g", "3", "--csv", "a/flow.csv"]
    func fill() throws {
      #expect(try Program.run(flow, in: folder.path).status == 0)
      #expect(try Program.run(["report", "a"], in: folder.path).status == 0)
      _ = try folder.add("a/retained.svg", "<svg><dc:title>Ballast scripts/plot</dc:title></svg>")
      _ = try folder.add("a/retained.png", "a picture of a holiday")
      _ = try folder.add("a/notes.txt", "mine")
    }
    try fill()
    let again = ["sweep", "a.yaml", "--output", "a"]
    let refused = try Program.run(again, in: folder.path)
    #expect(refused.status == 1 && manager.fileExists(atPath: "\(folder.path)/a/flow.csv"))
    #expect(try Program.run(again + ["--resume"], in: folder.path).status == 0)
    #expect(manager.fileExists(atPath: "\(folder.path)/a/flow.csv"))
    #expect(try Program.run(again + ["--overwrite"], in: folder.path).status == 0)
    let left = try manager.contentsOfDirectory(atPath: "\(folder.path)/a").sorted()
    #expect(
      left == [
        "gradients.csv", "laws.csv", "ledger.csv", "notes.txt", "points.csv", "retained.png",
        "sweep.json",
      ])
    // Files of those names that Ballast did not write stay.
    for name in ["flow.csv", "report.html", "retained.svg"] { _ = try folder.add("a/\(name)", "x") }
    #expect(try Program.run(again + ["--overwrite"], in: folder.path).status == 0)
    for name in ["flow.csv", "report.html", "retained.svg"] {
      #expect(try String(contentsOfFile: "\(folder.path)/a/\(name)", encoding: .utf8) == "x")
    }
  }
}
