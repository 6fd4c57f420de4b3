import Files
import Spelling
import Transformer

/// The members of a `config.json` while it is read: each is fetched with its type and its range.
///
/// It remembers which fields were asked for; `refuseTheRest` deals with all others, so that nothing
/// that changes a model is ever passed over.
struct ConfigurationFields {
  let file: String
  /// The object's name inside the file, if it is not the file itself.
  let owner: String?
  /// Fields that stand beside that object, not inside.
  let outside: Set<String>
  /// Named in sentences once it is known.
  var modelType: String?
  /// Sentences about what was read and counts for nothing.
  var notes: [String] = []
  private let members: [String: JSON]
  private var asked: Set<String> = []

  init(
    _ members: [String: JSON], file: String, owner: String? = nil, outside: Set<String> = [],
    modelType: String? = nil
  ) {
    (self.members, self.file, self.owner, self.modelType) = (members, file, owner, modelType)
    self.outside = outside
  }

  func error(_ sentence: String) -> ConfigurationError { ConfigurationError(file: file, sentence) }

  /// The field's name with its owner, in quotes.
  func title(_ name: String) -> String {
    quoted(owner.flatMap { outside.contains(name) ? nil : "\($0).\(name)" } ?? name)
  }

  /// Whether the field is there and not null.
  func has(_ name: String) -> Bool { members[name].map { $0 != .null } ?? false }

  /// Names of fields that nobody asked for and that are not null, sorted.
  var rest: [String] {
    members.filter { !asked.contains($0.key) && $0.value != .null }.keys.sorted()
  }

  /// The raw value, noted as asked for.
  mutating func value(_ name: String) -> JSON? {
    asked.insert(name)
    return members[name]
  }

  private func wrongType(_ name: String, _ value: JSON, _ wanted: String) -> ConfigurationError {
    error("\(title(name)) must be \(wanted), not \(value.kind)")
  }

  // MARK: Typed access

  /// An integer in `range`, or nil where the field is absent or null.
  mutating func optionalInteger(
    _ name: String, in range: ClosedRange<Int>
  ) throws(ConfigurationError) -> Int? {
    guard let value = value(name), value != .null else { return nil }
    guard case .integer(let integer) = value, range.contains(integer) else {
      throw wrongType(
        name, value, "an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return integer
  }

  /// An integer in `range`; null is an error, absence gives the default.
  mutating func integer(
    _ name: String, default fallback: Int, in range: ClosedRange<Int>
  ) throws(ConfigurationError) -> Int {
    try refuseNull(name)
    return try optionalInteger(name, in: range) ?? fallback
  }

  /// A finite number; null is an error, absence gives the default.
  mutating func number(
    _ name: String, default fallback: Double? = nil, _ wanted: String,
    where isRight: (Double) -> Bool
  ) throws(ConfigurationError) -> Double {
    if fallback == nil, members[name] == .null {
      throw error("\(title(name)) is null; it must be \(wanted)")
    }
    try refuseNull(name)
    guard let value = value(name) else {
      if let fallback { return fallback }
      throw error("\(title(name)) is missing; it must be \(wanted)")
    }
    let number: Double
    switch value {
    case .integer(let integer): number = Double(integer)
    case .number(let double): number = double
    default: throw wrongType(name, value, wanted)
    }
    guard isRight(number) else { throw wrongType(name, value, wanted) }
    return number
  }

  /// A probability below 1; absence gives the default.
  mutating func probability(
    _ name: String, default fallback: Double
  ) throws(ConfigurationError) -> Double {
    try number(name, default: fallback, "a probability from 0 to below 1") { $0 >= 0 && $0 < 1 }
  }

  /// True or false; null is an error, absence gives the default.
  mutating func boolean(
    _ name: String, default fallback: Bool
  ) throws(ConfigurationError) -> Bool {
    try refuseNull(name)
    switch value(name) {
    case nil: return fallback
    case .bool(let value): return value
    case .some(let value): throw wrongType(name, value, "true or false")
    }
  }

  /// A string, or nil where the field is absent or null.
  mutating func optionalString(_ name: String) throws(ConfigurationError) -> String? {
    switch value(name) {
    case nil, .null: return nil
    case .string(let text): return text
    case .some(let value): throw wrongType(name, value, "a string")
    }
  }

  /// An object's fields, or nil where the field is absent or null.
  mutating func optionalObject(_ name: String) throws(ConfigurationError) -> ConfigurationFields? {
    switch value(name) {
    case nil, .null: return nil
    case .object(let members):
      return ConfigurationFields(members, file: file, owner: name, modelType: modelType)
    case .some(let value): throw wrongType(name, value, "an object")
    }
  }

  /// A field that is asked for and not there, of which a name is a slip.
  func meant(by name: String) -> String? {
    asked.first { members[$0] == nil && Words.isSlip(name, of: $0) }
  }

  private func refuseNull(_ name: String) throws(ConfigurationError) {
    if members[name] == .null {
      throw error("\(title(name)) is null; give it a value, or delete it for the default")
    }
  }

  // MARK: What is not read

  /// Refuses every field that was not asked for, unless it leaves the model as it is: because that
  /// is known of it, or because transformers' code of the family never reads it.
  ///
  /// - Returns: A sentence about the fields that are never read; nil if there are none.
  /// - Throws: `ConfigurationError` naming the field and the model type.
  func refuseTheRest(
    _ family: DecoderConfiguration.Family
  ) throws(ConfigurationError) -> String? {
    let type = quoted(family.rawValue)
    var unread: [String] = []
    for name in rest {
      guard let value = members[name] else { continue }
      if KnownFields.isHarmless(name) { continue }
      let required = KnownFields.required[name]
      if required?.allows(value) == true { continue }
      guard KnownFields.isRead(name, by: family) else {
        if let meant = meant(by: name) {
          throw error("has a field \(title(name)); did you mean \(title(meant))?")
        }
        unread.append(title(name))
        continue
      }
      if let required {
        throw error(
          "\(title(name)) is \(value.kind), but Ballast builds model_type \(type) only "
            + "\(required.description)")
      }
      throw error(
        "Ballast does not know the field \(title(name)) for model_type \(type); "
          + "delete it if it does not change the model")
    }
    guard !unread.isEmpty else { return nil }
    let shown = unread.prefix(8) + (unread.count > 8 ? ["\(unread.count - 8) more"] : [])
    return "\(file): transformers' code of model_type \(type) does not read "
      + "\(Words.list(Array(shown))), and neither does Ballast"
  }
}
