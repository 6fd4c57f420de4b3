package import Ledger
package import Tensors
import Transformer

/// One forward and backward pass of a point on a backend.
package final class TrainingStep {
  package let point: Point

  /// - Throws: `PointError` for an impossible point, `AllocationError` if parameters do not fit.
  package init(
    _ point: Point, backend: any Backend, recordsLedger: Bool = true, limit: Int? = nil
  ) throws {
    self.point = point
  }

  /// Runs the step once; gradients of an earlier run are dropped first.
  ///
  /// `atBoundary` is called after the loss is known and before backward starts.
  package func run(atBoundary: (Ledger) throws -> Void = { _ in }) throws -> StepResult {
    fatalError("written on another branch")
  }

  /// The gradients of the last run, by Hugging Face name, as float32; parameters without are absent.
  package func gradients() -> [String: [Float]] { [:] }
}
