package import Spelling

/// A value on an axis.
package enum AxisValue: Hashable, Sendable {
  case word(String)
  case integer(Int)
  /// Up to 2⁶⁴ − 1, which a signed integer does not hold.
  case unsigned(UInt64)
  case number(Double)
  case text(String)

  /// The value as result files, profiles and the command line write it.
  package var text: String {
    switch self {
    case .word(let value), .text(let value): value
    case .integer(let value): String(value)
    case .unsigned(let value): String(value)
    case .number(let value): value.description
    }
  }
}

/// What the values of an axis look like, and how they are read.
package enum AxisKind: Equatable, Sendable {
  /// One of some words.
  case words([String])
  case integer, unsigned, number, text

  /// Whether values are numbers, which may start with a sign.
  package var isNumber: Bool {
    switch self {
    case .words, .text: false
    case .integer, .unsigned, .number: true
    }
  }

  /// What a value must be, as the end of a sentence.
  package var expected: String {
    switch self {
    case .words(let words): "one of \(words.joined(separator: ", "))"
    case .integer, .unsigned: "a whole number"
    case .number: "a number"
    case .text: "a text"
    }
  }

  /// Reads a value.
  ///
  /// - Parameters:
  ///   - text: What was written.
  ///   - name: The axis as the user spells it.
  ///   - isPlain: Whether no quotes stand around it; a quoted number is a text.
  /// - Returns: The value, which is of the kind.
  /// - Throws: `ValueError` with what it must be, or with the nearest word.
  package func value(
    of text: String, for name: String, isPlain: Bool = true
  ) throws(ValueError) -> AxisValue {
    switch self {
    case .words: .word(try word(text, of: name))
    case .integer: .integer(try Self.integer(text, of: name, isPlain: isPlain))
    case .unsigned: .unsigned(try Self.unsigned(text, of: name, isPlain: isPlain))
    case .number: .number(try Self.number(text, of: name, isPlain: isPlain))
    case .text: .text(text)
    }
  }

  /// One of the words.
  func word(_ text: String, of name: String) throws(ValueError) -> String {
    guard case .words(let words) = self else { preconditionFailure("\(self)") }
    guard words.contains(text) else {
      throw ValueError(
        "unknown \(name) \(quoted(text)); \(Words.advice(for: text, among: words))")
    }
    return text
  }

  /// A whole number that fits 64 bits.
  package static func integer(
    _ text: String, of name: String, isPlain: Bool
  ) throws(ValueError) -> Int {
    let digits = text.drop { $0 == "-" || $0 == "+" }
    let isWhole =
      text.count - digits.count <= 1 && !digits.isEmpty
      && digits.utf8.allSatisfy { (48...57).contains($0) }
    guard isPlain, isWhole else {
      throw ValueError("\(name) must be a whole number, not \(shown(text, isPlain: isPlain))")
    }
    guard let value = Int(text) else {
      throw ValueError(
        "\(name) \(text.prefix(40))\(text.count > 40 ? "…" : "") does not fit 64 bits")
    }
    return value
  }

  /// A whole number that is not negative, up to 2⁶⁴ − 1.
  package static func unsigned(
    _ text: String, of name: String, isPlain: Bool
  ) throws(ValueError) -> UInt64 {
    if isPlain, let value = UInt64(text) { return value }
    let value = try integer(text, of: name, isPlain: isPlain)
    throw ValueError("\(name) must be 0 or more, not \(value)")
  }

  /// A finite number.
  package static func number(
    _ text: String, of name: String, isPlain: Bool
  ) throws(ValueError) -> Double {
    let isDecimal = text.utf8.allSatisfy { byte in
      (48...57).contains(byte) || "+-.eE".utf8.contains(byte)
    }
    guard isPlain, isDecimal, let value = Double(text), value.isFinite else {
      throw ValueError("\(name) must be a number, not \(shown(text, isPlain: isPlain))")
    }
    return value
  }

  /// A text in a sentence: as it is where it could be a number or a flag.
  package static func shown(_ text: String, isPlain: Bool) -> String {
    let isBare =
      !text.isEmpty && text.count <= 40
      && text.allSatisfy { $0.isASCII && !$0.isWhitespace }
    return isPlain && isBare ? text : "the text \(quoted(text))"
  }
}
