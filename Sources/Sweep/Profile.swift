package import Retention

/// A point of a profile, and which repetition of it.
package struct PlannedPoint: Hashable, Sendable {
  package let point: Point
  /// From 1.
  package let repetition: Int

  package init(point: Point, repetition: Int = 1) {
    self.point = point
    self.repetition = repetition
  }
}

/// A sweep: every point to measure, in order.
package struct Profile: Sendable {
  /// The name that rows carry.
  package let name: String
  package let description: String?
  /// The most bytes a step may use; nil for what the machine has.
  package let memory: Int?
  /// `n_c` outermost, then the other axes, `mode` and `keep_prefix` innermost.
  package let points: [PlannedPoint]

  /// How many points one profile may describe.
  package static let mostPoints = 100_000
}

/// Why a profile cannot be used: the file, the line where there is one, and one sentence.
package struct ProfileError: Error, Equatable, CustomStringConvertible {
  package let file: String
  package let line: Int?
  package let sentence: String

  package init(file: String, line: Int? = nil, _ sentence: String) {
    self.file = file
    self.line = line
    self.sentence = sentence
  }

  package var description: String {
    line.map { "\(file):\($0): \(sentence)" } ?? "\(file): \(sentence)"
  }
}
