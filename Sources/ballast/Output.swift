import Foundation

/// Standard output: data and nothing else.
enum Output {
  /// Writes a text.
  ///
  /// - Throws: `BrokenPipe` if nobody reads any more, `Failure` for everything else.
  static func write(_ text: String) throws {
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
        return unsafe Foundation.write(STDOUT_FILENO, rest.baseAddress, rest.count)
      }
      if count < 0 {
        if errno == EINTR { continue }
        if errno == EPIPE { throw BrokenPipe() }
        throw Failure("standard output cannot be written; the disk may be full")
      }
      written += count
    }
  }
}

/// Whoever read our output has gone, which is no failure of ours.
struct BrokenPipe: Error {}
