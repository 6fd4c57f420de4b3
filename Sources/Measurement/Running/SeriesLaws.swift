import Ledger
import OrderedCollections
package import Reporting
import Retention
import Tensors
import Transformer
import Values

/// The laws of all series of a sweep, and every disagreement with a measured point.
package struct SeriesLaws: Sendable {
  package private(set) var records: [LawRecord] = []
  /// One sentence for each law that cannot be had, and for each point that is not on its law.
  package private(set) var disagreements: [String] = []

  /// Computes each series' law from shapes and holds it against the measured points.
  package init(of points: [PointRecord], engine: Engine) {
    let series = OrderedDictionary(grouping: points, by: \.point.seriesKey)
    let predictor = Predictor(engine: engine)
    for (key, points) in series { add(key, points, predictor) }
  }

  private mutating func add(_ key: Point, _ points: [PointRecord], _ predictor: Predictor) {
    guard key.hasLaw else { return checkSum(key, points, predictor) }
    let lowest = key.lawStart
    let measured = points.filter { $0.status == .ok && $0.point.nC >= lowest }
    let lengths = measured.map(\.point.nC)
    let name = "the law of \(key.mode.name.rawValue)"
    let checks = lengths.max().map { [$0] } ?? []
    var counted: [Int: RegionBytes] = [:]
    func retained(_ nC: Int) throws -> RegionBytes {
      if let known = counted[nC] { return known }
      let found = try predictor.totals(of: key.atLawLength(nC)).retained
      counted[nC] = found
      return found
    }
    let law: ScalingLaw
    do {
      law = try ScalingLaw(from: lowest, checkedAt: checks) { try retained($0).total }
    } catch {
      disagreements.append("\(name) cannot be computed: \(error)")
      return
    }
    var matching = 0
    for record in measured {
      let expected = law.bytes(at: record.point.nC)
      if let retained = record.retained?.total, retained == expected {
        matching += 1
      } else {
        disagreements.append(
          "\(name) gives \(expected.map(String.init) ?? "no number of") retained bytes at n_c "
            + "\(record.point.nC), but \(record.retained?.total ?? 0) were measured")
      }
    }
    let range = lengths.min().flatMap { low in lengths.max().map { low...$0 } }
    var record = LawRecord(
      profile: points.first?.profile, point: key, law: law, checkedRange: range,
      pointsChecked: measured.count, pointsMatching: matching)
    record.ofPrefix = try? ScalingLaw(from: lowest, checkedAt: checks) {
      try retained($0).ofPrefix
    }
    if let longest = lengths.max() {
      record.group = try? predictor.groupLaw(of: key.atLawLength(longest))
    }
    records.append(record)
  }

  /// Sequences with prompts of different lengths have no law in n_c: what is kept of packed ones is
  /// the sum of what is kept of each.
  private mutating func checkSum(
    _ key: Point, _ points: [PointRecord], _ predictor: Predictor
  ) {
    guard let each = try? predictor.sequences(of: key) else { return }
    let sum = each.reduce(0) { $0 + $1.bytes }
    for record in points where record.status == .ok && record.retained?.total != sum {
      disagreements.append(
        "sequences of \(key.lengths.written) keep \(sum) bytes each by each, but "
          + "\(record.retained?.total ?? 0) were measured together")
    }
  }
}
