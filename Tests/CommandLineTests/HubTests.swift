import Foundation
import TestSupport
import Testing

/// Models as people name them: `org/name`, with a cache and without.
@Suite struct HubTests {
  private static let commit = "0123456789abcdef0123456789abcdef01234567"

  /// Runs in an empty folder with `hub` as its cache.
  private func run(_ line: String, in folder: Folder) throws -> Program.Result {
    try Program(
      line.split(separator: " ").map(String.init), in: folder.path,
      environment: ["HF_HUB_CACHE": folder.path + "/hub"]
    ).result()
  }

  private func snapshot(_ name: String, _ text: String, in folder: Folder) throws -> String {
    let place = "\(folder.path)/hub/models--\(name.replacing("/", with: "--"))"
    let snapshot = "\(place)/snapshots/\(Self.commit)"
    for path in [snapshot, "\(place)/refs", "\(place)/blobs"] {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    try Data(Self.commit.utf8).write(to: URL(fileURLWithPath: "\(place)/refs/main"))
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(place)/blobs/x"))
    try FileManager.default.createSymbolicLink(
      atPath: "\(snapshot)/config.json", withDestinationPath: "../../blobs/x")
    return snapshot
  }

  static let missing: [(String, String)] = [
    ("meta-llama/Llama-3.1-8B-Instruct", "or give \"llama-3.1-8b\", which is built in"),
    ("meta-llama/llama-3.1-8b", "config.json, or give \"llama-3.1-8b\", which is built in"),
    ("Qwen/Qwen2.5-7B-Instruct", "or give \"qwen2.5-7b\", which is built in"),
    ("mistralai/Mistral-7B-Instruct-v0.1", "or give \"mistral-7b-v0.1\", which is built in"),
    ("meta-lama/Llama-3.1-8B", "or give \"llama-3.1-8b\", which is built in"),
    ("nobody/nothing-7b", "which is enough, with hf download nobody/nothing-7b config.json"),
    ("nobody/nothing-7b", "/hub); fetch"),
    ("nobody/nothing-7b@v2", "with hf download nobody/nothing-7b config.json --revision v2"),
    ("google/gemma-2-9b", "ballast-probe fit --model gemma-2-9b, and read by ballast plan"),
    ("llama3", "did you mean \"llama-3.1-8b\""),
    ("Meta-Llama-3.1-8B-Instruct", "did you mean \"llama-3.1-8b\""),
    ("deepseek-r1-distill-llama-8b", "did you mean \"r1-distill-llama-8b\""),
  ]

  @Test(arguments: missing)
  func `a name that is nowhere says how it is fetched, and what is built in`(
    model: String, part: String
  ) throws {
    let result = try run("measure --model \(model) --n-c 4 --n-g 4", in: Folder())
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.sentence?.contains(part) == true, "\(result.errors)")
  }

  @Test func `a public name is built in, the cache comes before it, and a path before both`() throws
  {
    let folder = try Folder()
    let line = "measure --model openai-community/gpt2 --n-c 4 --n-g 4 --backend shape"
    let small = #"{"model_type": "gpt2", "n_layer": 3, "n_embd": 24, "n_head": 2}"#
    #expect(try run(line, in: folder).output.contains("12 layers, d_model 768"))
    _ = try snapshot("openai-community/gpt2", small, in: folder)
    #expect(try run(line, in: folder).output.contains("openai-community/gpt2: 3 layers"))
    let named = line.replacing("/gpt2", with: "/gpt2@\(Self.commit)")
    #expect(try run(named, in: folder).output.contains("3 layers, d_model 24"))
    let path = "\(folder.path)/openai-community/gpt2"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try Data(small.replacing("24", with: "36").utf8)
      .write(to: URL(fileURLWithPath: path + "/config.json"))
    #expect(try run(line, in: folder).output.contains("d_model 36"))
  }

  @Test func `plan and profiles take such names`() throws {
    let folder = try Folder()
    #expect(try run("plan --model Qwen/Qwen3-4B --n-c 8 --n-g 8", in: folder).status == 0)
    try folder.add("p.yaml", "model: Qwen/Qwen3-0.6B\nn_c: 8\nn_g: 8\nbackend: shape\n")
    let sweep = try run("sweep p.yaml --output out", in: folder)
    #expect(sweep.status == 0, "\(sweep.errors)")
    #expect(try folder.text("out/points.csv").contains("Qwen/Qwen3-0.6B"))
    try folder.add("q.yaml", "n_c: 8\nmodel: nobody/nothing-7b\nn_g: 8\nbackend: shape\n")
    let result = try run("sweep q.yaml --output out2", in: folder)
    #expect(result.status == 1 && result.sentence?.contains("q.yaml:2: ") == true)
    #expect(result.sentence?.contains("hf download nobody/nothing-7b config.json") == true)
  }

  /// What stands in place of a `config.json`, and what is said of it.
  static let broken: [(String, String)] = [
    ("", "config.json: is not a JSON file"), ("[1]", "must hold a JSON object"),
    (#"{"model_type": "gemma2"}"#, "model_type \"gemma2\" is not built"),
    (#"{"model_type": "gpt2", "n_layer": -1}"#, "\"n_layer\" must be an integer"),
  ]

  @Test(arguments: broken)
  func `a configuration in the cache that cannot be used is named`(
    text: String, part: String
  ) throws {
    let folder = try Folder()
    let snapshot = try snapshot("org/tiny", text, in: folder)
    let result = try run("plan --model org/tiny --n-c 4", in: folder)
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.sentence?.contains(part) == true, "\(result.errors)")
    #expect(result.sentence?.contains("\(snapshot)/config.json") == true)
  }

  @Test func `a folder, a pipe or nothing in place of a configuration is a sentence`() throws {
    let folder = try Folder()
    let manager = FileManager.default
    let file = try snapshot("org/tiny", "{}", in: folder) + "/config.json"
    for (part, status, make) in [
      ("has no config.json in the Hugging Face cache", Int32(64), {}),
      (
        "is a directory", 1,
        { try? manager.createDirectory(atPath: file, withIntermediateDirectories: false) }
      ),
      ("is not a regular file", 1, { _ = unsafe mkfifo(file, 0o600) }),
    ] {
      try manager.removeItem(atPath: file)
      make()
      let result = try run("plan --model org/tiny --n-c 4", in: folder)
      #expect(result.status == status && result.output.isEmpty)
      #expect(result.sentence?.contains(part) == true, "\(result.errors)")
      if part.hasPrefix("has no") { _ = manager.createFile(atPath: file, contents: nil) }
    }
  }

  @Test func `what is in the cache is never written over`() throws {
    let folder = try Folder()
    let snapshot = try snapshot("org/tiny", #"{"model_type": "gpt2", "n_layer": 1}"#, in: folder)
    let result = try run(
      "measure --model org/tiny --n-c 4 --n-g 4 --backend shape --json \(snapshot)/config.json",
      in: folder)
    #expect(result.status == 64 && result.output.isEmpty, "\(result.errors)")
    #expect(try folder.text("hub/models--org--tiny/blobs/x").contains("gpt2"))
  }

  // MARK: ballast models

  @Test func `ballast models lists every name with its sizes`() throws {
    let folder = try Folder()
    let table = try run("models", in: folder)
    #expect(table.status == 0 && table.errors.isEmpty)
    #expect(table.output.contains("qwen3-8b") && table.output.contains("Qwen/Qwen3-8B"))
    #expect(table.output.contains("\ngemma2, by ballast-probe alone\ngemma-2-2b"))
    #expect(table.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
    let csv = try run("models --format csv", in: folder).output.split(separator: "\n")
    let columns = "model,public_name,family,layers,d_model,parameters,context_length,taken_by"
    #expect(csv.first.map(String.init) == columns)
    #expect(
      csv.contains("phi-4,microsoft/phi-4,phi3,40,5120,14659507200,16384,ballast-probe"))
    let json = try run("models --format json", in: folder).output
    let list = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [[String: Any]]
    #expect(list?.count == csv.count - 1 && (list?.count ?? 0) > 50)
    #expect(try run("models --format yaml", in: folder).status == 64)
  }

  @Test(arguments: ["measure", "plan"])
  func `help of --model names the ways, not all models`(command: String) throws {
    let help = try run("help \(command)", in: Folder()).output
    let words = help.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(words.contains("A name such as qwen3-8b (ballast models lists them), org/name in the"))
    #expect(!words.contains("gpt3-175b"))
  }
}
