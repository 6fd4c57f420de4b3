/// Text from a file, fit for an error message: quoted, cut, and without control characters.
package func quoted(_ text: String, with mark: Character = "\"") -> String {
  let most = 80
  let isLong = text.unicodeScalars.count > most
  return "\(mark)\(printable(text.unicodeScalars.prefix(most)))\(isLong ? "…" : "")\(mark)"
}

/// Text on one line: whatever is not plainly visible is escaped.
package func printable(_ scalars: some Sequence<Unicode.Scalar>) -> String {
  var result = ""
  for scalar in scalars {
    if isVisible(scalar) {
      result.unicodeScalars.append(scalar)
    } else {
      result += "\\u{\(String(scalar.value, radix: 16))}"
    }
  }
  return result
}

/// Text as one word of a shell: as it is where that is safe, else in quotes.
package func shellQuoted(_ text: String) -> String {
  let isPlain = { (scalar: Unicode.Scalar) in
    scalar.isASCII
      && (scalar.properties.isAlphabetic
        || "0123456789_-+=./,:@%".unicodeScalars
          .contains(scalar))
  }
  if !text.isEmpty, text.unicodeScalars.allSatisfy(isPlain) { return text }
  if printable(text.unicodeScalars) == text {
    return "'"
      + text.split(separator: "'", omittingEmptySubsequences: false)
      .joined(separator: "'\\''") + "'"
  }
  // What a terminal would not show goes as the bytes of bash's $'…'.
  let digits = Array("0123456789abcdef")
  return "$'" + text.utf8.map { "\\x\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined() + "'"
}

/// The same of a text of several lines: nothing in it is a command to a terminal.
package func printableLines(_ text: String) -> String {
  text.split(separator: "\n", omittingEmptySubsequences: false)
    .map { printable($0.unicodeScalars) }.joined(separator: "\n")
}

/// Whether a scalar is plainly visible, and no command to a terminal or a text's direction.
func isVisible(_ scalar: Unicode.Scalar) -> Bool {
  if scalar.isASCII { return (0x20..<0x7f).contains(scalar.value) }
  return switch scalar.properties.generalCategory {
  case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: false
  default: true
  }
}
