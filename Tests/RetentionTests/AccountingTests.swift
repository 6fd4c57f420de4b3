import Foundation
import CPUBackend
import Ledger
import Retention
import TestSupport
import Testing
import Transformer

/// A1–A7 of the design, and all modes' gradients, over random models, sequences and axes.
@Suite struct `Accounting over random configurations` {
  @Test(arguments: randomCases(240))
  func `the rules hold and gradients agree with double precision`(index: Int) throws {
    let full = randomPoint(index)
    // A5's bound, 168 roundings: about 40 sums a step, of up to 50 terms, √50 roundings each, come
    // to √40 times that, 45; the worst of many gradients is some times as far off.
    try checkAllModes(full, keeping: index, tolerance: 1e-5)
  }

  @Test(arguments: randomCases(120))
  func `the rules hold with adapters`(index: Int) throws {
    try checkAllModes(adapted(randomPoint(index + 9000), index), keeping: index, tolerance: 1e-5)
  }

  /// The oracle runs every completion with its prefix as a sequence of its own.
  @Test(arguments: randomCases(120))
  func `the rules hold with completions that share a prefix`(index: Int) throws {
    var point = grouped(randomPoint(index + 11_000), index)
    if index % 4 == 0 { point = adapted(point, index) }
    try checkAllModes(point, keeping: index, tolerance: 1e-5)
  }

  /// The same with completions of different length.
  @Test(arguments: randomCases(120))
  func `the rules hold with completions of different length`(index: Int) throws {
    var point = raggedGroup(randomPoint(index + 26_000), index)
    if index % 4 == 0 { point = adapted(point, index) }
    try checkAllModes(point, keeping: index, tolerance: 1e-5)
  }

  /// Every sequence is held against the oracle alone; padding is not there for it.
  @Test(arguments: randomCases(80))
  func `the rules hold with sequences of different lengths`(index: Int) throws {
    var point = lengthened(randomPoint(index + 13_000), index)
    if index % 4 == 0 { point = adapted(point, index) }
    try checkAllModes(point, keeping: index, tolerance: 1e-5)
    point.packing = .padded
    let parameters = drawParameters(for: point.model, seed: point.seed)
    let padded = try check(point, parameters: parameters, tolerance: 1e-5).result.retained
    point.packing = .packed
    let packed = try check(point, parameters: parameters, tolerance: nil).result.retained
    // Without logits of rows that others' loss rows reach, all else is the same but for padding.
    #expect(padded[.padding] >= 0 && padded.total >= packed.total, "\(point)")
    #expect(packed[.padding] == 0, "\(point)")
  }

  /// Retained bytes of packed sequences are those of each alone, to the byte; of padded ones those
  /// of as many as long as the longest.
  @Test(arguments: randomCases(40))
  func `packed and padded bytes are sums`(index: Int) throws {
    var point = lengthened(randomPoint(index + 15_000), index)
    point.head = .allRows
    let packed = try runOnShapes(point).retained.total
    let each = try point.sequencePoints.map { try runOnShapes($0).retained.total }
    #expect(packed == each.reduce(0, +), "\(point)")
    point.packing = .padded
    let padded = try runOnShapes(point).retained
    var longest = point.sequencePoints[0]
    let rows = point.sequencePoints.map(\.n).max() ?? 0
    (longest.nC, longest.nG, longest.batch) = (0, rows, point.batch)
    // All logits are kept, whichever rows have a loss; only its log-sum-exp goes by loss rows.
    let all = try runOnShapes(longest).retained.total
    let lossRows = point.sequencePoints.map(\.lossPositions)
    let range =
      (lossRows.map(\.lowerBound).min() ?? 0)..<(lossRows.map(\.upperBound).max() ?? 0)
    let difference = (longest.lossPositions.count - range.count) * point.batch * 4
    #expect(padded.total == all - difference, "\(point)")
  }

  /// Widths of 1 to 5 magnify rounding: only what is exact is checked.
  @Test(arguments: randomCases(80))
  func `the rules hold for extreme widths`(index: Int) throws {
    let point = randomPoint(index + 5000, extreme: true)
    try checkAllModes(point, keeping: index, tolerance: nil)
  }

  /// Checks a point in all modes; no tolerance leaves gradients out.
  private func checkAllModes(_ full: Point, keeping index: Int, tolerance: Double?) throws {
    let parameters = drawParameters(for: full.model, seed: full.seed)
    let fullRun = try check(full, parameters: parameters, tolerance: tolerance)
    let detachedRun = try check(
      detached(full, keeping: index), parameters: parameters, tolerance: tolerance)

    let loss = try #require(fullRun.result.loss)
    let other = try #require(detachedRun.result.loss)
    #expect(abs(loss - other) <= 2e-6 * max(abs(loss), 1), "A5 equal losses")

    for mode in [Mode.prunedGraph, .replayedPrefix()] {
      var exact = full
      exact.mode = mode
      if mode == .prunedGraph, exact.head == .allRows { exact.head = .lossRows }
      let run = try check(exact, parameters: parameters, tolerance: tolerance)
      #expect(abs(loss - (run.result.loss ?? .nan)) <= 2e-6 * max(abs(loss), 1), "A5 equal losses")
    }

    let kept = detachedRun.point.mode.keepPrefix
    let isOneBatch = fullRun.batches.count == 1
    if let tolerance, full.model.layers == 1, full.lossRows == .generated, kept == 0, isOneBatch {
      let generated = fullRun.reference.step(
        on: fullRun.batch, rows: full.nC..<full.n)
      let errors = relativeErrors(
        detachedRun.gradients, against: detachedRun.expected(generated.gradients))
      #expect(errors.values.allSatisfy { $0 <= tolerance }, "A6 \(worst(errors))")
    }
  }

  /// Pruning, replaying and recomputing round no more than the whole graph does: the errors against
  /// double precision have the same root mean square, over many models and parameters.
  @Test func `exact modes are as close to double precision as the whole graph`() throws {
    var sums: [Mode: Double] = [:]
    var count = 0
    for index in 0..<60 {
      var point = randomPoint(index + 20_000)
      point.head = .lossRows
      let parameters = drawParameters(for: point.model, seed: point.seed)
      for mode in Mode.allCases where mode.isExact {
        point.mode = mode
        let run = try runOnCPU(point, parameters: parameters)
        let errors = relativeErrors(
          run.gradients, against: run.reference.step(on: run.batch).gradients)
        sums[mode, default: 0] += errors.values.reduce(0) { $0 + $1 * $1 }
        if mode == .fullGraph { count += errors.count }
      }
    }
    let roots = sums.mapValues { ($0 / Double(count)).squareRoot() }
    let whole = try #require(roots[.fullGraph])
    #expect(whole > 0 && whole < 2e-6, "\(roots)")
    // Without AVX-512 replay's sums over chunks of a few rows come to 1.38.
    let processor = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let most = processor.contains("avx512f") ? 1.25 : 1.5
    for (mode, root) in roots { #expect(root <= most * whole, "\(mode) \(roots)") }
  }

  private func worst(_ errors: [String: Double]) -> String {
    errors.max { $0.value < $1.value }.map { "\($0.key) \($0.value)" } ?? "none"
  }

  /// Runs one point everywhere and checks what must hold for it alone.
  private func check(
    _ point: Point, parameters: [String: [Double]], tolerance: Double?
  ) throws -> Run {
    let run = try runOnCPU(point, parameters: parameters)
    let result = run.result
    let label = Comment(rawValue: "\(point)")

    let distinct = Set(result.saved.map(\.id))
    #expect(distinct.count == result.saved.count, label)
    let requested = result.saved.reduce(0) { $0 + $1.description.requestedBytes }
    #expect(result.retained.total == requested, "A1 \(label)")

    #expect(run.allocatedAtBoundary == run.ledgerAllocatedAtBoundary, "A2 \(label)")
    let passes = point.packing == .packed ? point.sequencePoints.count : 0
    let losses = point.sharing == .prefix ? point.suffixes : max(passes, 1)
    let others = run.unsavedAtBoundary.filter { $0.role != .loss }
    #expect(run.unsavedAtBoundary.count - others.count == losses, "A2 \(label)")
    #expect(run.unsavedAtBoundary.allSatisfy(point.waits), "A2 \(label)")
    let unsaved = run.allocatedAtBoundary - result.retainedAllocatedBytes
    #expect(
      others.isEmpty ? unsaved == losses * CPUBackend.sizeClass(4) : unsaved > 0, "A2 \(label)")
    #expect(run.allocatedAfter == 0, "A4 \(label)")

    let shapes = try runOnShapes(point)
    #expect(shapes.saved.map(\.description) == result.saved.map(\.description), "A3 \(label)")
    #expect(shapes.saved.map(\.savers) == result.saved.map(\.savers), "A3 \(label)")
    #expect(shapes.peakForwardBytes == result.peakForwardBytes, "A3 \(label)")
    #expect(shapes.peakBackwardBytes == result.peakBackwardBytes, "A3 \(label)")
    #expect(shapes.parameterBytes == result.parameterBytes, "A3 \(label)")
    #expect(shapes.gradientBytes == result.gradientBytes, "A3 \(label)")
    #expect(shapes.matmulFlops == result.matmulFlops, "A3 \(label)")

    let unobserved = try runOnCPU(point, parameters: parameters, recordsLedger: false)
    #expect(unobserved.result.loss == result.loss, "A7 \(label)")
    #expect(unobserved.gradients == run.gradients, "A7 \(label)")

    let expected = run.exact
    #expect(
      abs(try #require(result.loss) - expected.loss) <= 1e-5 * max(abs(expected.loss), 1), label)
    guard let tolerance else { return run }
    let errors = run.errors(
      above: tolerance, of: run.gradients, against: run.expected(expected.gradients))
    #expect(errors.isEmpty, "\(worst(errors)) \(label)")
    return run
  }
}
