package import Reporting

/// Which rows of a `ledger.csv` are of which row of a `points.csv`.
///
/// Both files have the points in the same order, and the ledger says less of which point it is: of
/// those that are alike the first comes first. A point's tensors add up to what it retains; rows
/// that do not, or are of another profile, are some other result's.
package struct LedgerRows: Sendable {
  /// The rows of each point that has some, by the point's place in its file.
  package let blocks: [Int: Range<Int>]
  /// How many runs of rows, each one point's, belong to none of the points.
  package let strays: Int

  /// What belongs to none of the points, as a sentence; nil for nothing.
  package var contradiction: String? {
    strays == 0
      ? nil
      : "ledger.csv: the tensors of \(strays) of \(strays + blocks.count) points are left out; "
        + "they are of another profile, or do not add up to what a point here retains"
  }

  /// Matches two files, of which the ledger has a column `order` that starts again at each point.
  package init(_ ledger: CSVDocument, of points: CSVDocument) {
    let end = ledger.header.firstIndex(of: "order") ?? 0
    let shared = ledger.header[..<end].filter { points.column($0) != nil }
    let (inLedger, inPoints) = (
      shared.compactMap { ledger.column($0) }, shared.compactMap { points.column($0) }
    )
    let status = points.column("status")
    var waiting: [[String]: [Int]] = [:]
    for (number, row) in points.rows.enumerated().reversed()
    where status.map({ row.fields[$0] == "ok" }) ?? true {
      waiting[inPoints.map { row.fields[$0] }, default: []].append(number)
    }
    let retained = points.column("retained_bytes")
    let requested = ledger.column("requested_bytes")
    func addsUp(_ block: Range<Int>, to number: Int) -> Bool {
      guard let requested, let retained,
        let whole = CSVDocument.wholeNumber(points.rows[number].fields[retained])
      else { return true }
      var rest = whole
      for row in ledger.rows[block] {
        guard let bytes = CSVDocument.wholeNumber(row.fields[requested]), bytes <= rest else {
          return false
        }
        rest -= bytes
      }
      return rest == 0
    }
    var blocks: [Int: Range<Int>] = [:]
    var strays = 0
    var start = 0
    for index in 1...max(ledger.rows.count, 1) where !ledger.rows.isEmpty {
      let isEnd = index == ledger.rows.count || ledger.rows[index].fields[end] == "0"
      guard isEnd else { continue }
      let key = inLedger.map { ledger.rows[start].fields[$0] }
      let block = start..<index
      if let place = waiting[key]?.lastIndex(where: { addsUp(block, to: $0) }),
        let number = waiting[key]?.remove(at: place)
      {
        blocks[number] = block
      } else {
        strays += 1
      }
      start = index
    }
    (self.blocks, self.strays) = (blocks, strays)
  }
}
