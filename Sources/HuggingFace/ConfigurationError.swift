import Spelling
import Transformer

/// Why a model configuration cannot be used, as one sentence that names the file.
package struct ConfigurationError: Error, Equatable, CustomStringConvertible {
  /// The file or directory, or the built-in model, that was asked for.
  package let file: String
  /// What is wrong with it and what to do, without its subject.
  package let sentence: String

  package init(file: String, _ sentence: String) { (self.file, self.sentence) = (file, sentence) }

  package var description: String { "\(printable(file.unicodeScalars)): \(sentence)" }
}
