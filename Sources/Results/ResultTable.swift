package import Files
package import Reporting
import Retention
import Spelling

/// A CSV file of results, with its rows' cells by column.
package struct ResultTable: Sendable {
  package let path: String
  package let document: CSVDocument
  package let kind: ResultKind

  /// Reads a file of one of some kinds.
  ///
  /// - Throws: `FileError` for a file that is missing, malformed or of no such kind.
  package init(_ path: String, ofOneOf kinds: [ResultKind]) throws(FileError) {
    var found: ResultKind?
    document = try Self.read(path) { header in
      found = kinds.first { kind in kind.needed.allSatisfy(header.contains) }
      let names = kinds.map { "a \($0.file)" }.joined(separator: " or ")
      return found == nil ? "does not have the columns of \(names)" : nil
    }
    (self.path, kind) = (path, found ?? .points)
  }

  /// Reads a file of a kind, with the columns that it needs and some more.
  ///
  /// - Throws: `FileError` as above, naming the column that is missing.
  package init(
    _ path: String, of kind: ResultKind, needing columns: [String] = []
  ) throws(FileError) {
    (self.path, self.kind) = (path, kind)
    let needed = Set(kind.needed + columns)
    document = try Self.read(path) { header in
      kind.columns.first { needed.contains($0) && !header.contains($0) }
        .map { "has no column \(quoted($0)) of a \(kind.file)" }
    }
  }

  /// A table that was made here and not read.
  init(_ text: String, at path: String, of kind: ResultKind) throws(FileError) {
    (self.path, self.kind) = (path, kind)
    do { document = try CSVDocument(text, header: { _ in nil }) } catch {
      throw FileError("\(path): \(error)")
    }
  }

  private static func read(
    _ path: String, header complaint: ([String]) -> String?
  ) throws(FileError) -> CSVDocument {
    let text = try ResultText.read(path)
    do { return try CSVDocument(text, header: complaint) } catch {
      throw FileError("\(path): \(error)")
    }
  }

  /// Refuses a file without rows, of which nothing could be said.
  func requireRows(to purpose: String) throws(FileError) {
    guard document.rows.isEmpty else { return }
    throw FileError("\(path): has a header and no rows; there is nothing to \(purpose)")
  }

  /// Refuses figures that are none, in whichever column.
  func requireFigures() throws(FileError) {
    do { try document.requireFigures(ofLaws: kind == .laws) } catch {
      throw FileError("\(path): \(error)")
    }
  }

  /// A cell's text; empty where the file has no such column.
  func text(_ row: CSVDocument.Row, _ column: String, last: Bool = false) -> String {
    document.column(column, last: last).map { row.fields[$0] } ?? ""
  }

  /// A cell's whole number, 0 or more; nil if it is empty or the file has no such column.
  func count(_ row: CSVDocument.Row, _ column: String) throws(FileError) -> Int? {
    try figure(column) { (column) throws(CSVError) in try document.count(row, column) }
  }

  /// A cell's seconds; nil if it is empty or the file has no such column.
  func seconds(_ row: CSVDocument.Row, _ column: String) throws(FileError) -> Double? {
    try figure(column) { (column) throws(CSVError) in try document.seconds(row, column) }
  }

  /// A cell's number, 0 or more; nil if it is empty or the file has no such column.
  func number(_ row: CSVDocument.Row, _ column: String) throws(FileError) -> Double? {
    try figure(column) { (column) throws(CSVError) in try document.number(row, column) }
  }

  private func figure<Value>(
    _ column: String, _ read: (Int) throws(CSVError) -> Value?
  ) throws(FileError) -> Value? {
    guard let column = document.column(column) else { return nil }
    do throws(CSVError) { return try read(column) } catch { throw FileError("\(path): \(error)") }
  }

  /// A row's cells in those of the columns that the file has.
  func key(_ row: CSVDocument.Row, _ columns: [String]) -> [String: String] {
    columns.reduce(into: [:]) { key, name in
      if let index = document.column(name) { key[name] = row.fields[index] }
    }
  }
}

/// The columns by which results are matched.
package enum ResultColumns {
  /// What says which point a row of `points.csv` is about.
  package static let point = PointColumns.axes.map(\.name) + ["repeat"]

  /// What says so in `ledger.csv`: the columns before `order`, the profile's name aside.
  static let ledger = Array(
    LedgerRecord.columns.map(\.name).prefix { $0 != "order" }.dropFirst())
}
