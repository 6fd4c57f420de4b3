import Budgets
import Measurement
import Profiles
import Reporting
import Retention
public import Testing
import Values

/// Expects the bytes that backward needs at the boundary to be within limits.
///
/// ```swift
/// expectRetained(point, atMost: .kibibytes(4), perPrefixToken: true)
/// ```
///
/// A failure names the limit, the figure and the five largest tensors.
///
/// - Parameters:
///   - point: The step.
///   - atMost: The upper limit, itself allowed; nil for none.
///   - atLeast: The lower limit, itself allowed; nil for none. It catches a step that forgot to
///     save.
///   - perPrefixToken: Whether the limits are on what the last prefix token added, by the exact law
///     of the retained bytes over `n_c`.
///   - sourceLocation: Where the failure is shown.
public func expectRetained(
  _ point: MemoryPoint, atMost: ByteCount? = nil, atLeast: ByteCount? = nil,
  perPrefixToken: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
) {
  expect(
    perPrefixToken ? .perPrefixToken : .retained, of: point, Limits(atMost, atLeast),
    sourceLocation)
}

/// Expects what jemalloc's size classes give for the retained bytes to be within limits.
///
/// - Parameters:
///   - point: The step.
///   - atMost: The upper limit, itself allowed; nil for none.
///   - atLeast: The lower limit, itself allowed; nil for none.
///   - sourceLocation: Where the failure is shown.
public func expectAllocated(
  _ point: MemoryPoint, atMost: ByteCount? = nil, atLeast: ByteCount? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  expect(.allocated, of: point, Limits(atMost, atLeast), sourceLocation)
}

/// Expects the most activation bytes that are alive at once in the step to be within limits.
///
/// - Parameters:
///   - point: The step.
///   - atMost: The upper limit, itself allowed; nil for none.
///   - atLeast: The lower limit, itself allowed; nil for none.
///   - sourceLocation: Where the failure is shown.
public func expectPeak(
  _ point: MemoryPoint, atMost: ByteCount? = nil, atLeast: ByteCount? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  expect(.peak, of: point, Limits(atMost, atLeast), sourceLocation)
}

/// Expects the relative L2 distance to the gradient of `full-graph` to be within limits.
///
/// - Parameters:
///   - point: The step, on the backend `cpu`.
///   - atMost: The upper limit, itself allowed; nil for none.
///   - atLeast: The lower limit, itself allowed; nil for none.
///   - sourceLocation: Where the failure is shown.
public func expectGradientError(
  _ point: MemoryPoint, atMost: Double? = nil, atLeast: Double? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  expect(
    .gradientError, of: point, Limits(upper: atMost, lower: atLeast), sourceLocation)
}

/// A figure of which two steps can be compared.
public enum RatioFigure: Sendable {
  /// Requested bytes that backward needs at the boundary.
  case retained
  /// The same as jemalloc's size classes give them.
  case allocated
  /// The most activation bytes alive at once.
  case peak
}

/// Expects a step to keep a fraction of what another keeps: "detached at most 0.15 of full".
///
/// - Parameters:
///   - figure: What is compared.
///   - point: The step.
///   - whole: The step that counts as 1.
///   - atMost: The upper limit, itself allowed; nil for none.
///   - atLeast: The lower limit, itself allowed; nil for none.
///   - sourceLocation: Where the failure is shown.
public func expectRatio(
  _ figure: RatioFigure = .retained, of point: MemoryPoint, to whole: MemoryPoint,
  atMost: Double? = nil, atLeast: Double? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let figure: BudgetFigure =
    switch figure {
    case .retained: .retained
    case .allocated: .allocated
    case .peak: .peak
    }
  expect(
    figure, of: point, relativeTo: whole, Limits(upper: atMost, lower: atLeast), sourceLocation)
}

/// Expects every budget of a profile to hold, as `ballast check` does.
///
/// - Parameters:
///   - path: The profile's YAML file.
///   - backend: Where the points run; nil: as the profile says.
///   - sourceLocation: Where a failure is shown.
public func expectBudgets(
  ofProfile path: String, backend: MemoryPoint.Word? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  do {
    let check = try BudgetCheck(
      profile: try Profile(path: path), file: path,
      backend: try backend.map { try BackendKind($0.rawValue, for: "backend") },
      engine: .cpu, limit: MemoryLimit(given: nil))
    let baseline = try check.budgets.baseline(update: path)
    let judgements = check.judge(check.measure(), against: baseline)
    for (worst, _) in BudgetTable.groups(of: judgements)
    where worst.verdict.isExceeded || worst.verdict == .failed {
      Issue.record("\(BudgetTable.explanation(of: worst))", sourceLocation: sourceLocation)
    }
  } catch {
    Issue.record("\(error)", sourceLocation: sourceLocation)
  }
}

/// An assertion's limits.
private struct Limits {
  var upper: Double?
  var lower: Double?

  init(upper: Double?, lower: Double?) { (self.upper, self.lower) = (upper, lower) }

  init(_ upper: ByteCount?, _ lower: ByteCount?) {
    self.init(upper: upper.map { Double($0.bytes) }, lower: lower.map { Double($0.bytes) })
  }
}

/// Measures, judges, and records an issue where a limit is exceeded or nothing could be judged.
private func expect(
  _ figure: BudgetFigure, of point: MemoryPoint, relativeTo whole: MemoryPoint? = nil,
  _ limits: Limits, _ sourceLocation: SourceLocation
) {
  func fail(_ text: String) { Issue.record("\(text)", sourceLocation: sourceLocation) }
  guard limits.upper != nil || limits.lower != nil else {
    return fail("the assertion has neither atMost nor atLeast")
  }
  do {
    let measured = try Measurements.of(point)
    var value = measured.value(of: figure)
    if let whole {
      let all = try Measurements.of(whole).value(of: figure) ?? 0
      value = value.flatMap { all > 0 ? $0 / all : nil }
    }
    let isBytes = figure.isBytes && whole == nil
    var judgement = Judgement(
      file: "", line: 0, profile: "", title: figure.rawValue,
      point: "\(point.mode.rawValue) n_c=\(point.prefix)", unit: isBytes ? "bytes" : "ratio",
      figure: value, upper: limits.upper, lower: limits.lower, verdict: .ok)
    guard let value else {
      return fail("\(judgement.title) of \(judgement.point) could not be had")
    }
    let verdict = Judgement.Verdict(of: value, upper: limits.upper, lower: limits.lower)
    guard verdict.isExceeded else { return }
    judgement.tensors = LedgerDifference.largest(of: measured.ledger(of: figure))
    fail(
      ([judgement.sentence + "; the largest tensors:"] + judgement.tensors.map(\.sentence))
        .joined(separator: "\n  "))
  } catch {
    fail("\(error)")
  }
}
