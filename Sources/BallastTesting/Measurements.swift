import Budgets
import Measurement
import Reporting
import Spelling
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
        throw ValueError("the point was not measured")
      }
      if let sentence = measured.failure { throw ValueError(sentence) }
      known[point] = measured
      return measured
    }
  }
}
