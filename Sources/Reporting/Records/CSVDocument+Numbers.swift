import Retention
import Spelling
import Values

extension CSVDocument {
  /// A whole number from 0 on, also as `4096.0`, which a table of another program may have; nil for
  /// anything else.
  package static func wholeNumber(_ text: String) -> Int? {
    (Int(text) ?? decimal(text).flatMap { Int(exactly: $0) }).flatMap { $0 >= 0 ? $0 : nil }
  }

  /// A number in decimal digits; Swift's own reading also takes `0x10`.
  private static func decimal(_ text: String) -> Double? {
    text.contains { $0 == "x" || $0 == "X" } ? nil : Double(text)
  }

  /// A cell's whole number, 0 or more; nil if it is empty.
  package func count(_ row: Row, _ column: Int) throws(CSVError) -> Int? {
    let text = row.fields[column]
    if text.isEmpty { return nil }
    guard let value = Self.wholeNumber(text) else {
      throw fault(row, column, "no whole number from 0 to \(Int.max)")
    }
    return value
  }

  /// A cell's seconds; nil if it is empty.
  package func seconds(_ row: Row, _ column: Int) throws(CSVError) -> Double? {
    try number(row, column, upTo: 1e12, "no time in seconds")
  }

  /// A cell's number, 0 or more; nil if it is empty.
  package func number(
    _ row: Row, _ column: Int, upTo most: Double = .greatestFiniteMagnitude,
    _ words: String = "no number of 0 or more"
  ) throws(CSVError) -> Double? {
    let text = row.fields[column]
    if text.isEmpty { return nil }
    guard let value = Self.decimal(text), value >= 0, value <= most else {
      throw fault(row, column, words)
    }
    return value
  }

  /// Refuses figures that are none: bytes, seconds and errors by the ends of their columns' names,
  /// and what whole numbers an axis has. A loss may be infinite, or not a number.
  ///
  /// Bytes of a law's coefficients may be less than 0.
  package func requireFigures(ofLaws: Bool = false) throws(CSVError) {
    for (column, name) in header.enumerated() {
      for row in rows {
        if name.hasSuffix("_bytes"), ofLaws {
          let text = row.fields[column]
          guard text.isEmpty || Int(text) != nil else {
            throw fault(row, column, "no whole number of 64 bits")
          }
        } else if name.hasSuffix("_bytes") {
          _ = try count(row, column)
        } else if name.hasSuffix("_seconds") {
          _ = try seconds(row, column)
        } else if name.hasSuffix("relative_error") || name.hasSuffix("_norm") {
          _ = try number(row, column)
        } else if PointAxis.find(name)?.kind == .integer {
          _ = try count(row, column)
        } else if name == "loss", !row.fields[column].isEmpty, Double(row.fields[column]) == nil {
          throw fault(row, column, "no number")
        }
      }
    }
  }

  private func fault(_ row: Row, _ column: Int, _ words: String) -> CSVError {
    CSVError(
      line: row.line, "has \(quoted(row.fields[column])) in \(header[column]), which is \(words)")
  }
}
