import Foundation
import Sweep
import Transformer

/// Standard output, which is data and nothing else, and notes beside it.
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
        if errno == EBADF { throw Failure("standard output cannot be written; it is closed") }
        throw Failure("standard output cannot be written; the disk may be full")
      }
      written += count
    }
  }
}

extension Output {
  /// Puts a sentence on standard error, on one line.
  static func note(_ sentence: String) {
    StandardError.write("ballast: \(printable(sentence.unicodeScalars))\n")
  }
}

/// Whoever read our output has gone, which is no failure of ours.
struct BrokenPipe: Error {}
