import Ledger
package import Measurement
package import Reporting
import Results
import Retention
import Tensors
import Transformer

/// A point with everything that budgets are about.
package struct MeasuredPoint: Sendable {
  package let cells: PointCells
  /// Why it has no figures; nil if it was measured.
  package let failure: String?
  /// The storages that backward needs.
  package let saved: [TensorBytes]
  /// What was alive when most was: of a step of Ballast's the activations, from shapes; of a
  /// recorded one everything.
  package let atPeak: [TensorBytes]
  /// Why the law is not known, or contradicts the measurement; nil if neither.
  package let disagreement: String?
  private let figures: [BudgetFigure: Double]
  /// Why figures were not taken of a point that was measured.
  private let reasons: [BudgetFigure: String]

  /// A point that Ballast measured; `bytesPerToken` is what the last prefix token added to the
  /// retained bytes, nil below the law's range.
  package init(
    record: PointRecord, saved: [TensorBytes] = [], atPeak: [TensorBytes] = [],
    bytesPerToken: Int? = nil, disagreement: String? = nil
  ) {
    cells = PointCells(record.point)
    failure = record.status == .ok ? nil : record.error ?? record.status.rawValue
    (self.saved, self.atPeak, self.disagreement) = (saved, atPeak, disagreement)
    figures = Self.figures(perToken: bytesPerToken.map(Double.init)) { $0.value(record) }
    let point = record.point
    let ofError: String =
      if point.backend == .shape {
        "shapes have no gradients"
      } else if record.gradientReference != nil {
        "the exact gradient is 0, and no error is a fraction of that"
      } else {
        "no exact gradient to compare with fits the memory"
      }
    reasons = [
      .gradientError: ofError,
      .perPrefixToken: "the law holds from n_c \(point.lawStart) on, and n_c is \(point.nC)",
    ]
  }

  /// A point of result files, and the same with one prefix token less, if the files have it.
  init(_ result: ResultPoint, shorter: ResultPoint?) {
    cells = PointCells(result.key)
    failure = result.status == "ok" ? nil : result.error ?? result.status
    (saved, atPeak, disagreement) = (result.tensors ?? [], result.atPeak, nil)
    let retained = { (point: ResultPoint?) in
      BudgetFigure.retained.figure.flatMap { point?.value(of: $0) }
    }
    let slope = retained(result).flatMap { whole in retained(shorter).map { whole - $0 } }
    figures = Self.figures(perToken: slope) { result.value(of: $0) }
    reasons = BudgetFigure.allCases.reduce(into: [:]) { reasons, figure in
      reasons[figure] =
        figure == .perPrefixToken
        ? "the results have no such point with one prefix token less"
        : "the results do not have it"
    }
  }

  /// The figures that were taken, and the slope.
  private static func figures(
    perToken: Double?, _ value: (PointFigure) -> Double?
  ) -> [BudgetFigure: Double] {
    BudgetFigure.allCases.reduce(into: [:]) { figures, figure in
      figures[figure] = figure.figure.map(value) ?? perToken
    }
  }

  /// A figure's value; nil if it was not taken.
  package func value(of figure: BudgetFigure) -> Double? { figures[figure] }

  /// Why a figure was not taken of a point that was measured.
  func whyMissing(_ figure: BudgetFigure) -> String { reasons[figure] ?? "it was not taken" }

  /// The tensors of which a figure is the sum.
  package func ledger(of figure: BudgetFigure) -> [TensorBytes] { figure.isOfPeak ? atPeak : saved }
}

/// Measures points one after the other, for budgets.
package struct BudgetMeasurement {
  private let engine: Engine
  private let limit: MemoryLimit
  private let tokens: TokenFile?

  package init(engine: Engine, limit: MemoryLimit, tokens: TokenFile? = nil) {
    (self.engine, self.limit, self.tokens) = (engine, limit, tokens)
  }

  /// Measures every point, in order; what goes wrong with one is in its record.
  package func run(
    _ points: [PlannedPoint], profile: String?,
    onStart: (PlannedPoint, _ done: Int) -> Void = { _, _ in }
  ) -> [MeasuredPoint] {
    func runner(_ backend: BackendKind) -> PointRunner {
      PointRunner(
        engine: engine, limit: limit.bytes(for: backend), points: points, tokens: tokens,
        listsGradients: false, takesTimes: false)
    }
    let (computing, counting) = (runner(.cpu), runner(.shape))
    let outcomes = points.enumerated().map { index, planned in
      onStart(planned, index)
      let runner = planned.point.backend == .shape ? counting : computing
      return runner.run(planned, profile: profile)
    }
    let laws = laws(of: outcomes.map(\.record))
    return outcomes.map { measured($0, law: laws[$0.record.point.seriesKey]) }
  }

  /// The law of each series, with what contradicts it.
  private func laws(of records: [PointRecord]) -> [Point: SeriesLaws] {
    let series = Dictionary(grouping: records, by: \.point.seriesKey)
    return series.mapValues { SeriesLaws(of: $0, engine: engine) }
  }

  private func measured(_ outcome: PointOutcome, law: SeriesLaws?) -> MeasuredPoint {
    let record = outcome.record
    let nC = record.point.nC
    let known = law?.records.first?.law
    let slope = known.flatMap { nC > $0.lowest ? $0.bytesPerToken(at: nC) : nil }
    return MeasuredPoint(
      record: record, saved: outcome.saved.map { TensorBytes($0) },
      atPeak: record.status == .ok ? storagesAtPeak(of: record) : [],
      bytesPerToken: slope, disagreement: law?.disagreements.first)
  }

  /// The activations at the step's peak; shapes alone give the same as computing does.
  private func storagesAtPeak(of record: PointRecord) -> [TensorBytes] {
    let journal = EventJournal()
    let step = try? Predictor(engine: engine).step(of: record.point, observers: [journal])
    guard let step, let result = try? step.run() else { return [] }
    let isBackward = result.peakBackwardBytes >= result.peakForwardBytes
    return journal.storagesAtPeak(in: isBackward ? .backward : .forward)
      .filter { $0.description.category == .activation }.map { TensorBytes($0) }
  }
}
