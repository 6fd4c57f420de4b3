import Reporting
package import Results
import Retention

extension ResultPoints {
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
}
