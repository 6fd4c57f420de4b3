import Spelling

/// A JSON value, with integers kept apart from other numbers and no key twice.
package enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  /// A number without fraction or exponent that fits 64 bits.
  case integer(Int)
  /// Any other number; finite.
  case number(Double)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  /// What kind of value it is, for an error's sentence.
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let text): "the string \(quoted(text))"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

/// Why bytes are not JSON, as a sentence without its subject, and where.
package struct JSONError: Error, Equatable {
  package let reason: String
  /// Bytes before the fault.
  package let offset: Int
  /// Whether the file is not there at all but what Git LFS left in its place.
  package var isPointer = false

  /// About the file, without its name.
  package var sentence: String {
    if isPointer { return reason }
    return "is not a JSON file that can be read: it \(reason) (byte \(offset))"
  }
}
