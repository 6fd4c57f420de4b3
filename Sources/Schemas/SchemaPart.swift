import Spelling

/// A JSON value of a schema, its members in the order in which they are written.
///
/// Draft 2020-12 of JSON Schema. Foundation's encoder writes members in no order of ours.
indirect enum SchemaPart {
  case string(String)
  case integer(Int)
  /// Digits that stand as they are.
  case number(String)
  case bool(Bool)
  case array([SchemaPart])
  case object([(name: String, value: SchemaPart)])

  /// The whole text: what fits a line stands on one.
  func text(indent: Int = 0, taken: Int = 0) -> JSONText {
    let short = line
    let isShort = short.text.unicodeScalars.count + indent + taken <= 100
    switch self {
    case .object(let members) where !isShort:
      return .object(
        members.map { name, value in
          (name, value.text(indent: indent + 2, taken: name.count + 5))
        }, .lines(indent + 2, close: indent))
    case .array(let parts) where !isShort:
      return .array(
        parts.map { $0.text(indent: indent + 2, taken: 1) }, .lines(indent + 2, close: indent))
    case .object, .array, .string, .integer, .number, .bool: return short
    }
  }

  private var line: JSONText {
    switch self {
    case .string(let text): .string(text)
    case .integer(let value): .integer(value)
    case .number(let digits): .number(digits)
    case .bool(let value): .bool(value)
    case .array(let parts): .array(parts.map(\.line), .spaced)
    case .object(let members): .object(members.map { ($0.name, $0.value.line) }, .spaced)
    }
  }
}

// MARK: Values

extension SchemaPart {
  typealias Members = [(name: String, value: SchemaPart)]

  /// A value of a type, which may be any of several.
  static func type(_ names: String..., with members: Members = []) -> SchemaPart {
    let type: SchemaPart = names.count == 1 ? .string(names[0]) : .strings(names)
    return .object([("type", type)] + members)
  }

  static func strings(_ texts: [String]) -> SchemaPart { .array(texts.map(SchemaPart.string)) }

  /// A text that is not empty.
  static let text = type("string", with: [("minLength", .integer(1))])

  /// A text of a form.
  static func text(like pattern: String) -> SchemaPart {
    type("string", with: [("pattern", .string("^(?:\(pattern))$"))])
  }

  /// What YAML may take for something other than the text that it is.
  static let scalar = type("string", "number", "boolean", with: [("minLength", .integer(1))])

  /// A whole number in a range, which has no end where it is the largest of 64 bits.
  static func integer(_ range: ClosedRange<Int> = 0...Int.max) -> SchemaPart {
    type(
      "integer",
      with: [("minimum", .integer(range.lowerBound))]
        + (range.upperBound == .max ? [] : [("maximum", .integer(range.upperBound))]))
  }

  static func words(_ words: [String]) -> SchemaPart { .object([("enum", .strings(words))]) }

  static func exactly(_ value: SchemaPart) -> SchemaPart { .object([("const", value)]) }

  /// What is defined under a name.
  static func defined(_ name: String) -> SchemaPart {
    .object([("$ref", .string("#/$defs/\(name)"))])
  }

  static func any(_ parts: SchemaPart...) -> SchemaPart { .object([("anyOf", .array(parts))]) }

  static func list(_ items: SchemaPart, count: ClosedRange<Int> = 0...Int.max) -> SchemaPart {
    type(
      "array",
      with: [("items", items)]
        + (count.lowerBound > 0 ? [("minItems", .integer(count.lowerBound))] : [])
        + (count.upperBound < .max ? [("maxItems", .integer(count.upperBound))] : []))
  }

  /// An object; what is not named in a closed one is refused.
  static func record(
    _ properties: Members, required: [String], isClosed: Bool = false, with further: Members = []
  ) -> SchemaPart {
    type(
      "object",
      with: [("properties", .object(properties))]
        + (required.isEmpty ? [] : [("required", .strings(required))])
        + (isClosed ? [("additionalProperties", .bool(false))] : []) + further)
  }

  /// The same with a sentence about it, which editors show.
  func about(_ description: String) -> SchemaPart { with([("description", .string(description))]) }

  /// The same with more members; a value that has none of its own becomes one of them.
  func with(_ further: Members) -> SchemaPart {
    guard case .object(let members) = self else { return self }
    return .object(members + further)
  }

  // MARK: Conditions

  /// That members are there.
  static func has(_ names: String...) -> SchemaPart { .object([("required", .strings(names))]) }

  static func not(_ part: SchemaPart) -> SchemaPart { .object([("not", part)]) }

  static func when(
    _ condition: SchemaPart, then: SchemaPart, otherwise: SchemaPart? = nil
  ) -> SchemaPart {
    .object([("if", condition), ("then", then)] + (otherwise.map { [("else", $0)] } ?? []))
  }

  /// A member's form, if it is there.
  static func member(_ name: String, _ part: SchemaPart) -> SchemaPart {
    .object([("properties", .object([(name, part)]))])
  }
}
