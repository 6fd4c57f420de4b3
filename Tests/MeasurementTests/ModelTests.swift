import Foundation
import HuggingFace
import Measurement
import Profiles
import Reporting
import Retention
import Safetensors
import Spelling
import Tensors
import TestSupport
import Testing
import Transformer

private let fixtures = Repository.fixtures

private func makeRequest(_ model: String) throws -> PointRequest {
  var request = PointRequest(model: try ModelSource.resolve(model))
  (request.settings["n_c"], request.settings["n_g"]) = (AxisValue(4), AxisValue(4))
  return request
}

@Suite struct ModelTests {
  @Test(arguments: ModelSource.names)
  func `every built-in name is a model that a point can have`(name: String) throws {
    var request = try makeRequest(name)
    try request.settings.set("backend", "shape")
    let planned = try request.planned()
    #expect(planned.point.modelName == name && planned.weights == nil)
    #expect(planned.point.dtype == planned.point.model.dtype ?? .float32)
  }

  @Test(arguments: BuiltInModels.all.filter { !$0.isBuilt })
  func `a model that PyTorch alone runs is refused with what does`(model: BuiltInModel) throws {
    for name in [model.name, model.publicName].compactMap(\.self) {
      let error = #expect(throws: ModelError.self) {
        _ = try ModelSource.resolve(name, cache: HubCache(path: "/nowhere"))
      }
      #expect(error == .notBuilt(model.name, family: model.family))
      #expect(error?.description.contains("ballast-probe fit --model \(model.name)") == true)
    }
  }

  @Test(arguments: BuiltInModels.all.filter(\.isBuilt))
  func `a public name is the built-in model's where the cache has none`(
    model: BuiltInModel
  ) throws {
    guard let name = model.publicName else { return }
    let none = HubCache(path: "/nowhere")
    let found = try ModelSource.resolve(name, cache: none)
    #expect(try found.configuration == ModelSource.resolve(model.name).configuration)
    #expect(found.name == name && ModelSource.path(of: name, cache: none) == nil)
  }

  @Test func `a directory brings its weights, and its config.json alone does not`() throws {
    let directory = try makeRequest("\(fixtures)/llama-gqa").planned()
    #expect(directory.weights == StoredWeights(path: "\(fixtures)/llama-gqa", layers: 2))
    #expect(directory.point.model.kvHeads == 2 && directory.point.model.vocab == 67)
    #expect(try makeRequest("\(fixtures)/llama-gqa/config.json").planned().weights == nil)
    var onShapes = try makeRequest("\(fixtures)/llama-gqa")
    try onShapes.settings.set("backend", "shape")
    #expect(try onShapes.planned().weights == nil)
    onShapes.weights = "w"
    #expect(try onShapes.planned().weights?.path == "w")
  }

  @Test func `a directory without weights says that they are drawn`() throws {
    let folder = try Folder()
    try folder.add(
      "config.json",
      #"{"model_type": "llama", "torch_dtype": "float64", "num_hidden_layers": 1}"#)
    let model = try ModelSource.resolve(folder.path)
    #expect(model.weights == nil && model.notes.count == 1)
    #expect(model.notes.first?.contains("float64 is not built") == true)
    var request = PointRequest(model: model)
    #expect(request.notes.last?.contains("drawn from the seed") == true)
    try request.settings.set("backend", "shape")
    #expect(request.notes == model.notes)
  }

  @Test func `the first layers are taken, and no more than there are`() throws {
    var request = try makeRequest("\(fixtures)/qwen2-window-mix")
    request.settings["layers"] = AxisValue(2)
    let planned = try request.planned()
    #expect(planned.point.model.layers == 2 && planned.weights?.layers == 3)
    for layer in 0..<2 {
      #expect(
        planned.point.model.slidingWindow(ofLayer: layer)
          == request.model.configuration.slidingWindow(ofLayer: layer))
    }
    try Checkpoints().check(planned)
    request.settings["layers"] = AxisValue(4)
    let error = #expect(throws: PointError.self) { try request.planned() }
    #expect(error?.description.hasPrefix("layers 4 is more than the model") == true)
    // The models for trying things out have as many as one likes.
    var own = try makeRequest("seed")
    own.settings["layers"] = AxisValue(7)
    #expect(try own.planned().point.model.layers == 7)
  }

  @Test func `new sizes change nothing else of a model`() throws {
    for name in BuiltInModels.names {
      let base = try ModelSource.resolve(name).configuration
      #expect(AxisSettings().applied(to: base) == base)
      var sizes = AxisSettings()
      sizes["layers"] = AxisValue(base.layers)
      sizes["vocab"] = AxisValue(base.vocab)
      sizes["d_ff"] = AxisValue(base.dFF)
      sizes["d_head"] = AxisValue(base.dHead)
      sizes["kv_heads"] = AxisValue(base.kvHeads)
      #expect(sizes.applied(to: base) == base)
      sizes["d_ff"] = AxisValue(8)
      var expected = base
      expected.dFF = 8
      #expect(sizes.applied(to: base) == expected)
    }
  }

  @Test func `weights that no longer fit the sizes are refused`() throws {
    var request = try makeRequest("\(fixtures)/llama-gqa")
    request.settings["d_ff"] = AxisValue(40)
    let planned = try request.planned()
    let error = #expect(throws: WeightsError.self) { try Checkpoints().check(planned) }
    #expect(error?.description.contains("the configuration makes it [40, 24]") == true)
  }

  @Test(arguments: [("mistral-7", "mistral-7b"), ("gpt-2", "gpt2"), ("Qwen3-8b", "qwen3-8b")])
  func `a name that is nearly right is found`(word: String, meant: String) throws {
    let error = #expect(throws: ModelError.self) { _ = try ModelSource.resolve(word) }
    #expect(error?.description.contains("did you mean \"\(meant)\", one of those") == true)
  }

  @Test(arguments: ["./gpt2", "nowhere/config.json", "x.json"])
  func `what looks like a path is a file that is missing`(path: String) throws {
    let error = #expect(throws: ConfigurationError.self) { _ = try ModelSource.resolve(path) }
    #expect(error?.description.contains("No such file") == true)
  }

  @Test func `the dtype is the configuration's own unless one is given`() throws {
    var request = try makeRequest("llama-3.1-8b")
    #expect(try request.planned().point.dtype == .bfloat16)
    try request.settings.set("dtype", "float32")
    #expect(try request.planned().point.dtype == .float32)
  }

  // MARK: Profiles

  @Test func `a profile finds its files from its own folder`() throws {
    let folder = try Folder()
    for name in ["config.json", "model.safetensors", "tokens.json"] {
      try FileManager.default.copyItem(
        atPath: "\(fixtures)/llama-gqa/\(name)", toPath: "\(folder.path)/\(name)")
    }
    let path = try folder.add(
      "p.yaml",
      "model: config.json\nweights: model.safetensors\ntokens: tokens.json\nn_c: [3, 7]\n"
        + "n_g: 2\nbatch: 2\nlayers: [1, 2]\n")
    let profile = try Profile(path: path, threads: 1)
    #expect(profile.points.count == 4 && profile.tokens?.path == "\(folder.path)/tokens.json")
    #expect(profile.points.allSatisfy { $0.point.modelName == "config.json" })
    #expect(
      profile.points.allSatisfy {
        $0.weights == StoredWeights(path: "\(folder.path)/model.safetensors", layers: 2)
      })
    #expect(profile.notes.count == 1)
    #expect(profile.notes.first?.contains("18 of 36 tokens are not used") == true)
  }

  /// Lines after `model: …/llama-gqa` of a profile, the line at fault and what is said.
  static let bad: [(String, Int, String)] = [
    ("layers: [1, 3]\nn_c: 1\nn_g: 1", 2, "layers 3 is more than the model"),
    ("n_c: 1\nn_g: 1\nweights: /nowhere", 4, "/nowhere: cannot be opened: No such file"),
    ("n_c: 1\nn_g: 1\ntokens: /nowhere", 4, "/nowhere: cannot be opened: No such file"),
    ("n_c: 1\nn_g: 1\ntokens: [a, b]", 4, "tokens must be a text, not a list"),
    ("n_c: 1\nn_g: 1\ndropout: 0.1", 4, "dropout goes with gpt2 models, not with llama"),
    ("n_c: 1\nn_g: 1\ntrainable: '('", 4, "is not a regular expression"),
    ("n_c: 1\nn_g: 1\ndtype: float17", 4, "unknown dtype \"float17\""),
    ("n_c: 1\nn_g: 1\nbatch: 3\ntokens: llama-gqa/tokens.json", 5, "but batch is 3"),
    ("n_c: 30\nn_g: 1\nbatch: 2\ntokens: llama-gqa/tokens.json", 5, "but the step reads 31"),
    ("n_c: 1\nn_g: 1\nweights: gpt2-untied", 4, "gpt2-untied/model.safetensors: tensor"),
  ]

  @Test(arguments: bad)
  func `a profile's files are looked at before anything runs`(
    lines: String, line: Int, part: String
  ) throws {
    let error = try #require(
      throws: ProfileError.self,
      performing: {
        try Profile(text: "model: llama-gqa\n\(lines)\n", file: "\(fixtures)/p.yaml")
      })
    #expect(error.line == line && error.sentence.contains(part), "\(error)")
    #expect(!error.description.contains("\n"))
  }

  @Test func `the laws of all families, dtypes and frozen parameters are exact`() throws {
    let profile = try Profile(
      text: """
        model: [llama-gqa, mistral-window, gpt2-untied, qwen2-window-mix]
        n_c: [0, 1, 2, 5, 20, 37]
        n_g: 3
        dtype: [float32, bfloat16]
        trainable: ['.', attn, '(mlp|ln).*weight']
        attention: [materialized, fused]
        mode: [full-graph, detached-prefix]
        backend: shape
        """, file: "\(fixtures)/p.yaml")
    try requireLaws(profile)
    // n_c + n_g ends with the learned positions, and dropout has masks of one byte.
    try requireLaws(
      Profile(
        text: """
          model: gpt2-untied
          n_c: [1, 2, 4]
          n_g: 36
          dropout: [0, 0.5]
          attention: [materialized, fused]
          backend: shape
          """, file: "\(fixtures)/p.yaml"))
  }

  private func requireLaws(_ profile: Profile) throws {
    let runner = PointRunner(engine: .cpu, limit: nil, points: profile.points)
    let records = profile.points.map { runner.run($0, profile: "p").record }
    for record in records { #expect(record.status == .ok, "\(record.error ?? "")") }
    let laws = SeriesLaws(of: records, engine: .cpu)
    #expect(laws.disagreements.isEmpty, "\(laws.disagreements)")
    #expect(laws.records.allSatisfy { $0.pointsMatching == $0.pointsChecked })
  }
}
