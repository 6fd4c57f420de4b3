import Foundation
import TestSupport
import Testing

/// No command writes over what it reads, whatever names and links lead there.
@Suite struct ReplacedInputTests {
  private static let fixtures = Repository.fixtures

  /// A folder with a model, one in shards, an adapter, tokens, a profile, and results of it.
  private func filled() throws -> Folder {
    let folder = try Folder()
    let manager = FileManager.default
    for (name, target) in [("llama-gqa", "model"), ("adapter-llama", "adapted")] {
      try manager.copyItem(
        atPath: "\(Self.fixtures)/\(name)", toPath: "\(folder.path)/\(target)")
    }
    try manager.createDirectory(
      atPath: "\(folder.path)/shards", withIntermediateDirectories: false)
    try manager.copyItem(
      atPath: "\(Self.fixtures)/llama-gqa/model.safetensors",
      toPath: "\(folder.path)/shards/1.safetensors")
    _ = try folder.add(
      "shards/model.safetensors.index.json",
      #"{"weight_map": {"model.norm.weight": "1.safetensors"}}"#)
    _ = try folder.add("tokens.json", #"{"tokens": [1,2,3,4,5,6,7,8,9,10,11,12]}"#)
    _ = try folder.add(
      "p.yaml", "model: model\nn_c: [2, 3]\nn_g: 3\nbackend: shape\ntokens: tokens.json\n")
    #expect(try Program.run(["sweep", "p.yaml", "--output", "r"], in: folder.path).status == 0)
    return folder
  }

  /// Every file under a folder, with its bytes.
  private func contents(of folder: Folder) throws -> [String: Data] {
    let paths = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
    return paths.reduce(into: [:]) { all, path in
      all[path] = FileManager.default.contents(atPath: "\(folder.path)/\(path)")
    }
  }

  /// Expects a refusal that leaves every file as it was.
  private func refuse(_ arguments: [String], in folder: Folder) throws {
    let before = try contents(of: folder)
    let result = try Program.run(arguments, in: folder.path)
    let what = arguments.joined(separator: " ")
    #expect(result.status == 64 && result.output.isEmpty, "\(what): \(result.errors)")
    #expect(result.sentence?.contains("name the same file") == true, "\(what): \(result.errors)")
    #expect(try contents(of: folder) == before, "\(what)")
  }

  private static let point = ["--n-c", "4", "--n-g", "3", "--backend", "shape"]

  @Test(arguments: [
    ("measure --model model", "--json", "model/config.json"),
    ("measure --model model", "--snapshot", "model/model.safetensors"),
    ("measure --model model --tokens tokens.json", "--stacks", "tokens.json"),
    (
      "measure --model model --weights shards/model.safetensors.index.json", "--json",
      "shards/1.safetensors"
    ),
    ("plan --model model", "--laws-csv", "model/config.json"),
    ("plan --model model/config.json", "--laws-csv", "model/config.json"),
    (
      "plan --model adapted --adapter adapted/adapter", "--laws-csv",
      "adapted/adapter/adapter_config.json"
    ),
    ("report r", "--output", "r/points.csv"), ("report r", "--output", "r/ledger.csv"),
    ("report r", "--output", "r/laws.csv"), ("report r", "--output", "r/gradients.csv"),
    ("report r", "--output", "r/sweep.json"),
    ("report r --against old", "--output", "old/points.csv"),
  ])
  func `an output is no input, by its name or by a link`(
    command: String, option: String, input: String
  ) throws {
    let folder = try filled()
    let manager = FileManager.default
    try manager.copyItem(atPath: "\(folder.path)/r", toPath: "\(folder.path)/old")
    if !manager.fileExists(atPath: "\(folder.path)/adapted/adapter") {
      // The adapter's own files stand beside the base's.
      try manager.createSymbolicLink(
        atPath: "\(folder.path)/adapted/adapter", withDestinationPath: ".")
    }
    try manager.createSymbolicLink(
      atPath: "\(folder.path)/soft", withDestinationPath: "\(folder.path)/\(input)")
    try manager.linkItem(atPath: "\(folder.path)/\(input)", toPath: "\(folder.path)/hard")
    try manager.createSymbolicLink(atPath: "\(folder.path)/soft2", withDestinationPath: "soft")
    let words = command.split(separator: " ").map(String.init)
    for place in [input, "./r/../\(input)", "soft2", "hard"] {
      let arguments = words + (words[0] == "report" ? [] : Self.point) + [option, place]
      try refuse(arguments, in: folder)
    }
  }

  @Test(arguments: ["points.csv", "laws.csv", "sweep.json", "journal.jsonl"])
  func `a sweep replaces nothing that its profile names`(name: String) throws {
    let folder = try filled()
    let manager = FileManager.default
    let place = "\(folder.path)/r/\(name)"
    let profile = try String(contentsOfFile: "\(folder.path)/p.yaml", encoding: .utf8)
    func put(_ source: String) throws {
      try? manager.removeItem(atPath: place)
      try manager.copyItem(atPath: "\(folder.path)/\(source)", toPath: place)
    }
    let sweep = ["sweep", "q.yaml", "--output", "r", "--overwrite"]
    try put("tokens.json")
    _ = try folder.add("q.yaml", profile.replacing("tokens.json", with: "r/\(name)"))
    try refuse(sweep, in: folder)
    try put("model/config.json")
    _ = try folder.add("q.yaml", profile.replacing("model: model", with: "model: ./r/\(name)"))
    try refuse(sweep, in: folder)
    // What ends in .json is an index to `weights`.
    if !name.hasSuffix(".json") {
      try put("model/model.safetensors")
      _ = try folder.add("q.yaml", profile + "weights: r/\(name)\n")
      try refuse(sweep, in: folder)
    }
    // The profile itself.
    try put("p.yaml")
    try refuse(["sweep", "r/\(name)", "--output", "r", "--overwrite"], in: folder)
    // A hard link in the folder of a file elsewhere.
    try? manager.removeItem(atPath: place)
    try manager.linkItem(atPath: "\(folder.path)/tokens.json", toPath: place)
    try refuse(["sweep", "p.yaml", "--output", "r", "--overwrite"], in: folder)
  }

  @Test func `results do not go among a model's files`() throws {
    let folder = try filled()
    try refuse(["sweep", "p.yaml", "--output", "model"], in: folder)
    try refuse(["sweep", "p.yaml", "--output", "model", "--overwrite"], in: folder)
  }

  @Test func `tokens that no file of a sweep is named like stay where results are`() throws {
    let folder = try filled()
    let tokens = try String(contentsOfFile: "\(folder.path)/tokens.json", encoding: .utf8)
    _ = try folder.add("r/tokens.json", tokens)
    let profile = try String(contentsOfFile: "\(folder.path)/p.yaml", encoding: .utf8)
    _ = try folder.add("r/p.yaml", profile)
    let result = try Program.run(
      ["sweep", "r/p.yaml", "--output", "r", "--overwrite"], in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    #expect(try String(contentsOfFile: "\(folder.path)/r/tokens.json", encoding: .utf8) == tokens)
    #expect(try String(contentsOfFile: "\(folder.path)/r/p.yaml", encoding: .utf8) == profile)
  }

  @Test func `a merge replaces neither shards nor what their profile names`() throws {
    let folder = try filled()
    for shard in 1...2 {
      let result = try Program.run(
        ["sweep", "p.yaml", "--output", "s\(shard)", "--shard", "\(shard)/2"], in: folder.path)
      #expect(result.status == 0, "\(result.errors)")
    }
    try refuse(["merge", "s1", "s2", "--output", "s2", "--overwrite"], in: folder)
    try refuse(["merge", "s1", "s2", "--output", "model", "--overwrite"], in: folder)
    try FileManager.default.linkItem(
      atPath: "\(folder.path)/tokens.json", toPath: "\(folder.path)/r/journal.jsonl")
    try refuse(["merge", "s1", "s2", "--output", "r", "--overwrite"], in: folder)
  }

  @Test func `a baseline replaces nothing that is read`() throws {
    let folder = try filled()
    try FileManager.default.createDirectory(
      atPath: "\(folder.path)/baselines", withIntermediateDirectories: false)
    let budgets = "budgets:\n  - {figure: retained, within: 0%}\n"
    let tokens = try String(contentsOfFile: "\(folder.path)/tokens.json", encoding: .utf8)
    let points = try String(contentsOfFile: "\(folder.path)/r/points.csv", encoding: .utf8)
    let profile = try String(contentsOfFile: "\(folder.path)/p.yaml", encoding: .utf8)
    _ = try folder.add("baselines/t.csv", tokens)
    _ = try folder.add(
      "t.yaml", profile.replacing("tokens.json", with: "baselines/t.csv") + budgets)
    try refuse(["check", "t.yaml", "--update"], in: folder)
    _ = try folder.add("baselines/p.csv", points)
    _ = try folder.add("p.yaml", profile + budgets)
    try refuse(["check", "p.yaml", "--update", "--results", "baselines/p.csv"], in: folder)
  }
}
