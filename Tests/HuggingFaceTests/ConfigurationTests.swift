import Files
import Foundation
import HuggingFace
import Tensors
import TestSupport
import Testing
import Transformer

@Suite struct `A Hugging Face configuration` {
  /// Members of Llama 3.1's `rope_scaling`.
  private static let scaled =
    #""factor": 8, "low_freq_factor": 1, "high_freq_factor": 4.0"#
  private static let original = #""original_max_position_embeddings": 8192"#

  @Test func `takes the defaults of transformers' classes`() throws {
    let gpt2 = try configuration(#"{"model_type": "gpt2"}"#)
    #expect(gpt2.layers == 12 && gpt2.dModel == 768 && gpt2.heads == 12 && gpt2.dHead == 64)
    #expect(gpt2.dFF == 3072 && gpt2.vocab == 50257 && gpt2.tiedEmbeddings)
    #expect(gpt2.positions == .learned(maximum: 1024) && gpt2.mlp == .gelu(.tanh))
    #expect(gpt2.normalization == .layer && gpt2.normEpsilon == 1e-5)
    #expect(gpt2.queryKeyValueBias && gpt2.outputBias && gpt2.mlpBias && !gpt2.queryKeyNorm)
    #expect(gpt2.dropout == .init(embedding: 0.1, attention: 0.1, residual: 0.1))
    #expect(gpt2.activationName == "gelu_new" && gpt2.dtype == nil)

    let llama = try configuration(#"{"model_type": "llama"}"#)
    #expect(llama.layers == 32 && llama.dModel == 4096 && llama.heads == 32 && llama.kvHeads == 32)
    #expect(llama.dHead == 128 && llama.dFF == 11008 && llama.vocab == 32000)
    #expect(llama.normEpsilon == 1e-6 && !llama.tiedEmbeddings && llama.mlp == .swiGLU)
    #expect(llama.positions == .rotary(theta: 10_000, scaling: .none))
    #expect(!llama.queryKeyValueBias && !llama.outputBias && !llama.mlpBias)
    #expect(llama.slidingWindow == nil && llama.contextLength == 2048 && llama.dropout == .init())

    let mistral = try configuration(#"{"model_type": "mistral"}"#)
    #expect(mistral.kvHeads == 8 && mistral.dFF == 14336 && mistral.vocab == 32000)
    #expect(mistral.slidingWindow(ofLayer: 0) == 4096 && mistral.contextLength == 131_072)

    let qwen2 = try configuration(#"{"model_type": "qwen2"}"#)
    #expect(qwen2.kvHeads == 32 && qwen2.dFF == 22016 && qwen2.vocab == 151_936)
    #expect(qwen2.queryKeyValueBias && !qwen2.outputBias && !qwen2.queryKeyNorm)
    #expect(qwen2.slidingWindow == nil)

    let qwen3 = try configuration(#"{"model_type": "qwen3", "hidden_size": 96}"#)
    #expect(qwen3.dHead == 128 && qwen3.queryKeyNorm && !qwen3.queryKeyValueBias)
    #expect(qwen3.queryWidth == 4096)
  }

  @Test func `reads what changes the graph`() throws {
    let llama = try configuration(
      """
      {"model_type": "llama", "hidden_size": 48, "num_attention_heads": 4, "head_dim": 10,
       "num_key_value_heads": 1, "attention_bias": true, "mlp_bias": true, "vocab_size": 7,
       "tie_word_embeddings": true, "rms_norm_eps": 0.001, "pad_token_id": -1,
       "dtype": "bfloat16", "torch_dtype": "float32", "num_hidden_layers": 3}
      """)
    #expect(llama.dHead == 10 && llama.kvHeads == 1 && llama.groupSize == 4)
    #expect(llama.queryKeyValueBias && llama.outputBias && llama.mlpBias && llama.tiedEmbeddings)
    #expect(llama.normEpsilon == 0.001 && llama.paddingToken == 6 && llama.dtype == .bfloat16)

    let qwen3 = try configuration(
      #"{"model_type": "qwen3", "attention_bias": true, "head_dim": 6}"#)
    #expect(qwen3.queryKeyValueBias && qwen3.outputBias && !qwen3.mlpBias && qwen3.dHead == 6)

    let gpt2 = try configuration(
      """
      {"model_type": "gpt2", "hidden_size": 30, "num_attention_heads": 5, "num_hidden_layers": 2,
       "max_position_embeddings": 64, "n_inner": 17, "activation_function": "gelu",
       "tie_word_embeddings": false, "layer_norm_epsilon": 1e-6, "attn_pdrop": 0}
      """)
    #expect(gpt2.dModel == 30 && gpt2.heads == 5 && gpt2.layers == 2 && gpt2.dFF == 17)
    #expect(gpt2.positions == .learned(maximum: 64) && gpt2.mlp == .gelu(.exact))
    #expect(!gpt2.tiedEmbeddings && gpt2.normEpsilon == 1e-6)
    #expect(gpt2.dropout == .init(embedding: 0.1, attention: 0, residual: 0.1))
    let nulls = try configuration(
      #"{"model_type": "llama", "num_key_value_heads": null, "head_dim": null, "x": null}"#)
    #expect(nulls.kvHeads == 32 && nulls.dHead == 128)
    let mistral = try configuration(#"{"model_type": "mistral", "num_key_value_heads": null}"#)
    #expect(mistral.kvHeads == 32)
  }

  @Test(arguments: [
    (#""rope_theta": 500000"#, 500_000.0, false),
    (#""rope_theta": 2.5, "rope_scaling": null"#, 2.5, false),
    (#""rope_parameters": {"rope_theta": 77.0, "rope_type": "default"}"#, 77, false),
    (#""rope_parameters": {"rope_theta": 77.0}, "rope_theta": 77"#, 77, false),
    (#""rope_parameters": {}, "rope_theta": 9"#, 9, false),
    (#""rope_scaling": {"type": "default"}"#, 10_000, false),
    (
      #""rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", \#(scaled), \#(original)}"#,
      500_000, true
    ),
    (
      #""rope_parameters": {"type": "llama3", "rope_theta": 5e5, \#(scaled), \#(original)}"#,
      500_000, true
    ),
    (
      #""max_position_embeddings": 8192, "rope_theta": 5e5, "rope_scaling": {"type": "llama3", \#(scaled)}"#,
      500_000, true
    ),
  ])
  func `reads rotary positions from their old and new place`(
    _ fields: String, _ theta: Double, _ isScaled: Bool
  ) throws {
    let positions = try configuration(#"{"model_type": "llama", \#(fields)}"#).positions
    let llama3 = DecoderConfiguration.RotaryScaling.llama3(
      factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
    #expect(positions == .rotary(theta: theta, scaling: isScaled ? llama3 : .none))
  }

  @Test func `reads sliding windows layer by layer`() throws {
    func windows(_ text: String) throws -> [Int?] {
      let read = try configuration(text)
      return (0..<4).map { read.slidingWindow(ofLayer: $0) }
    }
    let qwen = #""model_type": "qwen2", "num_hidden_layers": 4"#
    let types =
      #""layer_types": ["full_attention", "sliding_attention", "full_attention", "#
      + #""sliding_attention"]"#
    #expect(try windows("{\(qwen), \"sliding_window\": 9}") == [nil, nil, nil, nil])
    #expect(
      try windows(
        #"{\#(qwen), "sliding_window": 9, "use_sliding_window": true, "max_window_layers": 2}"#)
        == [nil, nil, 9, 9])
    #expect(
      try windows(#"{\#(qwen), "sliding_window": 9, "use_sliding_window": true, \#(types)}"#) == [
        nil, 9, nil, 9,
      ])
    #expect(
      try windows(#"{\#(qwen), "sliding_window": null, "use_sliding_window": true}"#) == [
        nil, nil, nil, nil,
      ])
    #expect(
      try windows(#"{"model_type": "mistral", "sliding_window": null}"#) == [nil, nil, nil, nil])
    #expect(try windows(#"{"model_type": "mistral", "sliding_window": 3}"#) == [3, 3, 3, 3])
    #expect(refusal("{\(qwen), \(types)}")?.contains("must agree") == true)
    #expect(
      refusal(#"{"model_type": "llama", "sliding_window": 4}"#)?.contains("sliding_window") == true)
  }

  @Test func `notes a dtype that it does not build`() throws {
    let text = #"{"model_type": "llama", "torch_dtype": "float64"}"#
    let read = try HuggingFaceConfiguration(Array(text.utf8), file: "config.json")
    #expect(read.decoder.dtype == nil && read.notes.count == 1)
    #expect(read.notes[0].contains("float64"))
  }

  @Test(arguments: [
    #""torch_dtype": "float16""#, #""dtype": "float16""#, #""torch_dtype": "torch.float16""#,
    #""dtype": "float16", "torch_dtype": "float32""#,
  ])
  func `takes float16 from its old and new place`(_ field: String) throws {
    let text = #"{"model_type": "llama", \#(field)}"#
    let read = try HuggingFaceConfiguration(Array(text.utf8), file: "config.json")
    #expect(read.decoder.dtype == .float16 && read.notes.isEmpty)
  }

  @Test(arguments: [
    ("[1]", "must hold a JSON object"), ("{", "is not a JSON file"),
    ("{}", "has no \"model_type\""),
    (#"{"model_type": 3}"#, "\"model_type\" must be a string, not 3"),
    (#"{"model_type": "phi3"}"#, "model_type \"phi3\" is not built; Ballast has gpt2, llama"),
    (#"{"model_type": "llama", "model_type": "gpt2"}"#, "twice"),
    (#"{"model_type": "llama", "hidden_size": null}"#, "\"hidden_size\" is null"),
    (#"{"model_type": "llama", "hidden_size": "4096"}"#, "\"hidden_size\" must be an integer"),
    (#"{"model_type": "llama", "hidden_size": 4096.0}"#, "\"hidden_size\" must be an integer"),
    (#"{"model_type": "llama", "hidden_size": -1}"#, "not -1"),
    (#"{"model_type": "llama", "hidden_size": 0}"#, "not 0"),
    (#"{"model_type": "llama", "hidden_size": 1e400}"#, "no double can hold"),
    (#"{"model_type": "llama", "hidden_size": 99999999999999999999}"#, "must be an integer"),
    (#"{"model_type": "llama", "hidden_size": true}"#, "not true"),
    (#"{"model_type": "llama", "hidden_size": [8]}"#, "not an array"),
    (#"{"model_type": "llama", "rms_norm_eps": NaN}"#, "is not a JSON file"),
    (#"{"model_type": "llama", "rms_norm_eps": 0}"#, "\"rms_norm_eps\" must be"),
    (#"{"model_type": "llama", "rms_norm_eps": 1e-300}"#, "\"rms_norm_eps\" must be"),
    (#"{"model_type": "llama", "num_hidden_layers": 100000}"#, "1 to 4096"),
    (
      #"{"model_type": "llama", "num_attention_heads": 32, "num_key_value_heads": 5}"#,
      "not divisible"
    ),
    (#"{"model_type": "llama", "hidden_size": 30, "num_attention_heads": 4}"#, "give \"head_dim\""),
    (#"{"model_type": "llama", "head_dim": 7}"#, "must be even"),
    (#"{"model_type": "llama", "head_dim": 65536, "num_attention_heads": 65536}"#, "wider"),
    (#"{"model_type": "qwen3", "head_dim": null}"#, "\"head_dim\" is null"),
    (#"{"model_type": "llama", "hidden_act": "gelu"}"#, "\"hidden_act\" \"gelu\" is not built"),
    (#"{"model_type": "gpt2", "activation_function": "relu"}"#, "\"relu\" is not built"),
    (#"{"model_type": "gpt2", "n_embd": 10, "n_head": 4}"#, "not divisible"),
    (#"{"model_type": "gpt2", "n_embd": 12, "hidden_size": 24}"#, "must agree"),
    (#"{"model_type": "gpt2", "scale_attn_weights": false}"#, "\"scale_attn_weights\" false"),
    (#"{"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": true}"#, "is not built"),
    (#"{"model_type": "gpt2", "reorder_and_upcast_attn": true}"#, "is not built"),
    (#"{"model_type": "gpt2", "add_cross_attention": true}"#, "without cross-attention"),
    (#"{"model_type": "gpt2", "attn_pdrop": 1.0}"#, "a probability"),
    (
      #"{"model_type": "llama", "attention_dropout": 0.1}"#,
      "\"attention_dropout\" 0.1 is not built"
    ),
    (#"{"model_type": "llama", "pretraining_tp": 2}"#, "\"pretraining_tp\" is 2"),
    (#"{"model_type": "llama", "quantization_config": {"bits": 4}}"#, "without quantization"),
    (#"{"model_type": "llama", "auto_map": {"AutoModel": "x.Y"}}"#, "\"auto_map\""),
    (#"{"model_type": "llama", "partial_rotary_factor": 0.5}"#, "rotations of whole heads"),
    // Loading any model reads these.
    (
      #"{"model_type": "llama", "fusion_config": {"a": true}}"#,
      "does not know the field \"fusion_config\""
    ),
    (#"{"model_type": "llama", "attention_chunk_size": 64}"#, "\"attention_chunk_size\""),
    (#"{"model_type": "qwen2", "quantization_config": {"bits": 4}}"#, "without quantization"),
    (#"{"model_type": "gpt2", "is_causal": false}"#, "with causal attention"),
    (
      #"{"model_type": "llama", "num_hidden_layer": 4}"#,
      "has a field \"num_hidden_layer\"; did you mean \"num_hidden_layers\"?"
    ),
    (#"{"model_type": "gpt2", "n_heads": 4}"#, "did you mean \"n_head\"?"),
    (
      #"{"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}"#,
      "names \"LlamaForSequenceClassification\", whose head and loss are others"
    ),
    (
      #"{"model_type": "gpt2", "architectures": ["GPT2DoubleHeadsModel"]}"#,
      "Ballast measures GPT2LMHeadModel"
    ),
    (#"{"model_type": "qwen3", "architectures": ["Qwen3ForTokenClassification"]}"#, "are others"),
    (
      #"{"model_type": "phi3"}"#,
      "ballast-probe run --model config.json --n-c 1024 --n-g 128"
    ),
    (#"{"model_type": "mllama", "text_config": {"model_type": "mllama_text_model"}}"#, "not built"),
    (
      #"{"model_type": "llava", "text_config": {}, "quantization_config": {"bits": 4}}"#,
      "\"quantization_config\" is an object, but"
    ),
    (
      #"{"model_type": "llava", "text_config": {"quantization_config": {"bits": 4}}}"#,
      "\"text_config.quantization_config\" is an object, but"
    ),
    (#"{"model_type": "mistral", "layer_types": ["full_attention"]}"#, "1 entries for 32 layers"),
    (#"{"model_type": "llama", "layer_types": ["full_attention"]}"#, "1 entries for 32 layers"),
    (
      #"{"model_type": "llama", "num_hidden_layers": 1, "layer_types": ["sliding_attention"]}"#,
      "has no window"
    ),
    (
      #"{"model_type": "llava", "architectures": ["LlavaForSequenceClassification"], "#
        + #""text_config": {"model_type": "llama"}}"#,
      "\"architectures\" names \"LlavaForSequenceClassification\", whose head"
    ),
    (
      #"{"model_type": "llava", "text_config": {"model_type": "llama", "#
        + #""architectures": "LlamaForSequenceClassification"}}"#,
      "\"text_config.architectures\" names"
    ),
    (
      #"{"model_type": "llama", "rope_scaling": {"type": "su", "factor": 2}}"#,
      "\"rope_scaling.rope_type\" \"su\" is not built"
    ),
    (
      #"{"model_type": "llama", "rope_scaling": {"factor": 2}}"#,
      "name the scaling's rope_type"
    ),
    (
      #"{"model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 2}}"#,
      "\"rope_scaling.low_freq_factor\" is missing"
    ),
    (
      #"{"model_type": "llama", "rope_scaling": {"type": "llama3", "low_freq_factor": 4, "high_freq_factor": 4}}"#,
      "must be greater"
    ),
    (
      #"{"model_type": "llama", "rope_scaling": {"type": "linear", "rope_type": "llama3"}}"#,
      "\"rope_scaling.type\" is \"linear\""
    ),
    (
      #"{"model_type": "llama", "rope_theta": 1, "rope_parameters": {"rope_theta": 2}}"#,
      "elsewhere in the file"
    ),
    (#"{"model_type": "llama", "rope_theta": 0.5}"#, "\"rope_theta\" must be a number from 1"),
    (#"{"model_type": "llama", "torch_dtype": "int4"}"#, "\"torch_dtype\" must be float32"),
    (#"{"model_type": "llama", "pad_token_id": 32000}"#, "\"pad_token_id\" must be"),
  ])
  func `refuses with a sentence`(_ text: String, _ part: String) {
    let sentence = refusal(text)
    #expect(sentence?.contains(part) == true, "\(sentence ?? "accepted")")
    #expect(sentence?.contains("\n") == false)
    #expect(sentence?.hasPrefix("config.json: ") == true)
  }

  @Test func `is found as a file or in a directory`() throws {
    let directory = try Folder()
    let file = try directory.add("config.json", Array(#"{"model_type": "gpt2"}"#.utf8))
    #expect(try HuggingFaceConfiguration.read(file).decoder.family == .gpt2)
    #expect(try HuggingFaceConfiguration.read(directory.path + "/").decoder.family == .gpt2)
    #expect(try HuggingFaceConfiguration.read(directory.path).decoder.family == .gpt2)
    func sentence(_ path: String) -> String {
      do throws(ConfigurationError) {
        _ = try HuggingFaceConfiguration.read(path)
        return ""
      } catch { return error.description }
    }
    let empty = try Folder()
    #expect(sentence(empty.path).contains("config.json: is missing"))
    #expect(sentence("no-such-model").contains("cannot be opened: No such file"))
    #expect(sentence("/dev/zero") == "/dev/zero: is not a regular file")
    let large = try directory.add("large.json", [UInt8](repeating: 0x20, count: (4 << 20) + 1))
    #expect(sentence(large).contains("is larger than 4 MiB"))
    let deep = try directory.add(
      "deep.json", [UInt8](repeating: UInt8(ascii: "["), count: 1 << 20))
    #expect(sentence(deep).contains("nested deeper than 64"))
    let marked = try directory.add("bom.json", [0xef, 0xbb, 0xbf] + Array("{}".utf8))
    #expect(sentence(marked).contains("byte order mark"))
  }
}

@Suite struct `Built-in models` {
  /// Against what transformers builds of the same files (`python/tests/probe/test_hub.py`).
  @Test(arguments: BuiltInModels.all.filter(\.isBuilt))
  func `have transformers' number of parameters`(_ model: BuiltInModel) throws {
    let read = try #require(try BuiltInModels.configuration(named: model.name))
    #expect(WeightMap(read.decoder).parameterCount == model.parameters)
    #expect(read.notes.isEmpty, "\(read.notes)")
    #expect((read.decoder.slidingWindow != nil) == (model.name == "mistral-7b-v0.1"))
    #expect(read.decoder.layers == model.layers && read.decoder.dModel == model.dModel)
    #expect(read.decoder.contextLength == model.contextLength)
    #expect(read.decoder.family.rawValue == model.family)
  }

  @Test(arguments: BuiltInModels.names)
  func `are what Ballast reads of the files in profiles/models`(_ name: String) throws {
    let file = try HuggingFaceConfiguration.read("\(Repository.path)/profiles/models/\(name).json")
    #expect(try BuiltInModels.configuration(named: name) == file, "run scripts/embed-models")
  }

  @Test func `are all there is`() throws {
    #expect(try BuiltInModels.configuration(named: "gpt-5") == nil)
    let files = try FileManager.default.contentsOfDirectory(
      atPath: "\(Repository.path)/profiles/models")
    let names = files.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }
    #expect(Set(BuiltInModels.all.map(\.name)) == Set(names) && names.count > 40)
    #expect(BuiltInModels.all.count == names.count)
  }
}
