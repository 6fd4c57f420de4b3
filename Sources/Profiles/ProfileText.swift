import Files

/// Reads a profile's file, and refuses texts that a YAML parser should not be given.
enum ProfileText {
  /// A text of this size has long stopped being a profile, and none of it parses for a second.
  static let mostBytes = 128 << 10

  /// The text of a file.
  ///
  /// - Throws: `ProfileError` for a file that is missing, not a file, too large or not UTF-8 text.
  static func read(_ path: String) throws(ProfileError) -> String {
    func fail(_ sentence: String) -> ProfileError { ProfileError(file: path, sentence) }
    if path.isEmpty { throw fail("the profile's path is empty") }
    let text: String
    do throws(OpenedFile.Failure) {
      text = try OpenedFile.text(path, most: mostBytes)
    } catch {
      if error.isMissing { throw fail("there is no such file") }
      if error == .pointer { throw fail(error.sentence) }
      throw fail("\(error.sentence); a profile is a page of YAML")
    }
    if text.utf8.contains(0) { throw fail("is not UTF-8 text; a profile is a page of YAML") }
    return text
  }

  /// Refuses anchors and aliases, which can make a page of YAML unfold to terabytes.
  ///
  /// The check is made on the text, before anything is built, and errs towards refusing.
  static func refuseAliases(_ text: String, file: String) throws(ProfileError) {
    var line = 1
    var before: Unicode.Scalar?
    var sawQuote = false
    var isComment = false
    var opensAlias = false
    for scalar in text.unicodeScalars {
      if opensAlias, isNameScalar(scalar) {
        throw ProfileError(
          file: file, line: line,
          "anchors and aliases (& and *) are not used in profiles; write the value out")
      }
      opensAlias = false
      if lineBreaks.contains(scalar) {
        if scalar == "\n" { line += 1 }
        isComment = false
      } else if !isComment {
        opensAlias = (scalar == "&" || scalar == "*") && mayPrecedeToken(before)
        sawQuote = sawQuote || scalar == "\"" || scalar == "'"
        // A comment for sure, since no quote was opened before it.
        isComment =
          scalar == "#" && !sawQuote && (before.map { $0.properties.isWhitespace } ?? true)
      }
      before = scalar
    }
  }

  /// What YAML 1.1 takes for the end of a line.
  private static let lineBreaks: [Unicode.Scalar] = [
    "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}",
  ]

  private static func isNameScalar(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "_" || scalar == "-" || (scalar.isASCII && scalar.properties.isAlphabetic)
      || ("0"..."9").contains(scalar)
  }

  private static func mayPrecedeToken(_ scalar: Unicode.Scalar?) -> Bool {
    guard let scalar else { return true }
    return scalar.properties.isWhitespace || scalar == "\u{FEFF}"
      || "[{,:\"'".unicodeScalars.contains(scalar)
  }
}
