import Files
import HuggingFace
import Spelling
import TestSupport
import Testing
import Transformer

/// What a `config.json` is of, and fields that say nothing.
@Suite struct `The kind of a configuration` {
  /// What transformers does with them is nothing, whatever another program makes of them.
  @Test(arguments: [
    ("llama", #""is_llama_config": true, "rope_interleaved": false"#),
    ("llama", #""internal_version": "a", "embedding_multiplier": 12"#),
    ("qwen2", #""dual_chunk_attention_config": {"chunk_size": 262144}"#),
    ("qwen2", #""attention_bias": true"#), ("mistral", #""use_sliding_window": true"#),
    ("gpt2", #""rope_theta": 100"#), ("gpt2", #""attention_dropout": 0.1"#),
    ("qwen3", #""resid_pdrop": 0.1, "something_new": [1]"#),
  ])
  func `notes what transformers' code of the family does not read`(
    _ family: String, _ fields: String
  ) throws {
    let plain = try configuration(#"{"model_type": "\#(family)"}"#)
    let text = #"{"model_type": "\#(family)", \#(fields)}"#
    let read = try HuggingFaceConfiguration(Array(text.utf8), file: "config.json")
    #expect(read.decoder == plain && read.notes.count == 1)
    #expect(read.notes[0].contains("of model_type \"\(family)\" does not read"))
    guard case .object(let members) = try JSONParser.parse(Array("{\(fields)}".utf8))
    else { return }
    for name in members.keys { #expect(read.notes[0].contains("\"\(name)\"")) }
  }

  /// `PreTrainedModel.__init__` heeds the first, which changes bytes.
  @Test(arguments: ["gradient_checkpointing", "output_attentions", "output_hidden_states"])
  func `notes how transformers would run it`(_ field: String) throws {
    for (value, count) in [("true", 1), ("false", 0), ("null", 0)] {
      let text = #"{"model_type": "mistral", "\#(field)": \#(value)}"#
      let read = try HuggingFaceConfiguration(Array(text.utf8), file: "config.json")
      #expect(read.notes.count == count && read.notes.allSatisfy { $0.contains(field) })
    }
  }

  @Test func `of a model with images is its text model`() throws {
    let inner = #""vocab_size": 32064, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5"#
    let plain = try configuration(#"{"model_type": "llama", \#(inner), "dtype": "float16"}"#)
    for model in [#""model_type": "llama", "architectures": ["LlamaModel"], "#, ""] {
      let text = """
        {"model_type": "llava", "architectures": ["LlavaForConditionalGeneration"],
         "torch_dtype": "float16", "vision_config": {"hidden_size": 1024},
         "image_token_index": 32000, "text_config": {\(model)\(inner)}}
        """
      let read = try HuggingFaceConfiguration(Array(text.utf8), file: "config.json")
      #expect(read.decoder == plain && read.isPart)
      #expect(read.notes.count == 1 && read.notes[0].contains("the text model alone"))
    }
    // The whole model's head is tied if either place says so.
    let tied =
      #"{"model_type": "x", "tie_word_embeddings": true, "#
      + #""text_config": {"model_type": "qwen2"}}"#
    #expect(try configuration(tied).tiedEmbeddings)
    #expect(
      refusal(#"{"model_type": "x", "text_config": {"model_type": "qwen2", "head_dim": -2}}"#)?
        .contains("\"text_config.head_dim\"") == true)
  }

  @Test func `notes an architecture without a head, or another's name`() throws {
    for name in ["LlamaModel", "MistralForCausalLM"] {
      let text = #"{"model_type": "llama", "architectures": ["\#(name)"]}"#
      let read = try HuggingFaceConfiguration(Array(text.utf8), file: "config.json")
      #expect(read.notes.count == 1 && read.notes[0].contains("measured is LlamaForCausalLM"))
    }
    let own = #"{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel", "GPT2Model"]}"#
    #expect(try HuggingFaceConfiguration(Array(own.utf8), file: "config.json").notes.isEmpty)
  }

  @Test func `names the command for a family that is not built`() throws {
    let directory = try Folder()
    _ = try directory.add("config.json", Array(#"{"model_type": "gemma3"}"#.utf8))
    let error = #expect(throws: ConfigurationError.self) {
      try HuggingFaceConfiguration.read(directory.path)
    }
    #expect(
      error?.description.hasSuffix(
        "ballast-probe run --model \(directory.path)/config.json --n-c 1024 --n-g 128") == true)
    #expect(shellQuoted("my model/it's.json") == #"'my model/it'\''s.json'"#)
    #expect(shellQuoted("a\u{1b}b") == #"$'\x61\x1b\x62'"#)
    #expect(shellQuoted("") == "''" && shellQuoted("a/b-1.json") == "a/b-1.json")
  }
}
