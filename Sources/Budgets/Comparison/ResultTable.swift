import Files
import Reporting
import Retention

/// One point of results that were read from files.
struct ResultPoint {
  /// What says which point it is, by column.
  var key: [String: String]
  var figures: [String: Double] = [:]
  /// `ok` where the file does not say.
  var status = "ok"
  /// Why it has no figures, where the file says so.
  var error: String?
  /// The saved tensors; nil without a ledger.
  var tensors: [TensorBytes]?

  /// Forward and backward together.
  var seconds: Double? {
    guard let forward = figures["forward_seconds"], let backward = figures["backward_seconds"]
    else { return nil }
    return forward + backward
  }
}

/// A CSV file of results, with its rows' cells by column.
struct ResultTable {
  let path: String
  let document: CSVDocument

  let kind: Results.Kind

  /// Reads a file of one kind, or of either.
  ///
  /// - Throws: `FileError` for a file that is missing, malformed or of no such kind.
  init(_ path: String, of kinds: [Results.Kind] = [.ledger, .points]) throws(FileError) {
    self.path = path
    let text = try ResultText.read(path)
    var found: Results.Kind?
    do {
      document = try CSVDocument(text) { header in
        found = kinds.first { kind in kind.columns.allSatisfy(header.contains) }
        let names = kinds.map { "a \($0.rawValue).csv" }.joined(separator: " or ")
        return found == nil ? "does not have the columns of \(names)" : nil
      }
    } catch {
      throw FileError("\(path): \(error)")
    }
    kind = found ?? .points
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

/// The columns by which results are read and matched.
enum ResultColumns {
  /// What says which point a row of `points.csv` is about.
  static let point = PointColumns.axes.map(\.name) + ["repeat"]

  /// What says so in `ledger.csv`: the columns before `order`, the profile's name aside.
  static let ledger = Array(
    LedgerRecord.columns.map(\.name).prefix { $0 != "order" }.dropFirst())

  static let bytes = ["retained_bytes", "retained_allocated_bytes", "peak_bytes"]

  static let seconds = ["forward_seconds", "backward_seconds"]
}

extension Results.Kind {
  /// The columns without which a file is not of the kind.
  fileprivate var columns: [String] {
    switch self {
    case .points: ["mode", "n_c", "status", "retained_bytes"]
    case .ledger: ["mode", "n_c", "order", "op", "tensor", "requested_bytes"]
    }
  }
}
