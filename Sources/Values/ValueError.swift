import Spelling

/// A value that cannot be: what it is of, what was given, and what is wrong with that.
///
/// It says so in one sentence without a place; whoever knows the option, or the file and the line,
/// adds it.
package struct ValueError: Error, Sendable, CustomStringConvertible {
  /// The axis, option or key, as profiles spell it.
  package let name: String
  package let given: WrittenText
  package let fault: any ValueFault

  package init(_ name: String, _ given: WrittenText, _ fault: any ValueFault) {
    (self.name, self.given, self.fault) = (name, given, fault)
  }

  package var description: String { sentence(as: ValueName(name)) }

  /// The sentence, in which the name is spelled as it is where the value was given.
  package func sentence(as name: ValueName) -> String { fault.sentence(about: given, as: name) }
}

/// How a name is spelled where a value was given.
package struct ValueName: Sendable {
  /// In the middle of a sentence: `n_c`, or `n-c` on a command line.
  package let word: String
  /// At its start: `n_c`, or `--n-c`.
  package let subject: String

  /// As profiles and result files spell it.
  package init(_ name: String) { (word, subject) = (name, name) }

  /// As the command line spells it.
  package init(option name: String) {
    word = name.replacing("_", with: "-")
    subject = "--\(word)"
  }
}

/// What is wrong with a value.
package protocol ValueFault: Error, Equatable, Sendable {
  /// One sentence that says what to write.
  func sentence(about given: WrittenText, as name: ValueName) -> String
}

extension Never: ValueFault {
  package func sentence(about given: WrittenText, as name: ValueName) -> String { switch self {} }
}

/// What is wrong with a number.
package enum NumberFault: ValueFault {
  case notWhole, notNumber, beyond64Bits, negative

  package func sentence(about given: WrittenText, as name: ValueName) -> String {
    switch self {
    case .notWhole: "\(name.subject) must be a whole number, not \(given.shown)"
    case .notNumber: "\(name.subject) must be a number, not \(given.shown)"
    case .negative: "\(name.subject) must be 0 or more, not \(given.text)"
    case .beyond64Bits:
      "\(name.subject) \(given.text.prefix(40))\(given.text.count > 40 ? "…" : "") does not fit "
        + "64 bits"
    }
  }
}

/// A word that is none of those that there are.
package struct WordFault: ValueFault {
  package let known: [String]

  package init(known: [String]) { self.known = known }

  package func sentence(about given: WrittenText, as name: ValueName) -> String {
    "unknown \(name.word) \(quoted(given.text)); \(Words.advice(for: given.text, among: known))"
  }
}

/// Neither true nor false.
package struct FlagFault: ValueFault {
  package func sentence(about given: WrittenText, as name: ValueName) -> String {
    "\(name.subject) must be true or false, not \(given.shown)"
  }
}

/// A value of the right type beyond what may be.
package enum BoundFault: ValueFault {
  case outside(ClosedRange<Int>)
  /// No value that a user may choose.
  case noChoice(among: [String])
  /// Not between 0 and 1.
  case noFraction
  /// Not from 0 to below 1.
  case noProbability
  case lessThanOne
  /// Not even, as something wants it.
  case odd(for: String)

  package func sentence(about given: WrittenText, as name: ValueName) -> String {
    let wanted =
      switch self {
      case .outside(let range): "be \(range.lowerBound) to \(range.upperBound)"
      case .noChoice(let words): "be \(ValueKind.words(words).expected)"
      case .noFraction: "lie between 0 and 1"
      case .noProbability: "be 0 or more and less than 1"
      case .lessThanOne: "be at least 1"
      case .odd(let what): "be even for \(what)"
      }
    return "\(name.subject) must \(wanted), not \(given.text)"
  }
}

extension WrittenText {
  /// In a sentence: as it is where it could be a number or a flag.
  var shown: String {
    let isBare =
      !text.isEmpty && text.count <= 40
      && text.allSatisfy { $0.isASCII && !$0.isWhitespace }
    return isPlain && isBare ? text : "the text \(quoted(text))"
  }
}
