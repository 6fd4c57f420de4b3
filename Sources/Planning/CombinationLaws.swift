import Ledger
import Measurement
package import Reporting
import Retention
import Tensors
import Transformer

/// How the bytes of one combination grow with the prefix.
package struct CombinationLaws: Sendable {
  let row: PlanRow
  /// Of what is retained, in all.
  package private(set) var retained: LawRecord
  /// Of what is retained, part by part; what is always 0 is left out.
  package private(set) var parts: [LawRecord]
  /// Of the highest moment, stretch by stretch of prefix lengths.
  package private(set) var peak: [LawRecord]

  /// Says of how many devices they are one's.
  fileprivate mutating func mark(tensorParallel devices: Int) {
    retained.tensorParallel = devices
    for index in parts.indices { parts[index].tensorParallel = devices }
    for index in peak.indices { peak[index].tensorParallel = devices }
  }

  /// All of them, for `laws.csv`.
  package var records: [LawRecord] { [retained] + parts + peak }
}

extension Planner {
  /// The laws of a plan's combinations: of all, or of those that its table shows.
  ///
  /// They are looked at up to a million prefix tokens, or the plan's own if those are more.
  ///
  /// - Throws: `PlanError` if retained bytes are no polynomial.
  package func laws(of plan: Plan, listsAll: Bool) throws -> [CombinationLaws] {
    var most = 1 << 20
    if case .cost(let nC, _) = plan.request.question { most = max(most, nC) }
    do {
      let request = plan.request
      let share = request.account.tensorParallelism.share(of: request.point.point.model)
      let devices = request.account.tensorParallelism.devices
      return try each(of: plan.shown(listsAll: listsAll), share: share, in: .laws) {
        [most] row, predictor in
        var most = most
        while most > 1 << 12, (try? row.combination.point(nC: most).validate()) == nil { most /= 2 }
        var laws = try LawFinder(combination: row.combination, predictor: predictor)
          .laws(of: row, upTo: most)
        laws.mark(tensorParallel: devices)
        return laws
      }
    } catch let error as ScalingLawError {
      throw PlanError("a law cannot be computed: \(error)")
    }
  }
}

extension CombinationLaws {
  /// The laws as formulas in bytes, a line each.
  package var text: String {
    var table = TextTable([("", .left), ("", .left)])
    table.add(["  retained", "\(retained.law), \(retained.rangeText)"])
    for part in parts { table.add(["    \(part.part)", "\(part.law)"]) }
    for law in peak {
      table.add([law.law == peak.first?.law ? "  peak" : "", "\(law.law), \(law.rangeText)"])
    }
    let devices = retained.tensorParallel
    return row.combination.words.joined(separator: " ")
      + (devices == 1 ? "" : ", one of \(devices) devices, computed") + "\n" + table.text
  }
}
