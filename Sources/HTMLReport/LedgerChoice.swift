import Reporting
import Results
import Retention
import Spelling

/// The ledgers that a report carries: all of a small sweep, else those of the longest prefixes.
struct LedgerChoice {
  let json: JSONText
  /// What was left out for its size, as a sentence; nil if nothing was.
  let note: String?

  /// Rows that a report carries at most; more would take a page seconds to open.
  private static let mostRows = 20_000

  /// What a row says of a tensor: all but which point it is of.
  private static let columns = Array(
    LedgerRecord.columns.map(\.name).drop { $0 != "order" })

  init(_ ledger: CSVDocument, _ rows: LedgerRows, of points: CSVDocument) {
    let blocks = rows.blocks
    let order = Self.order(of: points).filter { blocks[$0] != nil }
    var chosen: [Int] = []
    var count = 0
    for point in order {
      let rows = blocks[point]?.count ?? 0
      guard chosen.isEmpty || count + rows <= Self.mostRows else { continue }
      chosen.append(point)
      count += rows
    }
    let tensors = chosen.sorted().flatMap { point in
      ledger.rows[blocks[point] ?? 0..<0].map { (point, $0) }
    }
    var table = PackedTable(rows: tensors.count)
    table.add("point", tensors.map { String($0.0) })
    for name in Self.columns {
      // `dtype` is there twice: the point's own, and then the tensor's.
      guard let index = ledger.column(name, last: true) else { continue }
      table.add(name, tensors.map { $0.1.fields[index] })
    }
    json = table.json
    note =
      chosen.count == blocks.count
      ? nil
      : "tensors are here of \(chosen.count) of \(blocks.count) points, those of the longest "
        + "prefixes first; ledger.csv has all"
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
