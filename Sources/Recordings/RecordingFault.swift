package import Files
import Spelling

/// Why what somebody recorded cannot be read: a sentence without its subject, which is the file.
package struct RecordingFault: Error, Equatable {
  package let sentence: String

  package init(_ sentence: String) { self.sentence = sentence }

  /// The sentence with its file in front.
  package func of(_ path: String) -> FileError {
    FileError("\(printable(path.unicodeScalars)): \(sentence)")
  }
}
