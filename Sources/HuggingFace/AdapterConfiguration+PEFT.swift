import Files
import Patterns
import Spelling
package import Transformer
import Values

/// PEFT's `adapter_config.json`, as `save_pretrained` writes it beside `adapter_model.safetensors`.
extension AdapterConfiguration {
  private static let configurationName = "adapter_config.json"
  /// The file in an adapter's directory that holds its tensors.
  package static let weightsName = "adapter_model.safetensors"

  /// Reads the configuration in a directory and holds it against a model.
  ///
  /// What would change the adapter and is not built is refused by its name.
  ///
  /// - Throws: `ConfigurationError` naming the file.
  package init(
    directory: String, model: DecoderConfiguration
  ) throws(ConfigurationError) {
    let path = Paths.join(directory, Self.configurationName)
    let bytes: [UInt8]
    do throws(OpenedFile.Failure) {
      bytes = try OpenedFile(path).contents(most: HuggingFaceConfiguration.maximumBytes)
    } catch {
      let hint =
        error.isMissing ? "; an adapter's directory is one that PEFT's save_pretrained wrote" : ""
      throw ConfigurationError(file: path, error.sentence + hint)
    }
    try self.init(bytes, file: path, model: model)
  }

  /// Reads the bytes of an `adapter_config.json`; `file` names them in errors.
  ///
  /// - Throws: as above.
  package init(
    _ bytes: [UInt8], file: String, model: DecoderConfiguration
  ) throws(ConfigurationError) {
    let json: JSON
    do throws(JSONError) { json = try JSONParser.parse(bytes) } catch {
      throw ConfigurationError(file: file, error.sentence)
    }
    guard case .object(let members) = json else {
      throw ConfigurationError(file: file, "must hold a JSON object, not \(json.kind)")
    }
    var fields = ConfigurationFields(members, file: file)
    let type = try fields.optionalString("peft_type")
    guard type == "LORA" else {
      throw fields.error("peft_type must be \"LORA\", not \(type.map { quoted($0) } ?? "missing")")
    }
    let rank = try fields.integer("r", default: 8, in: Self.ranks)
    let alpha = try fields.number("lora_alpha", default: 8, "a number above 0") { $0 > 0 }
    let isStabilized = try fields.boolean("use_rslora", default: false)
    let dropout = try fields.probability("lora_dropout", default: 0)
    let targets = try Self.targets(&fields, model)
    let saved = try Self.names(of: "modules_to_save", &fields) ?? []
    let initialization = try Self.initialization(&fields)
    try Self.refuseOtherTasks(&fields)
    try Self.refuseTying(&fields, saved: saved)
    try Self.refuseTheRest(fields, members)
    self.init(
      rank: rank, scale: Self.scale(alpha: alpha, rank: rank, isStabilized: isStabilized),
      targets: targets, saved: saved, dropout: dropout)
    baseReplacement = initialization
    do throws(AdapterError) { try requireTargets(in: model) } catch {
      throw fields.error(error.description)
    }
  }

  private static func targets(
    _ fields: inout ConfigurationFields, _ model: DecoderConfiguration
  ) throws(ConfigurationError) -> Targets {
    if case .string(let text) = fields.value("target_modules") {
      if text == "all-linear" { return .all }
      let pattern: NamePattern
      do throws(ValueError) {
        pattern = try NamePattern("^(\(text))$", for: "target_modules")
      } catch { throw fields.error(error.description) }
      return .modules(Set(model.linearMaps.map(\.module).filter(pattern.isFound)))
    }
    guard let names = try names(of: "target_modules", &fields), !names.isEmpty else {
      throw fields.error("\"target_modules\" names no module")
    }
    return .named(names)
  }

  /// A list of names; nil where the field is absent or null.
  private static func names(
    of field: String, _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> [String]? {
    guard let value = fields.value(field), value != .null else { return nil }
    guard case .array(let list) = value else {
      throw fields.error("\(quoted(field)) must be a list of names, not \(value.kind)")
    }
    var names: [String] = []
    for entry in list {
      guard case .string(let name) = entry else {
        throw fields.error("\(quoted(field)) must be a list of names, but holds \(entry.kind)")
      }
      names.append(name)
    }
    return names
  }

  // MARK: What PEFT does as it loads

  /// The `init_lora_weights` that replaces weights of the base; nil for all others.
  ///
  /// PEFT draws A and B by it before it reads the stored ones, so most of its values leave no trace
  /// (`LoraLayer.update_layer`, PEFT 0.19). `lora_ga` finds no gradients at loading and leaves the
  /// base too.
  private static func initialization(
    _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> String? {
    guard let value = fields.value("init_lora_weights") else { return nil }
    if value == .null || value == .bool(true) || value == .bool(false) { return nil }
    if case .string(let name) = value {
      if ["eva", "orthogonal", "lora_ga"].contains(name) || name.lowercased() == "gaussian" {
        return nil
      }
      let iterations = name.hasPrefix("pissa_niter_") ? Int(name.dropFirst(12)) : nil
      if ["pissa", "corda", "loftq"].contains(name) || name.lowercased() == "olora"
        || iterations.map({ $0 >= 0 }) == true
      {
        return name
      }
    }
    throw fields.error(
      "\"init_lora_weights\" is \(value.kind), which PEFT does not know; it has true, false, "
        + "gaussian, eva, olora, pissa, pissa_niter_N, corda, loftq, orthogonal and lora_ga")
  }

  /// Refuses adapters for another head than that of a causal language model.
  private static func refuseOtherTasks(
    _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) {
    guard let task = try fields.optionalString("task_type"), task != "CAUSAL_LM" else { return }
    throw fields.error(
      "\"task_type\" is \(quoted(task)), whose head or loss is another one; Ballast measures "
        + "causal language models, and this adapter as one of them if \"task_type\" is CAUSAL_LM")
  }

  /// Refuses `ensure_weight_tying` where PEFT heeds it: with a saved embedding or head.
  private static func refuseTying(
    _ fields: inout ConfigurationFields, saved: [String]
  ) throws(ConfigurationError) {
    guard try fields.boolean("ensure_weight_tying", default: false),
      saved.contains(where: { $0.hasSuffix("embed_tokens") || $0.hasSuffix("lm_head") })
    else { return }
    throw fields.error(
      "\"ensure_weight_tying\" is true, which ties what modules_to_save trains; Ballast does not "
        + "build that, so set it to false or leave embed_tokens and lm_head out of modules_to_save")
  }

  /// Fields that say nothing of what the adapter computes: where it comes from, and settings of
  /// features that are off or are of one `init_lora_weights` alone.
  ///
  /// `fan_in_fan_out` PEFT itself sets right for the base's module.
  private static let harmless: Set<String> = [
    "auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision",
    "fan_in_fan_out", "megatron_core", "qalora_group_size", "runtime_config", "eva_config",
    "corda_config", "loftq_config", "lora_ga_config",
    // No field of PEFT's, which passes it over.
    "lora_config",
  ]

  /// Fields that are on as soon as they are not null, even if empty.
  private static let onUnlessNull: Set<String> = [
    "arrow_config", "use_bdlora", "alora_invocation_tokens", "trainable_token_indices",
  ]

  /// Whether a field's value switches its feature off.
  private static func isOff(_ name: String, _ value: JSON) -> Bool {
    switch value {
    case .null: true
    case .bool(false), .array([]), .object([:]), .string(""): !onUnlessNull.contains(name)
    case .string("none"): name == "bias"
    default: false
    }
  }

  /// Refuses what is not built: each other field that does not switch its feature off.
  private static func refuseTheRest(
    _ fields: ConfigurationFields, _ members: [String: JSON]
  ) throws(ConfigurationError) {
    for name in fields.rest where !harmless.contains(name) {
      guard let value = members[name], !isOff(name, value) else { continue }
      throw fields.error(
        "\(quoted(name)) is \(value.kind) that Ballast does not build; it has plain LoRA with r, "
          + "lora_alpha, lora_dropout, use_rslora, target_modules and modules_to_save")
    }
  }
}
