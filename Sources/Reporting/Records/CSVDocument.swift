/// Why a CSV text cannot be used: the line, and one sentence.
package struct CSVError: Error, Equatable, CustomStringConvertible {
  package let line: Int
  package let sentence: String

  package init(line: Int, _ sentence: String) { (self.line, self.sentence) = (line, sentence) }

  package var description: String { "line \(line) \(sentence)" }
}

/// A CSV text that was read: one header and rows of as many fields, as RFC 4180 has them.
///
/// Lines may end in `\n` or `\r\n`. A header may name a column twice: `dtype` of `ledger.csv`.
package struct CSVDocument: Sendable {
  /// A row, and the line on which it starts, from 1.
  package struct Row: Sendable {
    package let line: Int
    package let fields: [String]
  }

  package let header: [String]
  package let rows: [Row]

  /// More than any header has.
  private static let mostColumns = 1000

  /// Reads a whole text.
  ///
  /// - Parameters:
  ///   - text: The file's.
  ///   - complaint: What is wrong with a header, before any row is read; nil if nothing is.
  /// - Throws: `CSVError` for a text without header, a stray or open quote, an unfinished last
  ///   line, or a row with more or fewer fields than the header.
  package init(
    _ text: String, header complaint: ([String]) -> String? = { _ in nil }
  ) throws(CSVError) {
    var reader = RecordReader(text)
    let first = try reader.next(mostFields: Self.mostColumns)
    guard let first, first.fields.contains(where: { !$0.isEmpty }) else {
      throw CSVError(line: 1, "has no header")
    }
    header = first.fields
    if let complaint = complaint(header) { throw CSVError(line: 1, complaint) }
    var rows: [Row] = []
    while let row = try reader.next(mostFields: header.count) {
      guard row.fields.count == header.count else {
        throw CSVError(
          line: row.line,
          "has \(row.fields.count) \(row.fields.count == 1 ? "field" : "fields"), the header "
            + "\(header.count)")
      }
      rows.append(row)
    }
    self.rows = rows
  }

  /// The same file with some of its rows.
  package func with(_ rows: [Row]) -> CSVDocument { CSVDocument(header: header, rows: rows) }

  private init(header: [String], rows: [Row]) { (self.header, self.rows) = (header, rows) }

  /// The records of a text without a header, each as its fields, of which it may have any number.
  package static func records(of text: String) throws(CSVError) -> [[String]] {
    var reader = RecordReader(text)
    var records: [[String]] = []
    while let row = try reader.next(mostFields: mostColumns) { records.append(row.fields) }
    return records
  }

  /// The first column of a name, or the last one where `last` is set; nil if there is none.
  package func column(_ name: String, last: Bool = false) -> Int? {
    last ? header.lastIndex(of: name) : header.firstIndex(of: name)
  }
}

/// Takes one record after the other from a text.
private struct RecordReader {
  private var scalars: String.UnicodeScalarView.Iterator
  private var ahead: Unicode.Scalar?
  private var line = 1

  init(_ text: String) {
    scalars = text.unicodeScalars.makeIterator()
    ahead = scalars.next()
    // A byte order mark is no part of the first column's name.
    if ahead == "\u{FEFF}" { ahead = scalars.next() }
  }

  private mutating func take() -> Unicode.Scalar? {
    let scalar = ahead
    ahead = scalars.next()
    if scalar == "\n" { line += 1 }
    return scalar
  }

  /// The next record; nil at the end of the text.
  mutating func next(mostFields: Int) throws(CSVError) -> CSVDocument.Row? {
    guard ahead != nil else { return nil }
    let start = line
    var fields: [String] = []
    while true {
      guard fields.count < mostFields else {
        throw CSVError(line: start, "has more than \(mostFields) fields")
      }
      fields.append(Formula.unmarked(ahead == "\"" ? try quotedField() : try plainField()))
      switch take() {
      case ",": continue
      case "\n": return CSVDocument.Row(line: start, fields: fields)
      case "\r" where ahead == "\n":
        _ = take()
        return CSVDocument.Row(line: start, fields: fields)
      case nil: throw CSVError(line: start, "does not end; the file was cut off")
      default: throw CSVError(line: start, "has text after a closing quote")
      }
    }
  }

  private mutating func plainField() throws(CSVError) -> String {
    var field = String.UnicodeScalarView()
    while let scalar = ahead, scalar != ",", scalar != "\n", scalar != "\r" {
      guard scalar != "\"" else {
        throw CSVError(line: line, "has a quote inside a field that no quote opens")
      }
      field.append(scalar)
      _ = take()
    }
    return String(field)
  }

  private mutating func quotedField() throws(CSVError) -> String {
    let start = line
    var field = String.UnicodeScalarView()
    _ = take()
    while let scalar = take() {
      guard scalar == "\"" else {
        field.append(scalar)
        continue
      }
      guard ahead == "\"" else { return String(field) }
      _ = take()
      field.append("\"")
    }
    throw CSVError(line: start, "opens a quote that nothing closes")
  }
}
