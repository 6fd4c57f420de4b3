import Budgets
import Measurement
import Reporting
import Synchronization

/// Measures each point once a process, one at a time.
enum Measurements {
  private static let known = Mutex<[MemoryPoint: MeasuredPoint]>([:])

  /// The point's figures.
  ///
  /// - Throws: One sentence for a point that cannot be, or that could not be measured.
  static func of(_ point: MemoryPoint) throws -> MeasuredPoint {
    try known.withLock { known in
      if let measured = known[point] { return measured }
      let planned = try point.planned()
      let measurement = BudgetMeasurement(engine: .cpu, limit: MemoryLimit(given: nil))
      guard let measured = measurement.run([planned], profile: nil).first else {
        throw UnmeasuredPoint(sentence: "the point was not measured")
      }
      if let sentence = measured.failure { throw UnmeasuredPoint(sentence: sentence) }
      known[point] = measured
      return measured
    }
  }
}

/// A point that has no figures, and why.
private struct UnmeasuredPoint: Error, CustomStringConvertible {
  let sentence: String

  var description: String { sentence }
}
