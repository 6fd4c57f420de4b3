package import Files
import Foundation
package import Reporting
import Retention

/// The committed figures of a profile: exact bytes of every point that a budget is about, and its
/// gradient error to three digits, since further ones differ between machines.
///
/// A CSV file with two kinds of rows. A point's own has the point's axes and its figures; the rows
/// under it, of the same number in `point`, have the tensors of which these are the sums. Threads
/// and backend are no part of it, since bytes do not depend on them.
package struct Baseline: Sendable {
  /// One point's figures and ledgers.
  package struct Entry: Equatable, Sendable {
    package var key: [String]
    package var figures: [BudgetFigure: Double]
    package var saved: [TensorBytes]
    package var atPeak: [TensorBytes]

    package func ledger(of figure: BudgetFigure) -> [TensorBytes] {
      figure.isOfPeak ? atPeak : saved
    }
  }

  package let entries: [Entry]
  private let places: [[String]: Int]

  private init(_ entries: [Entry]) {
    self.entries = entries
    places = Dictionary(entries.enumerated().map { ($1.key, $0) }) { first, _ in first }
  }

  /// The figures of points that were measured, each point once whatever its threads and backend.
  package init(of points: [MeasuredPoint]) {
    var seen: Set<[String]> = []
    let distinct = points.filter { seen.insert(Self.key(of: $0.cells)).inserted }
    self.init(
      distinct.map { point in
        var figures: [BudgetFigure: Double] = [:]
        for (figure, _) in Self.figureColumns {
          figures[figure] = point.value(of: figure).flatMap { Self.committed($0, figure) }
        }
        return Entry(
          key: Self.key(of: point.cells), figures: figures, saved: point.saved,
          atPeak: point.atPeak)
      })
  }

  /// The entry of a point; nil if the file has none.
  package func entry(of point: PointCells) -> Entry? {
    places[Self.key(of: point)].map { entries[$0] }
  }

  /// Where a profile's baseline stands: `baselines/NAME.csv` beside it.
  package static func path(forProfile path: String) -> String {
    let url = URL(fileURLWithPath: path)
    let name = url.deletingPathExtension().lastPathComponent
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    return "\(folder)baselines/\(name).csv"
  }

  // MARK: Columns

  private static let keyAxes = PointColumns.axes.map(\.name).filter {
    PointAxis.named($0).changesBytes
  }

  private static let figureColumns: [(BudgetFigure, String)] = BudgetFigure.allCases.map { figure in
    (figure, figure.isBytes ? "\(figure.rawValue)_bytes" : figure.figure?.name ?? figure.rawValue)
  }

  /// A figure as the file holds it; nil for what is none.
  private static func committed(_ value: Double, _ figure: BudgetFigure) -> Double? {
    guard value.isFinite else { return nil }
    guard figure.isBytes else { return Double(String(format: "%.2e", value)) }
    return Int(exactly: value).map(Double.init)
  }

  private static func cell(_ value: Double?, _ figure: BudgetFigure) -> Cell {
    figure.isBytes ? .integer(orEmpty: value.map { Int($0) }) : .real(orEmpty: value)
  }

  /// Reads what `cell` writes; nil for anything else.
  private static func figure(_ text: String, _ figure: BudgetFigure) -> Double? {
    let value = figure.isBytes ? Int(text).map(Double.init) : Double(text)
    return value.flatMap { $0.isFinite && $0 >= 0 && $0 < 0x1p53 ? $0 : nil }
  }

  private static let tensorColumns = [
    "ledger", "layer", "op", "tensor", "shape", "tensor_dtype", "tensor_bytes",
  ]

  private static let header =
    ["point"] + keyAxes + figureColumns.map(\.1) + tensorColumns

  private static func key(of point: PointCells) -> [String] { keyAxes.map { point[$0] } }

  // MARK: Writing

  /// The file's text.
  package var text: String {
    var text = CSV.line(Self.header.map(Cell.text))
    let noPoint = Array(
      repeating: Cell.empty, count: Self.keyAxes.count + Self.figureColumns.count)
    for (number, entry) in entries.enumerated() {
      let figures = Self.figureColumns.map { Self.cell(entry.figures[$0.0], $0.0) }
      let noTensor = Array(repeating: Cell.empty, count: Self.tensorColumns.count)
      text += CSV.line([.integer(number + 1)] + entry.key.map(Cell.text) + figures + noTensor)
      for (ledger, tensors) in [("saved", entry.saved), ("peak", entry.atPeak)] {
        for tensor in tensors {
          let cells: [Cell] = [
            .text(ledger), .integer(orEmpty: tensor.layer), .text(tensor.op),
            .text(tensor.tensor), .text(tensor.shape), .text(tensor.dtype),
            .integer(tensor.bytes),
          ]
          text += CSV.line([.integer(number + 1)] + noPoint + cells)
        }
      }
    }
    return text
  }

  /// Writes the file whole, or leaves what is there; makes the folder `baselines` if it is missing.
  package func write(to path: String) throws(FileError) {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    if unsafe mkdir(folder, 0o755) != 0, errno != EEXIST {
      throw FileError.system("cannot make the folder \(folder)")
    }
    try PendingFile(own: path).commit(text)
  }

  // MARK: Reading

  /// Reads a baseline; nil if there is no such file.
  ///
  /// - Throws: `FileError` for a file that cannot be read or is no baseline.
  package static func read(_ path: String) throws(FileError) -> Baseline? {
    guard Paths.exists(path) else { return nil }
    return try Baseline(text: try ResultText.read(path), path: path)
  }

  init(text: String, path: String) throws(FileError) {
    let again = "write it again with --update"
    let document: CSVDocument
    do { document = try CSVDocument(text) } catch {
      throw FileError("\(path): \(error); \(again)")
    }
    guard let whole = Self.completing(document.header) else {
      throw FileError("\(path): the header is not a baseline's of this version; \(again)")
    }
    var entries: [Entry] = []
    // Of the last entry's two ledgers, so that sums of a ledger's bytes fit 64 bits later on.
    var totals: [String: Int] = [:]
    for row in document.rows {
      guard Self.add(whole(row.fields), to: &entries, totals: &totals) else {
        throw FileError("\(path): line \(row.line) is not a baseline's row; \(again)")
      }
    }
    self.init(entries)
  }

  /// Adds bytes to a total; false if it does not fit 64 bits.
  private static func add(_ bytes: Int, to total: inout Int) -> Bool {
    let (sum, overflows) = total.addingReportingOverflow(bytes)
    total = sum
    return !overflows
  }

  /// Fills in the axes that came after a file was written, whose points had the default on them,
  /// and leaves the figures empty that did.
  ///
  /// - Returns: What makes a whole row of one of the file's; nil if the header is no baseline's.
  private static func completing(_ header: [String]) -> (([String]) -> [String])? {
    let present = Set(header)
    let known = keyAxes.prefix { present.contains($0) }
    let later = keyAxes.dropFirst(known.count)
    let figures = figureColumns.map { present.contains($0.1) }
    let absent = Set(figureColumns.map(\.1)).subtracting(present)
    guard figures.contains(true),
      header == Self.header.filter({ !later.contains($0) && !absent.contains($0) })
    else { return nil }
    return { fields in
      // A tensor's row, which ends with its bytes, says nothing of its point.
      let isTensor = fields.last?.isEmpty == false
      let cells = later.map { isTensor ? "" : PointAxis.named($0).standard.text }
      var rest = fields.dropFirst(1 + known.count)
      let numbers = figures.map { isPresent in isPresent ? rest.removeFirst() : "" }
      return Array(fields.prefix(1 + known.count)) + cells + numbers + rest
    }
  }

  /// Takes a row; false if it is neither a point's nor a tensor's.
  private static func add(
    _ fields: [String], to entries: inout [Entry], totals: inout [String: Int]
  ) -> Bool {
    let figuresStart = 1 + keyAxes.count
    let tensorStart = figuresStart + figureColumns.count
    let tensor = Array(fields[tensorStart...])
    if tensor.allSatisfy(\.isEmpty) {
      guard Int(fields[0]) == entries.count + 1 else { return false }
      var entry = Entry(
        key: Array(fields[1..<figuresStart]), figures: [:], saved: [], atPeak: [])
      for (index, column) in figureColumns.enumerated() {
        let text = fields[figuresStart + index]
        if text.isEmpty { continue }
        guard let value = figure(text, column.0) else { return false }
        entry.figures[column.0] = value
      }
      entries.append(entry)
      totals = [:]
      return true
    }
    guard let last = entries.indices.last, Int(fields[0]) == entries.count,
      let bytes = Int(tensor[6]), bytes >= 0, tensor[1].isEmpty || Int(tensor[1]) != nil,
      add(bytes, to: &totals[tensor[0], default: 0])
    else { return false }
    let value = TensorBytes(
      layer: Int(tensor[1]), op: tensor[2], tensor: tensor[3], shape: tensor[4],
      dtype: tensor[5], bytes: bytes)
    switch tensor[0] {
    case "saved": entries[last].saved.append(value)
    case "peak": entries[last].atPeak.append(value)
    default: return false
    }
    return true
  }
}
