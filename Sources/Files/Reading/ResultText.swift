/// Reads the text of result files, which somebody else may have written.
package enum ResultText {
  /// Larger than the longest sweep's ledger is likely to be, and read in some seconds.
  private static let mostBytes = 256 << 20

  /// The text of a file.
  ///
  /// - Throws: `FileError` for a file that is missing, not a file, too large or not UTF-8 text.
  package static func read(_ path: String) throws(FileError) -> String {
    do throws(OpenedFile.Failure) {
      return try OpenedFile.text(path, most: mostBytes)
    } catch {
      throw FileError("\(path): \(error.isMissing ? "there is no such file" : error.sentence)")
    }
  }
}
