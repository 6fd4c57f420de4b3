import Files
import Foundation
import Spelling
import Transformer

/// What a `config.json` is of: a causal language model, that with another head, or a model of which
/// it is a part.
extension HuggingFaceConfiguration {
  /// The text models of composite configurations that leave their `model_type` out
  /// (`sub_configs_defaults` of transformers 5.23).
  private static let textModels: [String: DecoderConfiguration.Family] = [
    "llava": .llama, "llava_next": .llama, "llava_next_video": .llama, "video_llava": .llama,
    "vipllava": .llama, "deepseek_vl": .llama, "janus": .llama, "llava_onevision": .qwen2,
    "internvl": .qwen2, "qwen2_audio": .qwen2,
  ]

  /// Goes on with the fields of `text_config`, if the file is of a larger model.
  ///
  /// - Returns: Whether it did.
  static func enterTextModel(
    _ fields: inout ConfigurationFields, _ members: [String: JSON], notes: inout [String]
  ) throws(ConfigurationError) -> Bool {
    let outer = try fields.optionalString("model_type")
    if let outer, DecoderConfiguration.Family(rawValue: outer) != nil { return false }
    guard case .object(var text)? = members["text_config"] else { return false }
    let stated = text["model_type"] ?? .null
    if stated == .null, let family = outer.flatMap({ textModels[$0] }) {
      text["model_type"] = .string(family.rawValue)
    }
    guard case .string(let type)? = text["model_type"],
      DecoderConfiguration.Family(rawValue: type) != nil
    else { return false }
    // The whole model ties if either says so (`LlavaConfig`), and is loaded in its own type.
    if members["tie_word_embeddings"] == .bool(true) { text["tie_word_embeddings"] = .bool(true) }
    if (text["dtype"] ?? .null) == .null, (text["torch_dtype"] ?? .null) == .null {
      text["dtype"] = members["dtype"] ?? members["torch_dtype"] ?? .null
    }
    var outside: Set<String> = []
    for name in ["auto_map", "compression_config", "quantization_config"] {
      guard let value = members[name], value != .null else { continue }
      text[name] = value
      outside.insert(name)
    }
    let inner = ConfigurationFields(
      text.filter { $0.key != "architectures" }, file: fields.file, owner: "text_config",
      outside: outside)
    let known = ["CausalLM", "ConditionalGeneration", "Vision2Seq"]
    for (owner, names) in [(fields, members), (inner, text)].map({ ($0, classes($1)) }) {
      guard let other = names.first(where: { hasOtherHead($0, than: known) }) else { continue }
      throw fields.error(
        "\(owner.title("architectures")) names \(quoted(other)), whose head and loss are others; "
          + "take it out for the text model with next-token loss")
    }
    fields = inner
    notes.append(
      "\(fields.file): of model_type \(quoted(outer ?? "none")) the text model alone is measured "
        + "(text_config, \(type)), without the parts and tokens of images or sound")
    return true
  }

  /// Refuses a file whose `architectures` name another head, and with it another loss.
  static func refuseOtherHeads(
    _ family: DecoderConfiguration.Family, _ fields: inout ConfigurationFields,
    notes: inout [String]
  ) throws(ConfigurationError) {
    let names = classes(["architectures": fields.value("architectures") ?? .null])
    let causal =
      switch family {
      case .gpt2: "GPT2LMHeadModel"
      case .llama: "LlamaForCausalLM"
      case .mistral: "MistralForCausalLM"
      case .qwen2: "Qwen2ForCausalLM"
      case .qwen3: "Qwen3ForCausalLM"
      }
    guard !names.isEmpty, !names.contains(causal) else { return }
    if let other = names.first(where: { hasOtherHead($0, than: ["CausalLM"]) }) {
      throw fields.error(
        "\"architectures\" names \(quoted(other)), whose head and loss are others; Ballast "
          + "measures \(causal), so write that there for this model with next-token loss")
    }
    notes.append(
      "\(fields.file): \"architectures\" names \(quoted(names[0])); measured is \(causal), which "
        + "has a head over the vocabulary")
  }

  /// The classes that `architectures` names; a name alone is a list of one.
  private static func classes(_ members: [String: JSON]) -> [String] {
    let list: [JSON] =
      switch members["architectures"] {
      case .array(let names): names
      case .some(let name): [name]
      case nil: []
      }
    return list.compactMap { if case .string(let name) = $0 { name } else { nil } }
  }

  /// Whether a class is one `For…` another task, or has two heads.
  private static func hasOtherHead(_ name: String, than tasks: [String]) -> Bool {
    if name.contains("DoubleHeads") { return true }
    guard let task = name.range(of: "For", options: .backwards) else { return false }
    return !tasks.contains { name[task.upperBound...].hasPrefix($0) }
  }

  /// Sentences about how transformers would run the model, where a measurement's own axes say it.
  static func notesOnRunning(_ fields: inout ConfigurationFields) -> [String] {
    let outputs = ["output_attentions", "output_hidden_states"].filter {
      fields.value($0) == .bool(true)
    }
    let file = fields.file
    var notes = outputs.map {
      "\(file): \(quoted($0)) is true; what the model returns beside its logits is not counted"
    }
    if fields.value("gradient_checkpointing") == .bool(true) {
      notes.append(
        "\(file): \"gradient_checkpointing\" is true, with which transformers makes layers again; "
          + "measured without, unless recompute is layer")
    }
    return notes
  }
}
