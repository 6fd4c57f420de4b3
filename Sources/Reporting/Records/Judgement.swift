import Spelling

/// A budget held against one point.
package struct Judgement: Sendable {
  /// How it came out.
  package enum Verdict: String, Sendable {
    case ok
    /// The figure is above the upper limit.
    case over
    /// The figure is below the lower limit.
    case under
    /// The point could not be measured.
    case failed
    /// The figure was not taken, such as a gradient error on shapes.
    case notJudged = "not judged"

    /// Holds a figure against limits, which are themselves allowed; what is no number exceeds them.
    package init(of figure: Double, upper: Double?, lower: Double?) {
      if let upper, !(figure <= upper) {
        self = .over
      } else if let lower, !(figure >= lower) {
        self = .under
      } else {
        self = .ok
      }
    }

    /// Whether a limit was exceeded.
    package var isExceeded: Bool { self == .over || self == .under }
  }

  /// The profile's file, and the budget's line in it.
  package var file: String
  package var line: Int
  package var profile: String
  /// The figure in words, such as `retained / full-graph`.
  package var title: String
  /// The point among the profile's, such as `detached-prefix n_c=4`.
  package var point: String
  /// `bytes`, or `ratio` for what has no unit.
  package var unit: String
  package var figure: Double?
  package var upper: Double?
  package var lower: Double?
  package var verdict: Verdict
  /// Why there is no figure; nil where there is one.
  package var reason: String?
  /// What the baseline has different, or else the largest tensors; filled for exceeded budgets.
  package var tensors: [TensorChange] = []
  /// Whether `tensors` are differences from a baseline.
  package var isDifference = false

  package init(
    file: String, line: Int, profile: String, title: String, point: String, unit: String,
    figure: Double?, upper: Double?, lower: Double?, verdict: Verdict, reason: String? = nil
  ) {
    (self.file, self.line, self.profile, self.title) = (file, line, profile, title)
    (self.point, self.unit, self.figure, self.upper) = (point, unit, figure, upper)
    (self.lower, self.verdict, self.reason) = (lower, verdict, reason)
  }

  /// How far the figure may still go to the nearer limit; negative beyond it, nil without a figure.
  package var margin: Double? {
    guard let figure else { return nil }
    return [upper.map { $0 - figure }, lower.map { figure - $0 }].compactMap(\.self).min()
  }

  /// A number in the figure's unit.
  package func text(_ value: Double) -> String {
    unit == "bytes" ? Units.wholeBytes(value) : Units.significant(value)
  }

  /// The limits in words, such as `at most 4096 B` or `exactly 8224 B`.
  package var limitText: String {
    if let upper, let lower {
      return upper == lower ? "exactly \(text(upper))" : "\(text(lower)) to \(text(upper))"
    }
    if let upper { return "at most \(text(upper))" }
    return lower.map { "at least \(text($0))" } ?? "none"
  }

  /// What happened, as one sentence on one line, without the tensors.
  package var sentence: String { printable(plainSentence.unicodeScalars) }

  private var plainSentence: String {
    guard let figure else {
      let outcome = verdict == .failed ? "could not be judged" : "is \(verdict.rawValue)"
      return "\(title) of \(point) \(outcome)" + (reason.map { ": \($0)" } ?? "")
    }
    return "\(title) of \(point) is \(text(figure)), the budget \(limitText)"
  }

  /// How bad it is: the judgement that stands for others of its budget has the most.
  package var severity: Double {
    switch verdict {
    case .failed: return .infinity
    case .notJudged: return -.infinity
    case .over where margin?.isFinite != true, .under where margin?.isFinite != true:
      return .greatestFiniteMagnitude
    case .ok, .over, .under:
      let scale = max(abs(verdict == .under ? lower ?? 0 : upper ?? lower ?? 0), 1e-300)
      return -(margin ?? 0) / scale
    }
  }
}
