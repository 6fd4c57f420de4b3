package import Measurement
package import Retention
import Tensors

/// What a plan is asked: of which model and step, and either how much a prefix takes or how long
/// one may be.
package struct PlanRequest: Sendable {
  /// The model, and the axes that are given; `mode`, `recompute`, `attention` and `head` are gone
  /// through where they are not.
  package var point: PointRequest
  package var question: Question
  package var account = MemoryAccount()

  /// Whether it is also asked how many completions of the prefix fit.
  package var asksForSuffixes: Bool {
    guard case .cost(_, .some) = question, point.settings["lengths"] == nil else { return false }
    return point.settings["suffixes"] != nil || point.settings["sharing"] != nil
  }

  package enum Question: Sendable {
    /// What each combination takes with a prefix of so many tokens, and whether that fits.
    case cost(nC: Int, memory: Int?)
    /// The longest prefix of each combination within each of some memories.
    case longestPrefix(memories: [Int])

    var isCost: Bool {
      guard case .cost = self else { return false }
      return true
    }
  }

  package init(_ point: PointRequest, _ question: Question) {
    (self.point, self.question) = (point, question)
  }
}

/// One combination with one prefix: what it takes, and how it stands among the others.
package struct PlanRow: Sendable {
  package let combination: Combination
  /// What it is held against; nil for nothing.
  package let memory: Int?
  /// The prefix: as it was given, or the longest that fits; nil where not even none does.
  package let nC: Int?
  /// Of a step with that prefix, or without one where none fits.
  package let figures: StepResult
  /// What is counted of it.
  package let total: Int128
  /// Matrix work over that of `full-graph` with the same prefix, where nothing is computed twice.
  package let relativeWork: Double
  /// The most completions of the prefix within the memory, 0 if not even one fits; nil where it was
  /// not asked for.
  package var mostSuffixes: Int?
  /// Whether nothing else is as exact, and takes less or reaches further, for no more work.
  package fileprivate(set) var isBest = false
  /// Whether it is the one to take.
  package fileprivate(set) var isRecommended = false

  init(
    _ combination: Combination, memory: Int?, nC: Int?, _ figures: StepResult, total: Int128,
    relativeWork: Double
  ) {
    (self.combination, self.memory, self.nC) = (combination, memory, nC)
    (self.figures, self.total, self.relativeWork) = (figures, total, relativeWork)
  }

  /// The type of its parameters, an adapter's aside.
  var dtype: DType { combination.point.dtype }
  var optimizer: Optimizer { combination.point.optimizer }

  /// The types of its gradients, such as `bfloat16 and float32`.
  func gradientTypes(_ account: MemoryAccount) -> String {
    let dtypes = account.gradientDType.map { [$0] } ?? figures.trained.dtypes
    return dtypes.map(\.rawValue).joined(separator: " and ")
  }

  /// Whether it is what runs if no option is given.
  var isDefault: Bool {
    Combination.axes.allSatisfy { $0.value(combination.point) == $0.standard }
  }

  /// Whether no longer prefix can be counted.
  var isAtEnd: Bool {
    nC.map { (try? combination.point(nC: $0 + 1).validate()) == nil } ?? false
  }

  /// Whether it stays within the memory.
  package var fits: Bool { nC != nil && memory.map { total <= Int128($0) } ?? true }
}

extension PlanRow {
  /// Marks the rows of one question that nothing beats, and the one to take.
  ///
  /// Work that differs by less than a twentieth is as good as equal where bytes or lengths differ.
  static func mark(_ rows: inout [PlanRow], isSearch: Bool) {
    // Of lengths that are equal, as where a model's positions end, the one with fewer bytes.
    func isLarger(_ one: PlanRow, _ other: PlanRow) -> Bool {
      if isSearch, one.nC != other.nC { return one.nC ?? -1 > other.nC ?? -1 }
      // Completions tell apart what a table shows as the same bytes.
      let (more, fewer) = (max(one.total, other.total), min(one.total, other.total))
      if let first = one.mostSuffixes, let second = other.mostSuffixes, first != second,
        more - fewer <= fewer / 2048
      {
        return first > second
      }
      return one.total < other.total
    }
    func beats(_ one: PlanRow, _ other: PlanRow) -> Bool {
      guard one.combination.isExact || !other.combination.isExact, !isLarger(other, one) else {
        return false
      }
      let isMoreExact = one.combination.isExact && !other.combination.isExact
      return isLarger(one, other) || isMoreExact
        ? one.relativeWork <= 1.05 * other.relativeWork : one.relativeWork < other.relativeWork
    }
    var kept: [PlanRow] = []
    for index in rows.indices where rows[index].fits {
      let row = rows[index]
      // Of equals the first.
      let hasEqual = kept.contains { isEqual(row, $0, isSearch) }
      rows[index].isBest = !hasEqual && !rows.contains { $0.fits && beats($0, row) }
      if rows[index].isBest { kept.append(rows[index]) }
    }
    let candidates = rows.indices.filter { rows[$0].isBest && rows[$0].combination.isExact }
    // Where several reach as far, the smallest of those that do about the least work.
    let longest = candidates.compactMap { rows[$0].nC }.max()
    let reaching = isSearch ? candidates.filter { rows[$0].nC == longest } : candidates
    let leastWork = isSearch ? reaching.map { rows[$0].relativeWork }.min() ?? 0 : .infinity
    let first = reaching.filter { rows[$0].relativeWork <= 1.05 * leastWork }
      .min { isLarger(rows[$0], rows[$1]) }
    if let first { rows[first].isRecommended = true }
  }

  private static func isEqual(_ one: PlanRow, _ other: PlanRow, _ isSearch: Bool) -> Bool {
    one.combination.isExact == other.combination.isExact
      && one.relativeWork == other.relativeWork
      && (isSearch
        ? one.nC == other.nC
        : one.total == other.total && one.mostSuffixes == other.mostSuffixes)
  }
}
