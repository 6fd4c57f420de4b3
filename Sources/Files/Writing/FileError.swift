/// Why a result could not be written, as one sentence.
package struct FileError: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }

  /// A sentence with the reason that the system gave last.
  package static func system(_ what: String) -> FileError {
    FileError("\(what): \(systemReason())")
  }
}
