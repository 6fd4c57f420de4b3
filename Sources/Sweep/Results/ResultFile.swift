package import Measurement
import Reporting
import Transformer

/// The files of a sweep to which every point adds rows, in the order in which they are written.
///
/// `points.csv` comes last, so that a point that is listed there has all of its rows in the others.
/// A new file needs a case, a header and rows here, and nothing anywhere else.
package enum ResultFile: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
  case ledger = "ledger.csv"
  case gradients = "gradients.csv"
  case points = "points.csv"

  /// The first line.
  package var header: String {
    switch self {
    case .ledger: CSV.header(of: LedgerRecord.self)
    case .gradients: CSV.header(of: GradientRecord.self)
    case .points: CSV.header(of: PointRecord.self)
    }
  }

  /// What a point adds.
  fileprivate func rows(of outcome: PointOutcome) -> String {
    let record = outcome.record
    switch self {
    case .ledger: return CSV.lines(of: LedgerRecord.rows(of: outcome.saved, in: record))
    case .gradients: return CSV.lines(of: GradientRecord.rows(of: outcome.gradients, in: record))
    case .points: return CSV.line(of: record)
    }
  }
}

/// What one point adds to the files of a sweep, as whole lines.
package struct PointRows: Codable, Equatable, Sendable {
  private let lines: [ResultFile: String]

  /// The rows of a point that ended.
  package init(_ outcome: PointOutcome) {
    lines = Dictionary(
      uniqueKeysWithValues: ResultFile.allCases.map { ($0, $0.rows(of: outcome)) })
  }

  package init(from decoder: any Swift.Decoder) throws {
    lines = try decoder.singleValueContainer().decode([ResultFile: String].self)
  }

  package func encode(to encoder: any Swift.Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(lines)
  }

  /// The lines for one file; empty if the point adds none.
  package subscript(file: ResultFile) -> String { lines[file] ?? "" }
}

/// A point of a sweep that ended: its place in the profile, its rows, and what they say.
struct FinishedPoint: Sendable {
  let index: Int
  let rows: PointRows
  let record: PointRecord
  /// Whether something from outside killed the point, which says nothing about it: `--resume`
  /// measures it again.
  var isInterrupted = false

  init(index: Int, outcome: PointOutcome, isInterrupted: Bool = false) {
    self.index = index
    rows = PointRows(outcome)
    record = outcome.record
    self.isInterrupted = isInterrupted
  }

  /// A point whose rows were written before, or by another process.
  ///
  /// - Throws: `RecordError` if the rows are not those of the point.
  init(index: Int, rows: PointRows, of planned: PlannedPoint) throws(RecordError) {
    (self.index, self.rows) = (index, rows)
    record = try PointRecord(row: rows[.points], of: planned.point)
  }
}
