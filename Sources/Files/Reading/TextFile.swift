import Foundation

/// Reads the text of result files, which somebody else may have written.
package enum ResultText {
  /// Larger than the longest sweep's ledger is likely to be, and read in some seconds.
  private static let mostBytes = 256 << 20

  /// The text of a file.
  ///
  /// - Throws: `FileError` for a file that is missing, not a file, too large or not UTF-8 text.
  package static func read(_ path: String) throws(FileError) -> String {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
      if errno == ENOENT { throw FileError("\(path): there is no such file") }
      throw FileError.system("cannot read \(path)")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw FileError("\(path): is not a regular file")
    }
    guard status.st_size <= mostBytes else { throw FileError("\(path): is larger than 256 MiB") }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw FileError("\(path): cannot be read; check its permissions")
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw FileError("\(path): is not UTF-8 text")
    }
    return text
  }
}
