import Ledger
import Measurement
package import Reporting
import Retention
import Tensors
import Transformer

/// A part of the model to which a retained tensor belongs: that of the op which saved it first.
enum ModelPart: String, CaseIterable {
  case embedding, norms, attention
  case keysAndValues = "K/V"
  case mlp
  case layerInputs = "layer inputs"
  case head, other

  init(of saved: SavedStorage) {
    guard let saver = saved.savers.first else {
      self = .other
      return
    }
    let op = saver.scope.op
    let isKey = ["k", "v"].contains(saver.tensor)
    switch op {
    case "attention" where isKey, "replay": self = .keysAndValues
    case "layer": self = isKey ? .keysAndValues : .layerInputs
    case "final_norm", "head", "cross_entropy": self = .head
    case "gate_proj", "up_proj", "down_proj", "swiglu", "gelu", "mlp_dropout": self = .mlp
    case "q_proj", "k_proj", "v_proj", "o_proj", "q_rotary", "k_rotary", "attention",
      "attention_dropout":
      self = .attention
    case _ where op.hasPrefix("embedding"): self = .embedding
    case _ where op.hasSuffix("_norm"): self = .norms
    default: self = .other
    }
  }
}

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
      return try each(of: plan.shown(listsAll: listsAll), share: share) { [most] row, predictor in
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

/// Finds the laws of one combination, from steps at a few lengths.
private final class LawFinder {
  private let combination: Combination
  private let predictor: Predictor
  private var known: [Int: (parts: [ModelPart: Int], retained: Int, peak: Int)] = [:]

  init(combination: Combination, predictor: Predictor) {
    (self.combination, self.predictor) = (combination, predictor)
  }

  /// What a step of a length keeps, part by part, and its highest moment.
  ///
  /// A table of learned positions that ends before is thought longer.
  private func figures(
    _ nC: Int
  ) throws -> (parts: [ModelPart: Int], retained: Int, peak: Int) {
    if let figures = known[nC] { return figures }
    var point = combination.point(nC: nC)
    if case .learned(let maximum) = point.model.positions {
      point.model.positions = .learned(maximum: max(maximum, point.n))
    }
    let step = try predictor.totals(of: point)
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
      let isLast = range.upperBound + step > most
      laws.append(
        LawRecord(
          profile: nil, point: combination.point, law: law.law(from: range.lowerBound),
          checkedRange: range, pointsChecked: 2, pointsMatching: 2, figure: .peak, part: "total",
          highest: isLast ? nil : range.upperBound, step: step))
      start = range.upperBound + 1
    }
    return laws
  }

  /// The first law that holds somewhere from a length on, as far as it does, and its step.
  private func law(
    from start: Int, upTo most: Int
  ) throws -> (Polynomial, ClosedRange<Int>, step: Int)? {
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
  ) throws -> (Polynomial, ClosedRange<Int>)? {
    guard start + 3 * step <= most else { return nil }
    let law: Polynomial
    do { law = try Polynomial(through: start, step, value: peak) } catch is ScalingLawError {
      return nil
    }
    guard try holds(law, at: start + 3 * step) else { return nil }
    return (law, start...(try lastHeld(law, from: start + 3 * step, step, upTo: most)))
  }

  private func peak(_ nC: Int) throws -> Int { try figures(nC).peak }

  private func holds(_ law: Polynomial, at nC: Int) throws -> Bool { try law(nC) == peak(nC) }

  /// The last length, in steps, at which a law holds: found in strides that double, then halve.
  private func lastHeld(
    _ law: Polynomial, from start: Int, _ step: Int, upTo most: Int
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

/// A polynomial of the second degree with whole coefficients.
private struct Polynomial {
  let constant: Int
  let linear: Int
  let quadratic: Int

  /// Through three lengths `step` apart.
  ///
  /// - Throws: `ScalingLawError` if its coefficients are not whole.
  init(through start: Int, _ step: Int, value: (Int) throws -> Int) throws {
    let (y0, y1, y2) = try (value(start), value(start + step), value(start + 2 * step))
    let twice = y2 - 2 * y1 + y0
    guard twice % (2 * step * step) == 0 else { throw ScalingLawError.halfInteger(nC: start) }
    quadratic = twice / (2 * step * step)
    let rest = y1 - y0 - quadratic * step * (2 * start + step)
    guard rest % step == 0 else { throw ScalingLawError.halfInteger(nC: start) }
    linear = rest / step
    constant = y0 - start * (linear + quadratic * start)
  }

  func callAsFunction(_ nC: Int) -> Int { constant + nC * (linear + quadratic * nC) }

  func law(from lowest: Int) -> ScalingLaw {
    ScalingLaw(constant: constant, linear: linear, quadratic: quadratic, lowest: lowest)
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
