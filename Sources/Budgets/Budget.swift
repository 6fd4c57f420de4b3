import Reporting
package import Retention
import Values

/// What a budget limits: a figure of `PointFigure.all` that has a word for it, or the slope of one.
package struct BudgetFigure: AxisWord {
  package let rawValue: String

  private init(_ word: String) { rawValue = word }

  package init?(rawValue: String) {
    guard let known = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
    self = known
  }

  package static let retained = BudgetFigure("retained")
  package static let allocated = BudgetFigure("allocated")
  package static let peak = BudgetFigure("peak")
  /// What the last prefix token added to the retained bytes, by the law of its series.
  package static let perPrefixToken = BudgetFigure("per_prefix_token")
  /// Relative L2 distance to the gradient of `full-graph`.
  package static let gradientError = BudgetFigure("gradient_error")

  package static let allCases: [BudgetFigure] = {
    let figures = PointFigure.all.filter { $0.word != nil }
    let words = { (isBytes: Bool) in
      figures.filter { ($0.unit == .bytes) == isBytes }.compactMap(\.word).map(BudgetFigure.init)
    }
    return words(true) + [.perPrefixToken] + words(false)
  }()

  /// The point's own figure; nil for a slope, which two points make.
  var figure: PointFigure? { PointFigure.all.first { $0.word == rawValue } }

  /// Whether it is of the moment at which most is held, not of what backward needs.
  var isOfPeak: Bool { figure?.phase == .step }

  /// Whether the figure is a number of bytes, which two runs cannot give differently.
  package var isBytes: Bool { figure.map { $0.unit == .bytes } ?? true }
}

/// One side of a budget.
///
/// Bytes below 2⁵³ are exact in a `Double`, and so are comparisons of them.
package enum BudgetLimit: Equatable, Sendable {
  /// Bytes, a ratio or an error.
  case absolute(Double)
  /// The baseline's figure, and `percent` of it and `amount`, in the figure's unit, more.
  case baseline(percent: Double, amount: Double)

  /// The limit as a number; nil where it asks for a baseline and there is none.
  ///
  /// - Parameters:
  ///   - baseline: The baseline's figure.
  ///   - rounding: For bytes, to the last whole number that is allowed.
  /// - Returns: Bytes, a ratio or an error.
  func value(baseline: Double?, rounding: FloatingPointRoundingRule?) -> Double? {
    switch self {
    case .absolute(let value): return value
    case .baseline(let percent, let amount):
      guard let baseline else { return nil }
      let value = baseline + baseline * percent / 100 + amount
      return rounding.map { value.rounded($0) } ?? value
    }
  }

  /// Whether the limit is one of the committed baseline.
  package var needsBaseline: Bool {
    if case .baseline = self { true } else { false }
  }
}

/// A limit on a figure of some of a profile's points.
package struct Budget: Sendable {
  package var figure: BudgetFigure
  /// The figure counts as a fraction of what the same point has in this mode.
  package var relativeTo: ModeName?
  package var upper: BudgetLimit?
  package var lower: BudgetLimit?
  /// Which points it is about; all that its axes name.
  package var selection: [AxisChoice] = []
  /// The line of the profile on which it starts.
  package var line: Int

  package init(figure: BudgetFigure, line: Int) { (self.figure, self.line) = (figure, line) }

  /// Whether a point is meant.
  package func applies(to point: PointCells) -> Bool {
    selection.allSatisfy { $0.values.contains(point[$0.axis]) }
  }

  /// Whether judging it takes a baseline.
  package var needsBaseline: Bool { [upper, lower].contains { $0?.needsBaseline ?? false } }

  /// The figure in words, such as `retained / full-graph`.
  package var title: String { figure.rawValue + (relativeTo.map { " / \($0.rawValue)" } ?? "") }
}

/// The values of one axis that a budget is about.
package struct AxisChoice: Equatable, Sendable {
  /// The axis, which is a column of `points.csv` too.
  package let axis: String
  /// The values as that column writes them.
  package let values: Set<String>

  package init(axis: String, values: Set<String>) { (self.axis, self.values) = (axis, values) }
}
