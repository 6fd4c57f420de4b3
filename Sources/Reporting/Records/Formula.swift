/// Texts that a spreadsheet takes for a formula, such as a name `=HYPERLINK(…)` from a file.
///
/// Written with an apostrophe before them, they are texts there too; reading takes it away, so that
/// every text comes back as it was. Numbers, also `-5`, stay as they are.
enum Formula {
  /// What begins a formula, or may stand before one.
  private static let starts: [Unicode.Scalar] = ["=", "+", "-", "@", "\t", "\r", "\n"]

  /// Whether a formula begins after apostrophes: where one more is put, and one is taken away.
  private static func isFormula(_ text: String) -> Bool {
    let rest = text.unicodeScalars.drop { $0 == "'" }
    return rest.first.map { starts.contains($0) } ?? false
  }

  /// The text as it stands in a file.
  static func marked(_ text: String) -> String {
    isFormula(text) && Double(text) == nil ? "'" + text : text
  }

  /// The text that stands in a file.
  static func unmarked(_ field: String) -> String {
    field.hasPrefix("'") && isFormula(field) ? String(field.dropFirst()) : field
  }
}
