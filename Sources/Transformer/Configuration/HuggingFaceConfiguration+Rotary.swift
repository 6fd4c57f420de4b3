import Files

extension HuggingFaceConfiguration {
  /// Rotary positions from `rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling`.
  ///
  /// Where both places speak they must agree: versions differ in which they believe.
  static func rotary(
    contextLength: Int, _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> DecoderConfiguration.Positions {
    var theta: Double?
    if fields.value("rope_theta") != nil { theta = try self.theta(&fields) }
    let original = try fields.optionalInteger(
      "original_max_position_embeddings", in: Limit.positions)
    var scaling: DecoderConfiguration.RotaryScaling?
    for name in ["rope_parameters", "rope_scaling"] {
      guard var rope = try fields.optionalObject(name) else { continue }
      if rope.rest.isEmpty { continue }
      if rope.has("rope_theta") {
        let inner = try self.theta(&rope)
        if let theta, theta != inner {
          throw fields.error(
            "\(rope.title("rope_theta")) is \(inner), but it is \(theta) elsewhere in the file")
        }
        theta = inner
      }
      let inner = try self.scaling(original: original, contextLength: contextLength, &rope)
      if let scaling, scaling != inner {
        throw fields.error("\"rope_parameters\" and \"rope_scaling\" disagree; keep one of them")
      }
      scaling = inner
    }
    return .rotary(theta: theta ?? 10_000, scaling: scaling ?? .none)
  }

  private static func theta(_ fields: inout ConfigurationFields) throws(ConfigurationError)
    -> Double
  {
    try fields.number("rope_theta", "a number from 1 to 1e30") { $0 >= 1 && $0 <= 1e30 }
  }

  private static func scaling(
    original: Int?, contextLength: Int, _ rope: inout ConfigurationFields
  ) throws(ConfigurationError) -> DecoderConfiguration.RotaryScaling {
    let new = try rope.optionalString("rope_type")
    let old = try rope.optionalString("type")
    if let new, let old, new != old {
      throw rope.error(
        "\(rope.title("rope_type")) is \(quoted(new)) and \(rope.title("type")) is \(quoted(old))")
    }
    _ = rope.value("rope_theta")
    let type = new ?? old ?? "default"
    let result: DecoderConfiguration.RotaryScaling
    switch type {
    case "default": result = .none
    case "llama3": result = try llama3(original: original, contextLength: contextLength, &rope)
    default:
      throw rope.error(
        "\(rope.title("rope_type")) \(quoted(type)) is not built; Ballast has default and llama3")
    }
    if rope.has("partial_rotary_factor") {
      _ = try rope.number("partial_rotary_factor", "1, for whole heads rotate") { $0 == 1 }
    }
    if let unknown = rope.rest.first {
      throw rope.error(
        "Ballast does not know \(rope.title(unknown)) for rope_type \(quoted(type))")
    }
    return result
  }

  private static func llama3(
    original: Int?, contextLength: Int, _ rope: inout ConfigurationFields
  ) throws(ConfigurationError) -> DecoderConfiguration.RotaryScaling {
    func factor(_ name: String, _ rope: inout ConfigurationFields) throws(ConfigurationError)
      -> Double
    {
      try rope.number(name, "a number from 1e-6 to 1e6") { $0 >= 1e-6 && $0 <= 1e6 }
    }
    let low = try factor("low_freq_factor", &rope)
    let high = try factor("high_freq_factor", &rope)
    if !(Float(high - low) > 0) {
      throw rope.error(
        "\(rope.title("high_freq_factor")) \(high) must be greater than low_freq_factor \(low)")
    }
    let inner = try rope.optionalInteger("original_max_position_embeddings", in: Limit.positions)
    if let inner, let original, inner != original {
      throw rope.error(
        "\(rope.title("original_max_position_embeddings")) is \(inner), but it is \(original) "
          + "elsewhere in the file")
    }
    return .llama3(
      factor: try factor("factor", &rope), lowFrequencyFactor: low, highFrequencyFactor: high,
      originalContext: inner ?? original ?? contextLength)
  }
}
