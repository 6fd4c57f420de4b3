/// A strict reader of RFC 4180 text, written from the grammar rather than from the writer.
enum CSVReader {
  /// The records of a text, header included.
  static func records(_ text: String) -> [[String]] {
    var records: [[String]] = []
    var record: [String] = []
    var field = ""
    var isQuoted = false
    var scalars = Array(text.unicodeScalars)[...]
    while let scalar = scalars.popFirst() {
      switch (scalar, isQuoted) {
      case ("\"", true) where scalars.first == "\"":
        field.unicodeScalars.append("\"")
        scalars.removeFirst()
      case ("\"", _):
        isQuoted.toggle()
      case (",", false):
        record.append(field)
        field = ""
      case ("\n", false):
        records.append(record + [field])
        record = []
        field = ""
      default:
        field.unicodeScalars.append(scalar)
      }
    }
    return records
  }
}
