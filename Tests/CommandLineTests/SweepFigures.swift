import Foundation

/// What two runs of one sweep must have in common.
enum SweepFigures {
  private static let timeColumns = [
    "forward_seconds", "backward_seconds", "started_at", "process_peak_rss_bytes",
  ]

  /// A file's text; empty if there is none.
  static func text(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }

  /// The rows of `points.csv` without what tells the time, then the other files, whole.
  static func untimed(in folder: String) -> [[String]] {
    let rows = text("\(folder)/points.csv").split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    let timed = (rows.first ?? []).enumerated()
      .filter { timeColumns.contains($0.element) }.map(\.offset)
    let points = rows.map { row in
      row.enumerated().filter { !timed.contains($0.offset) }.map(\.element)
    }
    return points
      + ["ledger.csv", "gradients.csv", "laws.csv"].map { [text("\(folder)/\($0)")] }
  }
}
