/// Reads RFC 4180 text: what `CSV` writes, and what spreadsheets make of it.
package enum CSVText {
  /// The records of a text, each as its fields; an unfinished last line counts as one.
  package static func records(of text: String) -> [[String]] {
    var records: [[String]] = []
    var fields: [String] = []
    var field = String.UnicodeScalarView()
    var isQuoted = false
    var sawQuote = false

    func isEmptyLine() -> Bool { fields.isEmpty && field.isEmpty && !sawQuote }
    func endField() {
      fields.append(String(field))
      field.removeAll()
      sawQuote = false
    }
    var scalars = text.unicodeScalars.makeIterator()
    var next = scalars.next()
    while let scalar = next {
      next = scalars.next()
      switch scalar {
      case "\"" where isQuoted && next == "\"":
        field.append(scalar)
        next = scalars.next()
      case "\"":
        isQuoted.toggle()
        sawQuote = true
      case "," where !isQuoted:
        endField()
      case "\r" where !isQuoted && next == "\n":
        break
      case "\n" where !isQuoted:
        if isEmptyLine() { continue }
        endField()
        records.append(fields)
        fields.removeAll()
      default:
        field.append(scalar)
      }
    }
    if !isEmptyLine() {
      endField()
      records.append(fields)
    }
    return records
  }
}
