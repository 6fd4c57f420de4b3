package import Files
package import Reporting

/// One point of results that were read from files.
package struct ResultPoint: Sendable {
  /// What says which point it is, by column.
  package var key: [String: String]
  package var figures: [String: Double] = [:]
  /// `ok` where the file does not say.
  package var status = "ok"
  /// Why it has no figures, where the file says so.
  package var error: String?
  /// The saved tensors; nil without a ledger.
  package var tensors: [TensorBytes]?
  /// What is alive when most is allocated; of a recorded step alone.
  package var atPeak: [TensorBytes] = []

  package func value(of figure: PointFigure) -> Double? { figures[figure.name] }

  /// Forward and backward together.
  package var seconds: Double? {
    guard let forward = figures["forward_seconds"], let backward = figures["backward_seconds"]
    else { return nil }
    return forward + backward
  }
}

/// The points of a folder of results, of a `points.csv` or of a `ledger.csv`, with their tensors
/// where those are known.
package struct ResultPoints: Sendable {
  package let path: String
  /// Which file the points come from.
  package let kind: ResultKind
  package let points: [ResultPoint]
  /// What the ledger has and no point does, as a sentence; nil for nothing.
  package private(set) var strays: String?

  /// Reads a side of a comparison; `kinds` are what a file may be, a folder has points.
  ///
  /// - Throws: `FileError` for what is missing, malformed or no file of ours.
  package init(
    _ path: String, ofOneOf kinds: [ResultKind] = [.ledger, .points]
  ) throws(FileError) {
    guard !path.isEmpty else {
      throw FileError("the name of a result is empty; give a folder or a CSV file")
    }
    guard Paths.isDirectory(path) || RecordedResult.file(at: path) != nil else {
      let table = try ResultTable(path, ofOneOf: kinds)
      try table.requireRows(to: "compare")
      self.init(
        path: path, kind: table.kind,
        points: table.kind == .ledger ? try Self.ledger(table) : try Self.points(table))
      return
    }
    try self.init(
      path, of: try ResultFolder(path, reading: [.points, .ledger], to: "compare"))
  }

  /// The points of a recorded step at lengths that its laws give.
  ///
  /// - Throws: `FileError` as for a folder.
  package init(_ recorded: RecordedResult, at path: String) throws(FileError) {
    try self.init(
      path, of: try ResultFolder(path, recorded, reading: [.points, .ledger], to: "judge"))
  }

  private init(
    path: String, kind: ResultKind, points: [ResultPoint], strays: String? = nil
  ) {
    (self.path, self.kind, self.points, self.strays) = (path, kind, points, strays)
  }

  private init(_ path: String, of folder: ResultFolder) throws(FileError) {
    var points = try Self.points(folder.points)
    var strays: String?
    for (place, atPeak) in (folder.atPeak ?? []).enumerated() where place < points.count {
      points[place].atPeak = atPeak
    }
    if let ledger = folder.ledger, let rows = folder.ledgerRows {
      let blocks = Dictionary(uniqueKeysWithValues: try Self.blocks(ledger).map { ($0.start, $0) })
      for (number, range) in rows.blocks {
        points[number].tensors = blocks[range.lowerBound]?.tensors
      }
      strays = rows.contradiction.map { Paths.join(path, $0) }
    }
    self.init(path: path, kind: .points, points: points, strays: strays)
  }

  // MARK: Points

  private static func points(_ table: ResultTable) throws(FileError) -> [ResultPoint] {
    var points: [ResultPoint] = []
    for row in table.document.rows {
      var point = ResultPoint(key: table.key(row, ResultColumns.point))
      for figure in PointFigure.all where figure.isHeld {
        point.figures[figure.name] =
          switch figure.unit {
          case .bytes: try table.count(row, figure.name).map(Double.init)
          case .seconds: try table.seconds(row, figure.name)
          default: try table.number(row, figure.name)
          }
      }
      point.status = table.text(row, "status")
      let error = table.text(row, "error")
      point.error = error.isEmpty ? nil : error
      points.append(point)
    }
    return points
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
