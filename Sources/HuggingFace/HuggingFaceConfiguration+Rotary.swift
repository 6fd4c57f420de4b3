import Files
import Foundation
import Spelling
import Transformer

extension HuggingFaceConfiguration {
  /// What the other fields say that a scaling needs.
  private struct RotaryModel {
    /// `original_max_position_embeddings` beside the object.
    let original: Int?
    let contextLength: Int
    let dHead: Int
  }

  /// Rotary positions from `rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling`.
  ///
  /// Where both places speak they must agree: versions differ in which they believe.
  static func rotary(
    contextLength: Int, dHead: Int, _ fields: inout ConfigurationFields
  ) throws(ConfigurationError) -> DecoderConfiguration.Positions {
    var theta: Double?
    if fields.value("rope_theta") != nil { theta = try self.theta(&fields) }
    let model = RotaryModel(
      original: try fields.optionalInteger("original_max_position_embeddings", in: Limit.positions),
      contextLength: contextLength, dHead: dHead)
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
      let inner = try self.scaling(of: model, &rope)
      if let scaling, scaling != inner {
        throw fields.error("\"rope_parameters\" and \"rope_scaling\" disagree; keep one of them")
      }
      if scaling == nil { fields.notes += rope.notes }
      scaling = inner
    }
    if case .yarn = scaling, theta == 1 {
      throw fields.error("\"rope_theta\" is 1, with which rope_type \"yarn\" has no frequencies")
    }
    return .rotary(theta: theta ?? 10_000, scaling: scaling ?? .none)
  }

  private static func theta(_ fields: inout ConfigurationFields) throws(ConfigurationError)
    -> Double
  {
    try fields.number("rope_theta", "a number from 1 to 1e30") { $0 >= 1 && $0 <= 1e30 }
  }

  private static func scaling(
    of model: RotaryModel, _ rope: inout ConfigurationFields
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
    case "llama3": result = try llama3(model, &rope)
    case "linear": result = .linear(factor: try factor(&rope))
    case "dynamic": result = try dynamic(model, &rope)
    case "yarn": result = .yarn(try yarn(model, &rope))
    case "longrope": result = .longrope(try longrope(model, &rope))
    default:
      throw rope.error(
        "\(rope.title("rope_type")) \(quoted(type)) is not built; Ballast has default, llama3, "
          + "linear, dynamic, yarn and longrope")
    }
    if rope.has("partial_rotary_factor") {
      _ = try rope.number("partial_rotary_factor", "1, for whole heads rotate") { $0 == 1 }
    }
    for name in rope.rest {
      // transformers takes what it needs, and warns of the rest.
      if let meant = rope.meant(by: name) {
        throw rope.error("has a field \(rope.title(name)); did you mean \(rope.title(meant))?")
      }
      if type == "default", scalingFields.contains(name) {
        throw rope.error(
          "\(rope.title(name)) says nothing for rope_type \"default\"; name the scaling's "
            + "rope_type, or delete it")
      }
      rope.notes.append(
        "\(rope.file): \(rope.title(name)) says nothing for rope_type \(quoted(type)), and is "
          + "passed over as in transformers")
    }
    return result
  }

  /// What some scaling reads; without a type one was meant.
  private static let scalingFields: Set<String> = [
    "factor", "low_freq_factor", "high_freq_factor", "short_factor", "long_factor", "beta_fast",
    "beta_slow", "attention_factor", "mscale", "mscale_all_dim",
  ]

  // MARK: Types

  private static func llama3(
    _ model: RotaryModel, _ rope: inout ConfigurationFields
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
    let original = try originalContext(model, &rope)
    return .llama3(
      factor: try factor("factor", &rope), lowFrequencyFactor: low, highFrequencyFactor: high,
      originalContext: original)
  }

  private static func dynamic(
    _ model: RotaryModel, _ rope: inout ConfigurationFields
  ) throws(ConfigurationError) -> DecoderConfiguration.RotaryScaling {
    guard model.dHead > 2 else {
      throw rope.error(
        "\(rope.title("rope_type")) \"dynamic\" needs heads wider than 2, and these are "
          + "\(model.dHead) wide")
    }
    return .dynamic(factor: try factor(&rope), context: model.contextLength)
  }

  private static func yarn(
    _ model: RotaryModel, _ rope: inout ConfigurationFields
  ) throws(ConfigurationError) -> DecoderConfiguration.YaRN {
    let original = try originalContext(model, &rope)
    let implied = Double(model.contextLength) / Double(original)
    // null, which is not the same as absent, is what the lengths imply.
    let factor = rope.value("factor") == .null ? implied : try factor(&rope)
    // 0 is the default too, as Python's `or` has it.
    func turns(_ name: String, default fallback: Double) throws(ConfigurationError) -> Double {
      let given = try optionalNumber(name, "a number from 0 to 1e6", &rope) { $0 <= 1e6 }
      return given.flatMap { $0 == 0 ? nil : $0 } ?? fallback
    }
    let fast = try turns("beta_fast", default: 32)
    let slow = try turns("beta_slow", default: 1)
    if fast < slow {
      throw rope.error(
        "\(rope.title("beta_fast")) \(fast) must not be less than beta_slow \(slow)")
    }
    let scale = try optionalNumber("mscale", "a number from 0 to 1e6", &rope) { $0 <= 1e6 }
    let all = try optionalNumber("mscale_all_dim", "a number from 0 to 1e6", &rope) { $0 <= 1e6 }
    func growth(_ scale: Double) -> Double { factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1 }
    // Both or neither; 0 is as good as absent.
    let inferred =
      if let scale, let all, scale != 0, all != 0 { growth(scale) / growth(all) } else { growth(1) }
    if implied != factor && implied != 1 {
      rope.notes.append(
        "\(rope.file): \(rope.title("factor")) \(factor) is what counts, as in transformers, "
          + "though max_position_embeddings \(model.contextLength) is \(implied) times "
          + "original_max_position_embeddings \(original)")
    }
    return DecoderConfiguration.YaRN(
      factor: factor, attentionFactor: try attentionFactor(&rope) ?? inferred, fastTurns: fast,
      slowTurns: slow, originalContext: original,
      truncates: try rope.boolean("truncate", default: true))
  }

  private static func longrope(
    _ model: RotaryModel, _ rope: inout ConfigurationFields
  ) throws(ConfigurationError) -> DecoderConfiguration.LongRoPE {
    let original = try originalContext(model, &rope)
    let given = try rope.has("factor") ? factor(&rope) : nil
    let factor = given ?? Double(model.contextLength) / Double(original)
    let attentionFactor = try attentionFactor(&rope)
    if attentionFactor == nil && factor > 1 && original == 1 {
      throw rope.error(
        "\(rope.title("original_max_position_embeddings")) 1 gives no attention_factor; give one")
    }
    let inferred = factor <= 1 ? 1 : (1 + log(factor) / log(Double(original))).squareRoot()
    return DecoderConfiguration.LongRoPE(
      short: try divisors("short_factor", count: model.dHead / 2, &rope),
      long: try divisors("long_factor", count: model.dHead / 2, &rope),
      attentionFactor: attentionFactor ?? inferred, originalContext: original)
  }

  // MARK: Fields

  /// How much longer sequences may be.
  private static func factor(_ rope: inout ConfigurationFields) throws(ConfigurationError)
    -> Double
  {
    try rope.number("factor", "a number from 1 to 1e6") { $0 >= 1 && $0 <= 1e6 }
  }

  private static func attentionFactor(
    _ rope: inout ConfigurationFields
  ) throws(ConfigurationError) -> Double? {
    try optionalNumber("attention_factor", "a number above 0, at most 1e6", &rope) {
      $0 >= 1e-30 && $0 <= 1e6
    }
  }

  /// The context before scaling: the object's own, or the one beside it, or the model's.
  private static func originalContext(
    _ model: RotaryModel, _ rope: inout ConfigurationFields
  ) throws(ConfigurationError) -> Int {
    let name = "original_max_position_embeddings"
    let inner = try rope.optionalInteger(name, in: Limit.positions)
    if let inner, let original = model.original, inner != original {
      throw rope.error(
        "\(rope.title(name)) is \(inner), but it is \(original) elsewhere in the file")
    }
    return inner ?? model.original ?? model.contextLength
  }

  /// A number that is not negative; nil where the field is absent or null.
  private static func optionalNumber(
    _ name: String, _ wanted: String, _ rope: inout ConfigurationFields,
    where isRight: (Double) -> Bool
  ) throws(ConfigurationError) -> Double? {
    guard rope.has(name) else {
      _ = rope.value(name)
      return nil
    }
    return try rope.number(name, wanted) { $0 >= 0 && isRight($0) }
  }

  /// What LongRoPE divides the frequencies by.
  private static func divisors(
    _ name: String, count: Int, _ rope: inout ConfigurationFields
  ) throws(ConfigurationError) -> [Double] {
    guard case .array(let list) = rope.value(name) else {
      throw rope.error(
        "\(rope.title(name)) must be a list of \(count) numbers, one a pair of a head")
    }
    let numbers = list.compactMap { value -> Double? in
      switch value {
      case .integer(let integer): Double(integer)
      case .number(let number): number
      default: nil
      }
    }
    guard numbers.count == list.count, numbers.allSatisfy({ $0 >= 1e-6 && $0 <= 1e6 }) else {
      throw rope.error("\(rope.title(name)) must hold numbers from 1e-6 to 1e6 and nothing else")
    }
    guard numbers.count == count else {
      throw rope.error(
        "\(rope.title(name)) has \(numbers.count) numbers, but heads of width \(2 * count) have "
          + "\(count) pairs")
    }
    return numbers
  }
}
