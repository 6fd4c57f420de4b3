import Ledger
import Measurement
import Reporting
import Retention

/// Finds the laws of one combination, from steps at a few lengths.
final class LawFinder {
  private let combination: Combination
  private let predictor: Predictor
  private var known: [Int: (parts: [ModelPart: Int], retained: Int, peak: Int)] = [:]

  init(combination: Combination, predictor: Predictor) {
    (self.combination, self.predictor) = (combination, predictor)
  }

  /// What a step of a length keeps, part by part, and its highest moment.
  private func figures(
    _ nC: Int
  ) throws -> (parts: [ModelPart: Int], retained: Int, peak: Int) {
    if let figures = known[nC] { return figures }
    let step = try predictor.totals(of: combination.point.atLawLength(nC))
    var parts: [ModelPart: Int] = [:]
    for saved in step.saved {
      parts[ModelPart(of: saved), default: 0] += saved.description.requestedBytes * saved.copies
    }
    let figures = (parts, step.retained.total, step.peakBytes)
    known[nC] = figures
    return figures
  }

  func laws(of row: PlanRow, upTo most: Int) throws -> CombinationLaws {
    let lowest = combination.point.lawStart
    let checks = [most / 3, most].filter { $0 > lowest + 3 }
    func record(_ law: ScalingLaw, _ figure: LawRecord.Figure, part: String) -> LawRecord {
      LawRecord(
        profile: nil, point: combination.point, law: law, checkedRange: lowest...max(most, lowest),
        pointsChecked: checks.count + 1, pointsMatching: checks.count + 1, figure: figure,
        part: part)
    }
    let retained = try ScalingLaw(from: lowest, checkedAt: checks) { try figures($0).retained }
    let parts = try ModelPart.allCases.compactMap { part -> LawRecord? in
      let law = try ScalingLaw(from: lowest, checkedAt: checks) { try figures($0).parts[part] ?? 0 }
      let isNothing = law.constant == 0 && law.linear == 0 && law.quadratic == 0
      return isNothing ? nil : record(law, .retained, part: part.rawValue)
    }
    return CombinationLaws(
      row: row, retained: record(retained, .retained, part: "total"), parts: parts,
      peak: try peakLaws(from: lowest, upTo: most))
  }

  // MARK: Peaks

  /// The laws of the highest moment, each as far as it holds.
  ///
  /// A peak is the highest of several moments, of which each is a polynomial: another one takes
  /// over where it rises above the last. Where the last chunk's length matters, the law is that of
  /// prefixes of whole chunks.
  private func peakLaws(from lowest: Int, upTo most: Int) throws -> [LawRecord] {
    var laws: [LawRecord] = []
    var start = lowest
    while start + 4 < most, laws.count < 6 {
      guard let (law, range, step) = try law(from: start, upTo: most) else { break }
      let counted = known.filter {
        range.contains($0.key) && ($0.key - range.lowerBound).isMultiple(of: step)
      }
      laws.append(
        LawRecord(
          profile: nil, point: combination.point, law: law, checkedRange: range,
          pointsChecked: counted.count,
          pointsMatching: counted.count { law.bytes(at: $0.key) == $0.value.peak }, figure: .peak,
          part: "total", highest: range.upperBound + step > most ? nil : range.upperBound,
          step: step))
      start = range.upperBound + 1
    }
    return laws
  }

  /// The first law that holds somewhere from a length on, as far as it does, and its step.
  private func law(
    from start: Int, upTo most: Int
  ) throws -> (ScalingLaw, ClosedRange<Int>, step: Int)? {
    let chunk = combination.point.chunk
    let whole = (start + chunk - 1) / chunk * chunk
    // Lengths below a chunk are a regime of their own, and the first after one may be.
    for first in [start, start + 3, whole, whole + 1] {
      guard let (law, range) = try law(from: first, 1, upTo: most) else { continue }
      let isLong = range.count > 2 * chunk || range.upperBound == most
      if isLong || range.upperBound < chunk { return (law, range, 1) }
    }
    var first = max(whole, chunk)
    while first < most {
      if let (law, range) = try law(from: first, chunk, upTo: most) { return (law, range, chunk) }
      first *= 2
    }
    return nil
  }

  /// The law through three lengths, if the fourth is on it too, as far as it holds.
  private func law(
    from start: Int, _ step: Int, upTo most: Int
  ) throws -> (ScalingLaw, ClosedRange<Int>)? {
    guard start + 3 * step <= most else { return nil }
    let law: ScalingLaw
    do {
      law = try ScalingLaw(through: start, step: step, lowest: start, bytes: peak)
    } catch is ScalingLawError { return nil }
    guard try holds(law, at: start + 3 * step) else { return nil }
    return (law, start...(try lastHeld(law, from: start + 3 * step, step, upTo: most)))
  }

  private func peak(_ nC: Int) throws -> Int { try figures(nC).peak }

  private func holds(_ law: ScalingLaw, at nC: Int) throws -> Bool {
    try law.bytes(at: nC) == peak(nC)
  }

  /// The last length, in steps, at which a law holds: found in strides that double, then halve.
  private func lastHeld(
    _ law: ScalingLaw, from start: Int, _ step: Int, upTo most: Int
  ) throws -> Int {
    var held = start
    var stride = step
    while held + stride <= most, try holds(law, at: held + stride) {
      held += stride
      stride *= 2
    }
    while stride > step {
      stride /= 2
      if held + stride <= most, try holds(law, at: held + stride) { held += stride }
    }
    return held
  }
}
