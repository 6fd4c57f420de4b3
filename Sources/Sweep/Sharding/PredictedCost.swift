import Measurement
package import Retention
import Tensors

/// Seconds that points will take, from shapes alone: to divide work, not to promise times.
///
/// The weights are a least-squares fit of 13 `full-graph` points on one core of a common server,
/// from 0.2 to 230 GFLOP, which it meets within a quarter. The same profile has the same costs on
/// every machine, so that its shards never disagree.
package struct PredictedCost {
  /// What every point takes, its prediction and its rows included.
  private static let perPoint = 2e-3
  private static let perStorage = 2e-5
  /// A step that is timed runs twice.
  private static let runs = 2.0
  private static let perFlop = 1e-11
  /// Parameters are drawn, their gradients cleared and compared.
  private static let perParameterByte = 1.5e-9
  /// Activations are written and read, and their pages touched.
  private static let perPeakByte = 1.8e-9

  private var known: [Point: (step: Double, rest: Double)] = [:]
  private let predictor = Predictor(engine: .cpu)

  package init() {}

  /// A point's own time; its exact gradients, if it needs others, not included.
  package mutating func seconds(of point: Point) -> Double {
    let (step, rest) = parts(of: point)
    return Self.runs * step + rest
  }

  /// The time that a point's exact gradients take if nothing has computed them; 0 if it needs none.
  package mutating func referenceSeconds(of point: Point) -> Double {
    guard !point.isGradientReference, point.backend == .cpu,
      let reference = point.gradientReferences.first
    else { return 0 }
    let (step, rest) = parts(of: reference)
    return step + rest
  }

  private mutating func parts(of point: Point) -> (step: Double, rest: Double) {
    if let parts = known[point] { return parts }
    let parts = count(point)
    known[point] = parts
    return parts
  }

  /// One run of the step, and everything else; a point that cannot run takes no more than its row.
  private func count(_ point: Point) -> (step: Double, rest: Double) {
    guard let counted = try? predictor.totals(of: point) else { return (0, Self.perPoint) }
    let rest = Self.perPoint + Double(counted.savedTensors) * Self.perStorage
    guard point.backend == .cpu else { return (0, rest) }
    return (
      Double(counted.matmulFlops) / Double(point.threads) * Self.perFlop
        + Double(counted.peakBytes) * Self.perPeakByte,
      rest + Double(counted.parameterBytes) * Self.perParameterByte
    )
  }
}
