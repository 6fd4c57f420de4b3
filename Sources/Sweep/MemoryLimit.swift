package import Retention

/// The most bytes that a step may use: as it was given, or else what the machine has.
package struct MemoryLimit: Sendable {
  private let given: Int?

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
}
