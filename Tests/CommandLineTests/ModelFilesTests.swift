import Files
import Foundation
import Safetensors
import TestSupport
import Testing
import Transformer

/// What `case.json` of a fixture says.
private struct Case: Decodable {
  let n_c: Int
  let n_g: Int
  let batch: Int
  let loss_rows: String
  let keep_prefix: Int
  let modes: [String: Expected]

  struct Expected: Decodable {
    let loss: Double
    let gradient_relative_error: Double?
  }
}

/// Directories that `save_pretrained` wrote, measured as a user does.
@Suite(.serialized) struct ModelFilesTests {
  static let fixtures = Repository.fixtures

  static let names: [String] = {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: fixtures)) ?? []
    return all.filter { FileManager.default.fileExists(atPath: "\(fixtures)/\($0)/case.json") }
      .sorted()
  }()

  @Test func `there are fixtures of every family`() {
    let families = Set(Self.names.compactMap { $0.split(separator: "-").first })
    #expect(families == ["gpt2", "llama", "mistral", "qwen2", "qwen3"])
  }

  @Test(arguments: names, ["full-graph", "detached-prefix"])
  func `a directory gives PyTorch's loss and gradients`(name: String, mode: String) throws {
    let model = "\(Self.fixtures)/\(name)"
    let given = try JSONDecoder().decode(
      Case.self, from: Data(contentsOf: URL(fileURLWithPath: "\(model)/case.json")))
    let expected = try #require(given.modes[mode])
    let folder = try Folder()
    var arguments = [
      "measure", "--model", model, "--tokens", "\(model)/tokens.json", "--n-c", "\(given.n_c)",
      "--n-g", "\(given.n_g)", "--loss-rows", given.loss_rows, "--mode", mode, "--gradients",
      "g.safetensors", "--json", "row.json", "--threads", "1",
    ]
    if given.batch > 1 { arguments += ["--batch", "\(given.batch)"] }
    if mode == "detached-prefix" {
      arguments += ["--keep-prefix", "\(min(given.keep_prefix, given.n_c))"]
    }
    let result = try Program.run(arguments, in: folder.path)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")

    let row = try #require(
      try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/row.json"))) as? [String: Any])
    let loss = try #require(row["loss"] as? Double)
    #expect(abs(loss / expected.loss - 1) <= 1e-5)
    let error = try #require(row["gradient_relative_error"] as? Double)
    #expect(abs(error - (expected.gradient_relative_error ?? 0)) < 1e-4)

    let ours = try SafetensorsFile("\(folder.path)/g.safetensors")
    let theirs = try SafetensorsFile("\(model)/\(mode).safetensors")
    #expect(Set(ours.names) == Set(theirs.names))
    for name in theirs.names {
      #expect(ours.tensor(named: name)?.shape == theirs.tensor(named: name)?.shape)
      #expect(ours.tensor(named: name)?.dtype == .float32)
      let distance = relativeL2(
        try ours.floats(name).map(Double.init), try theirs.floats(name).map(Double.init))
      #expect(distance <= 2e-5, "\(name): \(distance)")
    }
  }

  // MARK: Options

  private static let point = "--model llama-gqa --n-c 5 --n-g 3 --threads 1"

  private func run(_ options: String, in folder: String = fixtures) throws -> Program.Result {
    try Program.run(["measure"] + options.split(separator: " ").map(String.init), in: folder)
  }

  @Test func `frozen parameters are absent from the gradients`() throws {
    let folder = try Folder()
    let result = try run(
      Self.point + " --trainable layers.1.*proj --gradients \(folder.path)/g.safetensors")
    #expect(result.status == 0, "\(result.errors)")
    let names = try SafetensorsFile("\(folder.path)/g.safetensors").names
    #expect(names.count == 7)
    #expect(names.allSatisfy { $0.hasPrefix("model.layers.1.") && $0.contains("_proj") })
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["g.safetensors"])
  }

  @Test func `the first layers of a checkpoint are loaded`() throws {
    let folder = try Folder()
    let result = try run(
      Self.point + " --layers 1 --gradients \(folder.path)/g.safetensors --format csv")
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let names = try SafetensorsFile("\(folder.path)/g.safetensors").names
    #expect(names.contains("model.layers.0.mlp.up_proj.weight"))
    #expect(!names.contains { $0.contains("layers.1") })
  }

  /// A directory with a fixture's configuration, tokens and weights.
  private func copied(_ name: String = "llama-gqa") throws -> Folder {
    let folder = try Folder()
    for file in ["config.json", "tokens.json", "model.safetensors"] {
      try FileManager.default.copyItem(
        atPath: "\(Self.fixtures)/\(name)/\(file)", toPath: "\(folder.path)/\(file)")
    }
    return folder
  }

  @Test(arguments: [
    "measure --gradients model.safetensors", "measure --json config.json",
    "measure --model config.json --json ./config.json", "measure --ledger tokens.json",
    "measure --model config.json --weights model.safetensors --ledger model.safetensors",
    "measure --model config.json --tokens tokens.json --batch 2 --gradient-errors tokens.json",
    "flow --csv config.json", "flow --positions ./model.safetensors",
  ])
  func `an output never replaces what is read`(command: String) throws {
    let folder = try copied()
    func files() throws -> [Data] {
      try ["config.json", "tokens.json", "model.safetensors"].map {
        try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\($0)"))
      }
    }
    let before = try files()
    var arguments = command.split(separator: " ").map(String.init) + ["--n-c", "5", "--n-g", "3"]
    if !arguments.contains("--model") { arguments += ["--model", "."] }
    let result = try Program.run(arguments, in: folder.path)
    #expect(result.status == 64, "\(result.errors)")
    #expect(result.sentence?.contains("name the same file") == true, "\(result.errors)")
    #expect(try files() == before)
  }

  @Test(arguments: ["measure", "flow"])
  func `a loss that is no number is a sentence about the weights`(command: String) throws {
    let folder = try copied()
    let path = "\(folder.path)/model.safetensors"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    // The last element of the file, as NaN.
    bytes.replaceSubrange(bytes.count - 4..<bytes.count, with: [0, 0, 0xC0, 0x7F])
    try bytes.write(to: URL(fileURLWithPath: path))
    let result = try Program.run(
      [command, "--model", ".", "--n-c", "5", "--n-g", "3"], in: folder.path)
    #expect(result.status == 1 && result.output.isEmpty)
    #expect(result.sentence?.contains("do the weights hold NaN") == true, "\(result.errors)")
  }

  @Test func `weights that are there and cannot be read are not drawn instead`() throws {
    let folder = try copied()
    let path = "\(folder.path)/model.safetensors"
    let point = ["measure", "--model", ".", "--n-c", "5", "--n-g", "3"]
    try FileManager.default.removeItem(atPath: path)
    try Data().write(to: URL(fileURLWithPath: "\(folder.path)/pytorch_model.bin"))
    let drawn = try Program.run(point, in: folder.path)
    #expect(drawn.status == 0 && drawn.errors.contains("(pytorch_model.bin is not read)"))
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "nowhere")
    let dangling = try Program.run(point, in: folder.path)
    #expect(dangling.status == 1 && dangling.output.isEmpty, "\(dangling.errors)")
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: false)
    let directory = try Program.run(point, in: folder.path)
    #expect(directory.status == 1 && directory.sentence?.contains("directory") == true)
  }

  @Test func `dropout that the configuration trains with is said to be left out`() throws {
    let folder = try copied("gpt2-untied")
    let path = URL(fileURLWithPath: "\(folder.path)/config.json")
    var members = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: path)) as? [String: Any])
    (members["attn_pdrop"], members["embd_pdrop"], members["resid_pdrop"]) = (0.25, 0, 0)
    try JSONSerialization.data(withJSONObject: members).write(to: path)
    let point = ["measure", "--model", ".", "--n-c", "5", "--n-g", "3"]
    let without = try Program.run(point, in: folder.path)
    #expect(without.status == 0 && without.errors.contains("trains with dropout 0.25"))
    let with = try Program.run(point + ["--dropout", "0.1"], in: folder.path)
    #expect(with.status == 0 && with.errors.isEmpty, "\(with.errors)")
  }

  @Test func `weights may be given for themselves`() throws {
    func loss(_ options: String) throws -> Double {
      let result = try run("\(options) --n-c 5 --n-g 3 --threads 1 --format json")
      #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
      let row = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
      return try #require(row?["loss"] as? Double)
    }
    let own = try loss("--model llama-gqa")
    let given = try loss(
      "--model llama-gqa/config.json --weights llama-gqa/model.safetensors")
    #expect(own == given)
    #expect(try loss("--model llama-gqa --weights llama-gqa") == own)
    #expect(try loss("--model llama-gqa/config.json") != own)
  }

  @Test func `what is left of the tokens is said in a line`() throws {
    let result = try run(Self.point + " --batch 2 --tokens llama-gqa/tokens.json")
    #expect(result.status == 0)
    #expect(
      result.sentence == "ballast: llama-gqa/tokens.json: 20 of 36 tokens are not used; "
        + "the first 8 of each sequence are")
  }

  @Test func `the configuration's dtype is the default, and --dtype overrides it`() throws {
    let shapes = "--n-c 5 --n-g 3 --backend shape --format csv --model"
    #expect(try run("\(shapes) qwen3-8b").output.contains(",bfloat16,"))
    #expect(try run("\(shapes) qwen3-8b --dtype float32").output.contains(",float32,"))
    #expect(try run("\(shapes) gpt2").output.contains(",float32,"))
  }

  @Test func `built-in models work wherever the binary is`() throws {
    let folder = try Folder()
    let copy = "\(folder.path)/elsewhere"
    try FileManager.default.copyItem(atPath: Program.path, toPath: copy)
    for name in ["seed", "gpt2", "llama-3.1-405b", "qwen2.5-7b"] {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: copy)
      process.arguments = [
        "measure", "--model", name, "--n-c", "4", "--n-g", "4", "--backend", "shape", "--format",
        "csv",
      ]
      process.currentDirectoryURL = URL(fileURLWithPath: "/")
      let output = Pipe()
      process.standardOutput = output
      try process.run()
      let text = String(
        decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 0 && text.contains(",\(name),"))
    }
  }

  // MARK: Refusals

  /// Options, the exit status, and what the sentence says.
  static let refusals: [(String, Int32, String)] = [
    ("--model llama-gq --n-c 4 --n-g 4", 64, "unknown model \"llama-gq\", and no such file"),
    ("--model llama-3.1-8 --n-c 4 --n-g 4", 64, "did you mean \"llama-3.1-8b\", one of those"),
    ("--model gemma-3-12b --n-c 4 --n-g 4", 64, "by ballast-probe fit --model gemma-3-12b, and"),
    ("--model gpt4 --n-c 4 --n-g 4", 64, "ballast models lists those that are built in; of any"),
    ("--model ./gpt2 --n-c 4 --n-g 4", 1, "./gpt2: cannot be opened: No such file"),
    ("--model /dev/null --n-c 4 --n-g 4", 1, "/dev/null: is not a regular file"),
    ("--model . --n-c 4 --n-g 4", 1, "./config.json: is missing"),
    ("--model README.md --n-c 4 --n-g 4", 1, "README.md: is not a JSON file that can be read"),
    ("--model llama-gqa/case.json --n-c 4 --n-g 4", 1, "has no \"model_type\""),
    (point + " --layers 3", 64, "layers 3 is more than the model \"llama-gqa\" has, 2"),
    (point + " --layers 0", 64, "layers must be 1"),
    ("--model gpt2 --n-c 4 --n-g 4 --layers 13 --backend shape", 64, "has, 12"),
    (point + " --d-ff 36", 1, "but the configuration makes it [36, 24]"),
    (point + " --vocab 68", 1, "but the configuration makes it [68, 24]"),
    ("--model gpt2-untied --n-c 38 --n-g 3", 64, "learned positions for 40 tokens only"),
    (point + " --dtype float17", 64, "unknown dtype \"float17\"; did you mean"),
    (point + " --dtype float16", 64, "dtype float16 is counted and not computed; use --dtype"),
    (point + " --dtype uint8", 64, "unknown dtype \"uint8\""),
    (point + " --dropout 0.1", 64, "dropout goes with gpt2 models, not with llama"),
    (point + " --dropout 1", 64, "dropout must be 0 or more and less than 1"),
    (point + " --trainable (", 64, "trainable \"(\" is not a regular expression"),
    (point + " --trainable zzz", 1, "trainable \"zzz\" is found in no parameter's name"),
    (point + " --weights nowhere", 1, "nowhere: cannot be opened: No such file"),
    (point + " --weights .", 1, ".: holds neither model.safetensors nor"),
    (point + " --weights README.md", 1, "README.md: "),
    (point + " --weights gpt2-untied", 1, "gpt2-untied/model.safetensors: tensor"),
    (point + " --weights nowhere --backend shape", 1, "nowhere: cannot be opened"),
    (point + " --tokens nowhere", 1, "nowhere: cannot be opened: No such file"),
    (point + " --tokens .", 1, ".: is a directory"),
    (point + " --tokens README.md", 1, "README.md: is not a JSON file"),
    (point + " --tokens llama-gqa/case.json", 1, "a tokens file holds \"tokens\", and for"),
    (point + " --batch 3 --tokens llama-gqa/tokens.json", 1, "holds 2 sequences, but batch is 3"),
    (
      "--model llama-gqa --batch 2 --n-c 15 --n-g 4 --tokens llama-gqa/tokens.json", 1,
      "tokens[0] has 18 tokens, but the step reads 19"
    ),
    (
      "--model gpt2-untied --batch 2 --n-c 5 --n-g 4 --tokens llama-gqa/tokens.json", 1,
      "tokens[0][2] is 63, but the model's tokens are 0 to 52"
    ),
    (point + " --gradients /nowhere/g", 1, "cannot write /nowhere/g"),
    (point + " --gradients /dev/null", 1, "cannot write /dev/null: gradients go into a regular"),
    (point + " --gradients .", 1, "cannot write .: it is a directory"),
    (point + " --backend shape --gradients g", 64, "--gradients needs --backend cpu"),
  ]

  @Test(arguments: refusals)
  func `a refusal is one sentence and a status`(
    options: String, status: Int32, part: String
  ) throws {
    let result = try run(options)
    #expect(result.status == status && result.output.isEmpty)
    let sentence = try #require(result.sentence, "\(result.errors)")
    #expect(sentence.hasPrefix("ballast: ") && sentence.contains(part), "\(sentence)")
  }

  @Test func `a step that fails leaves no gradients, and those of before stay`() throws {
    let folder = try Folder()
    let path = try folder.add("g.safetensors", "before")
    let result = try run(Self.point + " --memory 1KiB --gradients \(path)")
    #expect(result.status == 1 && result.sentence?.contains("more than the limit") == true)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "before")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["g.safetensors"])
  }
}
