import Files
import Reporting
import Retention

/// The ledgers that a report carries: all of a small sweep, else those of the longest prefixes.
struct LedgerChoice {
  let json: String
  /// What was left out, as a sentence; nil if nothing was.
  let note: String?

  /// Rows that a report carries at most; more would take a page seconds to open.
  private static let mostRows = 20_000

  private static let columns = [
    "order", "layer", "op", "tensor", "shape", "dtype", "requested_bytes", "allocated_bytes",
    "prefix_bytes", "generated_bytes", "crossing_bytes", "shared_bytes", "needed_for",
    "also_saved_by", "padding_bytes",
  ]

  init(_ ledger: CSVDocument, of points: CSVDocument) {
    let blocks = Self.blocks(of: ledger, at: points)
    let order = Self.order(of: points).filter { blocks[$0] != nil }
    var chosen: [Int] = []
    var count = 0
    for point in order {
      let rows = blocks[point]?.count ?? 0
      guard chosen.isEmpty || count + rows <= Self.mostRows else { continue }
      chosen.append(point)
      count += rows
    }
    let rows = chosen.sorted().flatMap { point in (blocks[point] ?? []).map { (point, $0) } }
    var table = PackedTable(rows: rows.count)
    table.add("point", rows.map { String($0.0) })
    for name in Self.columns {
      // `dtype` is there twice: the point's own, and then the tensor's.
      guard let index = ledger.column(name, last: true) else { continue }
      table.add(name, rows.map { $0.1.fields[index] })
    }
    json = table.json
    note =
      chosen.count == blocks.count
      ? nil
      : "tensors are here of \(chosen.count) of \(blocks.count) points, those of the longest "
        + "prefixes first; ledger.csv has all"
  }

  /// The rows of each point that has some, by the point's number.
  ///
  /// Both files have the points in the same order, and the ledger says less of which point it is:
  /// of those that are alike the first comes first.
  private static func blocks(
    of ledger: CSVDocument, at points: CSVDocument
  ) -> [Int: ArraySlice<CSVDocument.Row>] {
    let end = ledger.header.firstIndex(of: "order") ?? 0
    let shared = ledger.header[..<end].filter { points.column($0) != nil && $0 != "profile" }
    let (inLedger, inPoints) = (
      shared.compactMap { ledger.column($0) }, shared.compactMap { points.column($0) }
    )
    var waiting: [[String]: [Int]] = [:]
    let status = points.column("status")
    for (number, row) in points.rows.enumerated().reversed()
    where status.map({ row.fields[$0] == "ok" }) ?? true {
      waiting[inPoints.map { row.fields[$0] }, default: []].append(number)
    }
    var blocks: [Int: ArraySlice<CSVDocument.Row>] = [:]
    var start = 0
    for index in 1...max(ledger.rows.count, 1) where !ledger.rows.isEmpty {
      let isEnd = index == ledger.rows.count || ledger.rows[index].fields[end] == "0"
      guard isEnd else { continue }
      let key = inLedger.map { ledger.rows[start].fields[$0] }
      if let number = waiting[key]?.popLast() { blocks[number] = ledger.rows[start..<index] }
      start = index
    }
    return blocks
  }

  /// Points, the longest prefix of each series first, then the others as they come.
  private static func order(of points: CSVDocument) -> [Int] {
    let length = points.column("n_c")
    let axes = PointAxis.all.filter { $0.seriesValue == nil }.compactMap { points.column($0.name) }
    func nC(_ number: Int) -> Int { length.flatMap { Int(points.rows[number].fields[$0]) } ?? 0 }
    var longest: [[String]: Int] = [:]
    for (number, row) in points.rows.enumerated() {
      let key = axes.map { row.fields[$0] }
      if let known = longest[key], nC(known) >= nC(number) { continue }
      longest[key] = number
    }
    let first = Set(longest.values)
    return first.sorted() + points.rows.indices.filter { !first.contains($0) }
  }
}
