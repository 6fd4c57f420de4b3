/// A type whose values people write as text: those of axes, of options, of a profile's keys.
///
/// ```
///   command line, profile, test, cell ── init(_: WrittenText) ──▶ value ── written ──▶ cell, label
/// ```
/// A text becomes a value once, where it comes in, and stays one.
package protocol WrittenValue: Hashable, Sendable {
  /// What can be wrong with a text.
  associatedtype Fault: ValueFault

  static var kind: ValueKind { get }
  /// What a value must be, as the end of a sentence.
  static var expected: String { get }
  /// The values that a user may choose; empty where they cannot be listed.
  static var choices: [Self] { get }

  init(_ written: WrittenText) throws(Fault)

  /// The value as result files, profiles and the command line write it.
  var written: String { get }
}

extension WrittenValue {
  package static var expected: String { kind.expected }
  package static var choices: [Self] { [] }

  /// Reads what was written for an axis, an option or a key.
  ///
  /// - Throws: `ValueError` with the name, the text and what is wrong with it.
  package init(_ written: WrittenText, for name: String) throws(ValueError) {
    do throws(Fault) { try self.init(written) } catch {
      throw ValueError(name, written, error)
    }
  }

  package init(_ text: String, for name: String) throws(ValueError) {
    try self.init(WrittenText(text), for: name)
  }

  /// Whether a value of whatever type is this one.
  package func equals(_ other: any WrittenValue) -> Bool { other as? Self == self }
}

// MARK: Numbers, flags and texts

extension Int: WrittenValue {
  package static var kind: ValueKind { .integer }
  package var written: String { String(self) }

  /// A whole number that fits 64 bits.
  package init(_ written: WrittenText) throws(NumberFault) {
    let text = written.text
    let digits = text.drop { $0 == "-" || $0 == "+" }
    let isWhole =
      text.count - digits.count <= 1 && !digits.isEmpty
      && digits.utf8.allSatisfy { (48...57).contains($0) }
    guard written.isPlain, isWhole else { throw .notWhole }
    guard let value = Int(text) else { throw .beyond64Bits }
    self = value
  }
}

extension UInt64: WrittenValue {
  package static var kind: ValueKind { .unsigned }
  package var written: String { String(self) }

  /// A whole number that is not negative, up to 2⁶⁴ − 1.
  package init(_ written: WrittenText) throws(NumberFault) {
    guard written.isPlain, let value = UInt64(written.text) else {
      _ = try Int(written)
      throw .negative
    }
    self = value
  }
}

extension Double: WrittenValue {
  package static var kind: ValueKind { .number }
  package var written: String { description }

  /// A finite number.
  package init(_ written: WrittenText) throws(NumberFault) {
    let isDecimal = written.text.utf8.allSatisfy { byte in
      (48...57).contains(byte) || "+-.eE".utf8.contains(byte)
    }
    guard written.isPlain, isDecimal, let value = Double(written.text), value.isFinite else {
      throw .notNumber
    }
    self = value
  }
}

extension Bool: WrittenValue {
  package static var kind: ValueKind { .words(["true", "false"]) }
  package static var expected: String { "true or false" }
  package var written: String { String(self) }

  package init(_ written: WrittenText) throws(FlagFault) {
    guard written.isPlain, let value = Bool(written.text) else { throw FlagFault() }
    self = value
  }
}

extension String: WrittenValue {
  package static var kind: ValueKind { .text }
  package var written: String { self }

  package init(_ written: WrittenText) throws(Never) { self = written.text }
}

/// No value is an empty text.
extension Optional: WrittenValue where Wrapped: WrittenValue {
  package static var kind: ValueKind { Wrapped.kind }
  package static var expected: String { Wrapped.expected }
  package var written: String { self?.written ?? "" }

  package init(_ written: WrittenText) throws(Wrapped.Fault) {
    self = written.text.isEmpty ? nil : try Wrapped(written)
  }
}

// MARK: Words

/// A type of some words.
package protocol AxisWord: WrittenValue, RawRepresentable<String>, CaseIterable
where Fault == WordFault {}

extension AxisWord {
  package static var choices: [Self] { Array(allCases) }

  /// Every word that a user may choose.
  package static var words: [String] { choices.map(\.rawValue) }

  package static var kind: ValueKind { .words(words) }
  package var written: String { rawValue }

  package init(_ written: WrittenText) throws(WordFault) {
    guard let value = Self.choices.first(where: { $0.rawValue == written.text }) else {
      throw WordFault(known: Self.words)
    }
    self = value
  }
}
