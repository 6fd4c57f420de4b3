package import Files
import Foundation
import Reporting

/// What `ballast compare` reads of one side, and `ballast check --results`: a folder of results, a
/// `points.csv` or a `ledger.csv`.
package struct Results {
  /// Which file the points come from; two sides must have the same.
  package enum Kind: String { case points, ledger }

  let path: String
  let kind: Kind
  let points: [ResultPoint]
  /// What the ledger has and no point does, as a sentence; nil for nothing.
  package private(set) var strays: String?

  /// Reads a side; `kinds` are what a file may be, a folder has points.
  ///
  /// - Throws: `FileError` for what is missing, malformed or no file of ours.
  package init(_ path: String, of kinds: [Kind] = [.ledger, .points]) throws(FileError) {
    self.path = path
    guard !path.isEmpty else {
      throw FileError("the name of a result is empty; give a folder or a CSV file")
    }
    guard Paths.isDirectory(path) else {
      let table = try ResultTable(path, of: kinds)
      kind = table.kind
      points = kind == .ledger ? try Self.ledger(table) : try Self.points(table)
      return
    }
    let file = Paths.join(path, "points.csv")
    guard Paths.exists(file) else {
      throw FileError("\(path): holds no points.csv; name a folder that 'ballast sweep' wrote")
    }
    let table = try ResultTable(file, of: [.points])
    var points = try Self.points(table)
    let place = Paths.join(path, "ledger.csv")
    if Paths.exists(place) {
      let ledger = try ResultTable(place, of: [.ledger])
      let rows = LedgerRows(ledger.document, of: table.document)
      let blocks = Dictionary(uniqueKeysWithValues: try Self.blocks(ledger).map { ($0.start, $0) })
      for (number, range) in rows.blocks {
        points[number].tensors = blocks[range.lowerBound]?.tensors
      }
      strays =
        rows.strays == 0
        ? nil
        : "\(place): the tensors of \(rows.strays) of \(rows.strays + rows.blocks.count) points "
          + "are left out; they are of another profile, or do not add up to what a point there "
          + "retains"
    }
    (kind, self.points) = (.points, points)
  }

  // MARK: Points

  private static func points(_ table: ResultTable) throws(FileError) -> [ResultPoint] {
    try requireRows(table)
    var points: [ResultPoint] = []
    for row in table.document.rows {
      var point = ResultPoint(key: table.key(row, ResultColumns.point))
      for figure in ResultColumns.bytes {
        point.figures[figure] = try table.count(row, figure).map(Double.init)
      }
      for figure in ResultColumns.seconds {
        point.figures[figure] = try table.seconds(row, figure)
      }
      point.figures["gradient_relative_error"] = try table.number(row, "gradient_relative_error")
      point.status = table.text(row, "status")
      let error = table.text(row, "error")
      point.error = error.isEmpty ? nil : error
      points.append(point)
    }
    return points
  }

  /// Without rows there are no points, and two results would be blamed for having none in common.
  private static func requireRows(_ table: ResultTable) throws(FileError) {
    guard !table.document.rows.isEmpty else {
      throw FileError("\(table.path): has a header and no rows; there is nothing to compare")
    }
  }

  /// Every point as budgets know it, each once: of repetitions the first.
  package var measured: [MeasuredPoint] { measured { _ in true } }

  /// The same of those whose texts by column are wanted.
  func measured(_ isWanted: ([String: String]) -> Bool) -> [MeasuredPoint] {
    var seen: Set<PointCells> = []
    let distinct = points.filter {
      isWanted($0.key) && seen.insert(PointCells($0.key)).inserted
    }
    let byCells = Dictionary(
      distinct.filter { $0.status == "ok" }.map { (PointCells($0.key), $0) }
    ) { first, _ in first }
    return distinct.map { result in
      let cells = PointCells(result.key)
      return MeasuredPoint(result, shorter: cells.nC.flatMap { byCells[cells.at(nC: $0 - 1)] })
    }
  }

  // MARK: Ledgers

  /// The rows of one point's ledger.
  private struct Block {
    let key: [String: String]
    /// The place of its first row in the file.
    let start: Int
    var tensors: [TensorBytes] = []
    var requested = 0
    var allocated: Int?
  }

  /// The sum of bytes, checked.
  private static func sum(
    _ one: Int, _ other: Int, _ row: CSVDocument.Row, of table: ResultTable
  ) throws(FileError) -> Int {
    let (sum, overflows) = one.addingReportingOverflow(other)
    guard !overflows else {
      throw FileError(
        "\(table.path): line \(row.line) brings the bytes of its point beyond \(Int.max)")
    }
    return sum
  }

  /// The ledger's points: `order` starts again at each.
  private static func blocks(_ table: ResultTable) throws(FileError) -> [Block] {
    var blocks: [Block] = []
    for (number, row) in table.document.rows.enumerated() {
      let key = table.key(row, ResultColumns.ledger)
      let order = try table.count(row, "order") ?? 0
      if order == 0 || blocks.last?.key != key { blocks.append(Block(key: key, start: number)) }
      let requested = try table.count(row, "requested_bytes") ?? 0
      let last = blocks.count - 1
      blocks[last].tensors.append(
        TensorBytes(
          layer: try table.count(row, "layer"),
          op: table.text(row, "op"), tensor: table.text(row, "tensor"),
          shape: table.text(row, "shape"), dtype: table.text(row, "dtype", last: true),
          bytes: requested))
      blocks[last].requested = try sum(blocks[last].requested, requested, row, of: table)
      if let allocated = try table.count(row, "allocated_bytes") {
        blocks[last].allocated = try sum(blocks[last].allocated ?? 0, allocated, row, of: table)
      }
    }
    return blocks
  }

  /// The points of a ledger alone; those that differ in what it does not say are numbered.
  private static func ledger(_ table: ResultTable) throws(FileError) -> [ResultPoint] {
    try requireRows(table)
    var counts: [[String: String]: Int] = [:]
    return try blocks(table).map { block in
      counts[block.key, default: 0] += 1
      var key = block.key
      if let count = counts[block.key], count > 1 { key["number"] = String(count) }
      var point = ResultPoint(key: key, tensors: block.tensors)
      point.figures["retained_bytes"] = Double(block.requested)
      point.figures["retained_allocated_bytes"] = block.allocated.map(Double.init)
      return point
    }
  }
}
