import Reporting
package import Retention

/// The most bytes that a step may use: as it was given, or else what the machine has.
package struct MemoryLimit: Sendable {
  /// From the command line or a profile; nil if neither gives one.
  package let given: Int?

  /// A limit from the command line or a profile; nil if neither gives one.
  package init(given: Int?) { self.given = given }

  /// The limit of points that run on a backend; nil for none.
  ///
  /// Shapes take no memory, so what the machine has left is no limit of theirs.
  package func bytes(for backend: BackendKind) -> Int? {
    switch backend {
    case .cpu: given ?? MachineMemory.available()
    case .shape: given
    }
  }

  /// The limits of a sweep's points, of which `jobs` share what the machine has left.
  package func limits(jobs: Int) -> PointLimits {
    PointLimits(
      computing: given ?? bytes(for: .cpu).map { $0 / jobs }, counting: bytes(for: .shape))
  }
}

/// The most bytes of a step, for points that compute and for points that count; nil for no limit.
package struct PointLimits: Codable, Equatable, Sendable {
  package let computing: Int?
  package let counting: Int?
}

/// What a step takes of a limit, in the allocator's size classes, as the limit itself counts.
struct MemoryNeed {
  private let predicted: StepResult
  private let gradientCopies: Int

  /// A step, and so many copies of its gradients beside it.
  init(_ predicted: StepResult, gradientCopies: Int = 0) {
    self.predicted = predicted
    self.gradientCopies = gradientCopies
  }

  /// Whether it stays within a limit; nil for none.
  func fits(_ limit: Int?) -> Bool {
    guard let limit else { return true }
    let copies = Int128(predicted.gradientBytes) * Int128(gradientCopies)
    return Int128(predicted.peakAllocatedBytes) + Int128(predicted.optimizerBytes) + copies
      <= Int128(limit)
  }

  /// - Throws: `OverLimitError` unless it does; `axis` is what could be less.
  func requireFit(_ limit: Int?, axis: String) throws(OverLimitError) {
    if let limit, !fits(limit) {
      throw OverLimitError(predicted: predicted, limit: limit, axis: axis)
    }
  }
}

/// A step that would not fit, known before it starts.
struct OverLimitError: Error, CustomStringConvertible {
  let predicted: StepResult
  let limit: Int
  /// The axis of which less would help most.
  let axis: String

  var description: String {
    "the step holds \(Units.exactBytes(predicted.peakAllocatedBytes + predicted.optimizerBytes)) "
      + "at once; each at its highest, these are "
      + "\(Units.bytes(predicted.parameterBytes)) of parameters, "
      + "\(Units.bytes(predicted.gradientBytes)) of gradients, "
      + (predicted.optimizerBytes > 0
        ? "\(Units.bytes(predicted.optimizerBytes)) of optimizer state, " : "")
      + "\(Units.bytes(predicted.peakBytes)) of activations and "
      + "\(Units.bytes(predicted.workspacePeakBytes)) of workspace; that is more than the limit of "
      + "\(Units.exactBytes(limit)); raise --memory, lower \(axis) or use a smaller model"
  }
}
