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
