import Ledger
package import Retention

/// A row that cannot be read, as one sentence.
package struct RecordError: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

extension PointRecord {
  /// Reads what `CSV.line(of:)` wrote of a point's row.
  ///
  /// - Parameters:
  ///   - row: One line of `points.csv`.
  ///   - point: The point that the row is about, of whose model the row does not hold everything.
  /// - Throws: `RecordError` if it is not such a line, or another point's.
  package init(row: String, of point: Point) throws(RecordError) {
    let fields = try? CSVDocument.records(of: row)
    guard let fields, fields.count == 1, fields[0].count == Self.columns.count else {
      throw RecordError("a row of points.csv has \(Self.columns.count) fields on one line")
    }
    let cells = Dictionary(uniqueKeysWithValues: zip(Self.columns.map(\.name), fields[0]))
      .filter { !$0.value.isEmpty }
    guard let repetition = cells["repeat"].flatMap({ Int($0) }),
      let status = PointStatus(rawValue: cells["status"] ?? "")
    else { throw RecordError("a row of points.csv has a repeat and a status") }
    self.init(
      profile: cells["profile"], point: point, repetition: repetition,
      version: cells["version"] ?? "", startedAt: cells["started_at"] ?? "")
    self.status = status
    error = cells["error"]
    gradientReference = cells["gradient_reference"].flatMap(ModeName.init(rawValue:))
    retained = try Self.regions(cells)
    for figure in PointFigure.all {
      guard let text = cells[figure.name], let read = figure.read, !read(&self, text) else {
        continue
      }
      throw Self.noNumber(text, figure.name)
    }
    guard CSV.line(of: self) == row else {
      throw RecordError("a row of points.csv is not the point's own")
    }
  }

  private static func noNumber(_ text: String, _ column: String) -> RecordError {
    RecordError("\(column) of a row of points.csv is \"\(text)\", which is none of its numbers")
  }

  /// The retained bytes by region; nil if one of them was not taken.
  private static func regions(_ cells: [String: String]) throws(RecordError) -> RegionBytes? {
    var regions = RegionBytes()
    var total = 0
    for figure in PointFigure.all {
      guard let region = figure.region else { continue }
      let column = figure.name
      // Files from before there was padding have none.
      guard let text = cells[column] ?? (region.isOptional ? "0" : nil) else { return nil }
      guard let bytes = Int(text), bytes >= 0 else { throw noNumber(text, column) }
      let (sum, overflows) = total.addingReportingOverflow(bytes)
      guard !overflows else {
        throw RecordError("the retained bytes of a row of points.csv do not fit 64 bits")
      }
      total = sum
      regions[region] = bytes
    }
    return regions
  }
}
