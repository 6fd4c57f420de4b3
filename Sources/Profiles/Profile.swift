package import Budgets
package import Files
import Foundation
package import Measurement
import Retention

/// A sweep: every point to measure, in order.
package struct Profile: Sendable {
  /// The name that rows carry.
  package let name: String
  package let description: String?
  /// The most bytes a step may use; nil for what the machine has.
  package let memory: Int?
  /// Whether the times of steps are figures of the sweep; else their columns stay empty.
  package let takesTimes: Bool
  /// The tokens of all points; nil: drawn from each point's seed.
  package let tokens: TokenFile?
  /// Sentences for standard error about the files that the profile names.
  package let notes: [String]
  /// `n_c` outermost, then the other axes, `mode` and `keep_prefix` innermost.
  package let points: [PlannedPoint]
  /// What the profile was read from.
  package internal(set) var source = ProfileSource(text: "", file: "", threads: 1)
  /// What `ballast check` holds the points against.
  package internal(set) var budgets: [Budget] = []

  /// The profile's own file and every file and directory that it names.
  package var inputs: [NamedFile] {
    var files: Set<NamedFile> = []
    let folder = ProfileNodes(file: source.file).folder
    for planned in points {
      let adapter = planned.point.adapter
      files.formUnion(
        ModelInputs.files(
          model: planned.point.modelName, weights: planned.weights?.path,
          adapter: adapter.isEmpty ? nil : adapter,
          names: (
            "the model of the profile", "the weights of the profile", "the adapter of the profile"
          ), beside: folder))
    }
    return [NamedFile("the profile", source.file)]
      + (tokens.map { [NamedFile("the tokens of the profile", $0.path)] } ?? [])
      + files.sorted { ($0.name, $0.path) < ($1.name, $1.path) }
  }

  /// How many points one profile may describe.
  package static let mostPoints = 100_000
}

/// Everything that a profile is made from, beside the files that it names.
package struct ProfileSource: Codable, Equatable, Sendable {
  package let text: String
  /// Its path, from whose folder the paths in it may start.
  package let file: String
  /// The number of threads where the text gives none.
  package let threads: Int

  /// The same from any working directory: with the whole path of its file.
  package var absolute: ProfileSource {
    ProfileSource(text: text, file: URL(fileURLWithPath: file).path, threads: threads)
  }
}

/// Why a profile cannot be used: the file, the line where there is one, and one sentence.
package struct ProfileError: Error, Equatable, CustomStringConvertible {
  package let file: String
  package let line: Int?
  package let sentence: String

  package init(file: String, line: Int? = nil, _ sentence: String) {
    (self.file, self.line, self.sentence) = (file, line, sentence)
  }

  package var description: String {
    guard !file.isEmpty else { return sentence }
    return line.map { "\(file):\($0): \(sentence)" } ?? "\(file): \(sentence)"
  }
}
