import Files

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
    let targets = try Self.targets(&fields, model)
    let saved = try Self.names(of: "modules_to_save", &fields) ?? []
    try Self.refuseTheRest(fields, members)
    self.init(
      rank: rank, scale: Self.scale(alpha: alpha, rank: rank, isStabilized: isStabilized),
      targets: targets, saved: saved)
    do throws(ValueError) { try requireTargets(in: model) } catch {
      throw fields.error(error.description)
    }
  }

  private static func targets(
    _ fields: inout ConfigurationFields, _ model: DecoderConfiguration
  ) throws(ConfigurationError) -> Targets {
    if case .string(let text) = fields.value("target_modules") {
      if text == "all-linear" { return .all }
      let pattern: NamePattern
      do throws(ValueError) { pattern = try NamePattern("^(\(text))$", of: "target_modules") } catch
      {
        throw fields.error(error.description)
      }
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

  /// Fields that say nothing of what the adapter computes.
  private static let harmless: Set<String> = [
    "auto_mapping", "base_model_name_or_path", "eva_config", "corda_config", "loftq_config",
    "fan_in_fan_out", "inference_mode", "init_lora_weights", "peft_version", "revision",
    "task_type", "megatron_core", "qalora_group_size", "lora_ga_config", "runtime_config",
    "ensure_weight_tying", "arrow_config", "lora_config",
  ]

  /// Refuses what is not built: each other field that does not switch its feature off.
  private static func refuseTheRest(
    _ fields: ConfigurationFields, _ members: [String: JSON]
  ) throws(ConfigurationError) {
    let off: [JSON] = [
      .null, .bool(false), .integer(0), .number(0), .array([]), .object([:]), .string("none"),
    ]
    for name in fields.rest where !harmless.contains(name) {
      guard let value = members[name], !off.contains(value) else { continue }
      if name == "lora_dropout" {
        throw fields.error(
          "\"lora_dropout\" is \(value.kind); Ballast measures adapters without dropout, so set it "
            + "to 0")
      }
      throw fields.error(
        "\(quoted(name)) is \(value.kind) that Ballast does not build; it has plain LoRA with r, "
          + "lora_alpha, use_rslora, target_modules and modules_to_save")
    }
  }
}
