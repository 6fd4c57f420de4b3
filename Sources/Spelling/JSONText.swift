import Foundation

/// A JSON value as text, made of its parts in the order in which they shall stand.
///
/// Everything that the program writes as JSON is made here, so that escapes and numbers are alike
/// in all of it; `JSON` is what is read.
package struct JSONText: Sendable {
  /// How the parts of an array or of an object are set apart.
  package struct Layout: Sendable {
    let colon: String
    let open: String
    let comma: String
    let close: String

    /// `{"a":1,"b":2}`
    package static let compact = Layout(colon: ":", open: "", comma: ",", close: "")
    /// `{"a": 1, "b": 2}`
    package static let spaced = Layout(colon: ": ", open: "", comma: ", ", close: "")
    /// `{"a":1,` and each further part at the start of a line.
    package static let rows = Layout(colon: ":", open: "", comma: ",\n", close: "")

    /// Each part on a line of its own, so many spaces from the left; the end at `close` of them.
    package static func lines(_ indent: Int, close: Int = 0) -> Layout {
      let spaces = String(repeating: " ", count: indent)
      return Layout(
        colon: ": ", open: "\n" + spaces, comma: ",\n" + spaces,
        close: "\n" + String(repeating: " ", count: close))
    }
  }

  package let text: String

  private init(text: String) { self.text = text }

  package static let null = JSONText(text: "null")

  package static func bool(_ value: Bool) -> JSONText { JSONText(text: value ? "true" : "false") }

  package static func integer(_ value: some FixedWidthInteger) -> JSONText {
    JSONText(text: String(value))
  }

  /// A whole number; null for none.
  package static func integer(orNull value: Int?) -> JSONText { value.map { integer($0) } ?? null }

  /// A number; null for infinity and for what is none, which JSON cannot write.
  package static func real(_ value: Double) -> JSONText {
    value.isFinite ? JSONText(text: value.description) : null
  }

  /// Digits that are a number in JSON as they stand.
  package static func number(_ digits: String) -> JSONText { JSONText(text: digits) }

  /// A text, with the escapes of RFC 8259, section 7, for all that is not plainly visible.
  package static func string(_ value: String) -> JSONText {
    var result = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case _ where isVisible(scalar): result.unicodeScalars.append(scalar)
      default:
        for unit in String(scalar).utf16 {
          let digits = String(unit, radix: 16)
          result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
      }
    }
    return JSONText(text: result + "\"")
  }

  package static func array(_ parts: [JSONText], _ layout: Layout = .compact) -> JSONText {
    whole("[", parts.map(\.text), "]", layout)
  }

  package static func strings(_ values: [String], _ layout: Layout = .compact) -> JSONText {
    array(values.map { string($0) }, layout)
  }

  package static func integers(_ values: [Int]) -> JSONText { array(values.map { integer($0) }) }

  package static func object(
    _ members: [(name: String, value: JSONText)], _ layout: Layout = .compact
  ) -> JSONText {
    let parts = members.map { string($0.name).text + layout.colon + $0.value.text }
    return whole("{", parts, "}", layout)
  }

  private static func whole(
    _ start: String, _ parts: [String], _ end: String, _ layout: Layout
  ) -> JSONText {
    parts.isEmpty
      ? JSONText(text: start + end)
      : JSONText(
        text: start + layout.open + parts.joined(separator: layout.comma) + layout.close + end)
  }

  /// A value that says itself what it is made of: words and whole numbers.
  ///
  /// With a line a member, by name, for people where it `isSorted`; else on one line.
  package static func encoded(_ value: some Encodable, isSorted: Bool = false) -> JSONText {
    let encoder = JSONEncoder()
    if isSorted {
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    }
    guard let data = try? encoder.encode(value) else {
      preconditionFailure("what is encoded is made of words and whole numbers")
    }
    return JSONText(text: String(decoding: data, as: UTF8.self))
  }
}
