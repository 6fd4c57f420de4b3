import Foundation
import Ledger
import Safetensors
import TestSupport
import Testing
import Transformer

@Suite struct `A model's weights` {
  private let directory: Folder

  init() throws { directory = try Folder() }

  private func write(_ name: String, _ tensors: [ExpectedTensor]) throws {
    try SafetensorsWriter.write(
      to: "\(directory.path)/\(name)",
      Dictionary(
        tensors.map {
          ($0.name, (shape: $0.shape, values: [Float](repeating: 0.5, count: $0.count)))
        },
        uniquingKeysWith: { first, _ in first }))
  }

  private func sentence(_ body: () throws(WeightsError) -> Void) -> String {
    do throws(WeightsError) {
      try body()
      return ""
    } catch { return error.description }
  }

  /// What matching the file `w.safetensors` with these tensors says.
  private func match(_ map: WeightMap, _ tensors: [ExpectedTensor]) throws -> String {
    try write("w.safetensors", tensors)
    let path = "\(directory.path)/w.safetensors"
    return sentence { () throws(WeightsError) in _ = try map.match(ModelWeights.open(path)) }
  }

  private static func tiny(_ family: String, _ more: String = "") throws -> DecoderConfiguration {
    try configuration(
      family == "gpt2"
        ? """
        {"model_type": "gpt2", "n_embd": 8, "n_head": 2, "n_layer": 2, "vocab_size": 5,
         "n_positions": 6\(more)}
        """
        : """
        {"model_type": "\(family)", "hidden_size": 8, "num_attention_heads": 2, "head_dim": 6,
         "num_key_value_heads": 1, "num_hidden_layers": 2, "vocab_size": 5,
         "intermediate_size": 3\(more)}
        """
    )
  }

  @Test(arguments: ["gpt2", "llama", "mistral", "qwen2", "qwen3"], [true, false])
  func `match their configuration with and without the prefix`(_ family: String, _ tied: Bool)
    throws
  {
    let map = WeightMap(try Self.tiny(family, ", \"tie_word_embeddings\": \(tied)"))
    #expect(try match(map, map.tensors) == "")
    let prefix = family == "gpt2" ? "transformer." : "model."
    let bare = map.tensors.map {
      ExpectedTensor(
        name: $0.name.hasPrefix(prefix) ? String($0.name.dropFirst(prefix.count)) : $0.name,
        shape: $0.shape)
    }
    #expect(try match(map, bare) == "")
    for index in map.tensors.indices {
      var without = map.tensors
      let removed = without.remove(at: index)
      #expect(try match(map, without).contains("tensor \"\(removed.name)\" is missing"))
      var wrong = map.tensors
      wrong[index] = ExpectedTensor(name: removed.name, shape: removed.shape + [1])
      #expect(try match(map, wrong).contains("\"\(removed.name)\" has shape"))
    }
    let extra = map.tensors + [ExpectedTensor(name: "score.weight", shape: [2])]
    #expect(try match(map, extra).contains("\"score.weight\" is not of this configuration"))
  }

  @Test func `say which wrapper named them`() throws {
    let map = WeightMap(try Self.tiny("llama"))
    func match(_ name: (String) -> String) throws -> String {
      try self.match(
        map, map.tensors.map { ExpectedTensor(name: name($0.name), shape: $0.shape) })
    }
    let first = map.tensors[0].name
    #expect(
      try match { "_orig_mod.\($0)" }.contains(
        "tensor \"\(first)\" is stored as \"_orig_mod.\(first)\", which torch.compile named"))
    #expect(try match { "module.\($0)" }.contains("save model.module"))
    #expect(try match { "module._orig_mod.\($0)" }.contains("is stored as"))
    #expect(
      try match { $0.replacing("layers.1.", with: "layers.1._orig_mod.") }.contains(
        "model.layers.1._orig_mod."))
    #expect(try match { "language_model.\($0)" }.contains("with \"language_model.\" in front"))
    #expect(try match { "other_\($0)" }.contains("missing"))
  }

  @Test func `have GPT-2's transposed shapes and old buffers`() throws {
    let map = WeightMap(try Self.tiny("gpt2"))
    func shape(_ name: String) -> [Int]? { map.tensors.first { $0.name == name }?.shape }
    #expect(shape("transformer.h.1.attn.c_attn.weight") == [8, 24])
    #expect(shape("transformer.h.1.mlp.c_fc.weight") == [8, 32])
    #expect(shape("transformer.wpe.weight") == [6, 8])
    let buffers = [
      ExpectedTensor(name: "transformer.h.0.attn.bias", shape: [1, 1, 6, 6]),
      ExpectedTensor(name: "h.1.attn.masked_bias", shape: []),
    ]
    #expect(try match(map, map.tensors + buffers) == "")
    let llama = WeightMap(try Self.tiny("llama"))
    let frequencies = ExpectedTensor(
      name: "model.layers.1.self_attn.rotary_emb.inv_freq", shape: [3])
    #expect(try match(llama, llama.tensors + [frequencies]) == "")
    let third = ExpectedTensor(name: "model.layers.2.self_attn.rotary_emb.inv_freq", shape: [3])
    #expect(try match(llama, llama.tensors + [third]).contains("not of this configuration"))
  }

  @Test func `may hold more layers than are asked for`() throws {
    var first = try Self.tiny("qwen3")
    let whole = WeightMap(first)
    first.layers = 1
    #expect(try match(WeightMap(first, storedLayers: 2), whole.tensors) == "")
    #expect(
      try match(WeightMap(first), whole.tensors).contains("more are not of this configuration"))
  }

  @Test func `may hold a tied head beside or in place of the embedding`() throws {
    let map = WeightMap(try Self.tiny("llama", #", "tie_word_embeddings": true"#))
    let head = ExpectedTensor(name: WeightMap.head, shape: [5, 8])
    #expect(try match(map, map.tensors + [head]) == "")
    #expect(try match(map, Array(map.tensors.dropFirst()) + [head]) == "")
    let path = "\(directory.path)/w.safetensors"
    try SafetensorsWriter.write(
      to: path, tensors: (map.tensors + [head]).map { (name: $0.name, shape: $0.shape) }
    ) { name, sink in
      let count = name == head.name ? 40 : map.tensors.first { $0.name == name }?.count ?? 0
      try sink([Float](repeating: name == head.name ? 2 : 1, count: count).span)
    }
    let said = sentence { () throws(WeightsError) in _ = try map.match(ModelWeights.open(path)) }
    #expect(said.contains("\"lm_head.weight\" differs from \"model.embed_tokens.weight\""))
  }

  @Test func `may be sharded`() throws {
    let a = ExpectedTensor(name: "a", shape: [2])
    let b = ExpectedTensor(name: "b", shape: [3])
    try write("one.safetensors", [a])
    try write("two.safetensors", [b])
    func open(_ map: String) throws -> String {
      let text = #"{"metadata": {"total_size": 20}, "weight_map": \#(map)}"#
      _ = try directory.add("model.safetensors.index.json", Array(text.utf8))
      return sentence { () throws(WeightsError) in
        let weights = try ModelWeights.open(directory.path)
        if weights.names != ["a", "b"] { throw WeightsError(file: "", "names") }
        if try weights.floats("b") != [0.5, 0.5, 0.5] { throw WeightsError(file: "", "values") }
      }
    }
    #expect(try open(#"{"a": "one.safetensors", "b": "two.safetensors"}"#) == "")
    #expect(try open(#"{"a": "one.safetensors", "b": "one.safetensors"}"#).contains("is not there"))
    #expect(try open(#"{"a": "gone.safetensors"}"#).contains("gone.safetensors: cannot be opened"))
    for outside in ["../x.safetensors", "/etc/passwd", "..", "", "sub/x.safetensors", "x\\u0000y"] {
      #expect(try open("{\"a\": \"\(outside)\"}").contains("shards must be files beside"))
    }
    #expect(try open(#"{"a": 1}"#).contains("no file but 1"))
    #expect(try open("{}").contains("empty"))
    #expect(try open("[]").contains("no object \"weight_map\""))
    #expect(try open("{").contains("cannot be read") || open("{").contains("can be read"))
    try write("model.safetensors", [a])
    let single = try ModelWeights.open(directory.path)
    #expect(single.names == ["a"])
  }

  @Test func `are looked for where they can be`() throws {
    let path = directory.path
    #expect(
      sentence { () throws(WeightsError) in _ = try ModelWeights.open(path) }.contains(
        "holds neither"))
    #expect(!ModelWeights.exist(in: path))
    #expect(
      sentence { () throws(WeightsError) in _ = try ModelWeights.open(path + "/x") }.contains(
        "cannot be opened"))
    #expect(
      sentence { () throws(WeightsError) in _ = try ModelWeights.open("/dev/null") }.contains(
        "not a regular file"))
  }
}

extension ExpectedTensor {
  /// A tensor of a checkpoint, whatever a model does with it.
  fileprivate init(name: String, shape: [Int]) {
    self.init(name: name, role: ParameterRole(.head), shape: shape)
  }
}
