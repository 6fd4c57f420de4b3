import Files
import Spelling

/// Why stored weights cannot be used, as one sentence that names the file and the tensor.
package struct WeightsError: Error, Equatable, CustomStringConvertible {
  package let file: String
  /// The tensor at fault, if it is one tensor's fault.
  package let tensor: String?
  /// What is wrong and what to do, without its subject.
  package let sentence: String

  package init(file: String, tensor: String? = nil, _ sentence: String) {
    (self.file, self.tensor, self.sentence) = (file, tensor, sentence)
  }

  package var description: String {
    let start = "\(printable(file.unicodeScalars)): "
    return tensor.map { "\(start)tensor \(quoted($0)) \(sentence)" } ?? "\(start)\(sentence)"
  }
}

/// Runs `body` and puts the file's name to its failure.
///
/// - Throws: `WeightsError` for a `OpenedFile.Failure` of `body`.
func naming<R: ~Copyable>(
  _ file: String, _ body: () throws(OpenedFile.Failure) -> R
) throws(WeightsError) -> R {
  do throws(OpenedFile.Failure) {
    return try body()
  } catch {
    throw WeightsError(file: file, error.sentence)
  }
}
