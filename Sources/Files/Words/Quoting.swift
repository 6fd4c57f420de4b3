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
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
      result += "\\u{\(String(scalar.value, radix: 16))}"
    default: result.unicodeScalars.append(scalar)
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

/// A JSON string with the escapes of RFC 8259, section 7.
package func jsonString(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"", "\\": result += "\\\(scalar)"
    case "\n": result += "\\n"
    case "\r": result += "\\r"
    case "\t": result += "\\t"
    case "\0"..<" ":
      result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
