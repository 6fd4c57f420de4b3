import Measurement
import PyTorchSteps
import Retention
import Synchronization

/// Steps that a plan has counted, by their points; threads share them.
///
/// An optimizer changes no step of Ballast's own layers: what it keeps is computed from the trained
/// parameters. PyTorch's step, of a recipe, has it.
final class StepCounts: Sendable {
  /// The GPU that PyTorch's steps run on.
  private let device: StepDevice
  private let steps = Mutex<[Point: [Int: StepResult]]>([:])

  init(on device: StepDevice) { self.device = device }

  /// What the point's step keeps and takes; counted once.
  func totals(of point: Point, by predictor: Predictor) throws -> StepResult {
    let key = Self.key(point)
    if let step = steps.withLock({ $0[key]?[point.nC] }) { return step }
    var counted = point
    counted.optimizer = .none
    var step = try predictor.totals(of: counted)
    if point.recipe != .ballast, !predictor.isShared,
      let steps = TrainedSteps(point, on: device)
    {
      step.pytorch = (point.optimizer, steps.peaks())
    }
    steps.withLock { $0[key, default: [:]][point.nC] = step }
    return step
  }

  /// The prefixes with which a point's step was counted.
  func lengths(of point: Point) -> [Int] {
    steps.withLock { $0[Self.key(point)].map { Array($0.keys) } ?? [] }
  }

  private static func key(_ point: Point) -> Point {
    var key = point
    key.nC = 0
    if key.recipe == .ballast { key.optimizer = .none }
    return key
  }
}
