/// A text as somebody wrote it, on a command line, in a profile or in a cell.
package struct WrittenText: Hashable, Sendable {
  package let text: String
  /// Whether no quotes stand around it; a number in quotes is a text.
  package let isPlain: Bool

  package init(_ text: String, isPlain: Bool = true) { (self.text, self.isPlain) = (text, isPlain) }
}

/// What the values of a type look like.
package enum ValueKind: Equatable, Sendable {
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
}
