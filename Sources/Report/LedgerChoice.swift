import Reporting
import Retention

/// The ledgers that a report carries: all of a small sweep, else those of the longest prefixes.
struct LedgerChoice {
  let json: JSONText
  /// What was left out for its size, as a sentence; nil if nothing was.
  let note: String?
  /// What was left out because it is of no point here; nil if nothing was.
  let strays: String?

  /// Rows that a report carries at most; more would take a page seconds to open.
  private static let mostRows = 20_000

  private static let columns = [
    "order", "layer", "op", "tensor", "shape", "dtype", "requested_bytes", "allocated_bytes",
    "prefix_bytes", "generated_bytes", "crossing_bytes", "shared_bytes", "needed_for",
    "also_saved_by", "padding_bytes",
  ]

  init(_ ledger: CSVDocument, of points: CSVDocument) {
    let all = LedgerRows(ledger, of: points)
    let blocks = all.blocks
    let order = Self.order(of: points).filter { blocks[$0] != nil }
    var chosen: [Int] = []
    var count = 0
    for point in order {
      let rows = blocks[point]?.count ?? 0
      guard chosen.isEmpty || count + rows <= Self.mostRows else { continue }
      chosen.append(point)
      count += rows
    }
    let rows = chosen.sorted().flatMap { point in
      ledger.rows[blocks[point] ?? 0..<0].map { (point, $0) }
    }
    var table = PackedTable(rows: rows.count)
    table.add("point", rows.map { String($0.0) })
    for name in Self.columns {
      // `dtype` is there twice: the point's own, and then the tensor's.
      guard let index = ledger.column(name, last: true) else { continue }
      table.add(name, rows.map { $0.1.fields[index] })
    }
    json = table.json
    strays =
      all.strays == 0
      ? nil
      : "ledger.csv: the tensors of \(all.strays) of \(all.strays + blocks.count) points are left "
        + "out; they are of another profile, or do not add up to what a point here retains"
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
