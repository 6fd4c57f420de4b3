import Files
import Foundation
import Spelling
import Transformer

/// Standard output, which is data and nothing else, and notes beside it.
enum Output {
  /// Writes a text for people: no name in it that came from a file is a command to a terminal.
  ///
  /// - Throws: as `write` does.
  static func show(_ text: String) throws { try write(printableLines(text)) }

  /// Writes data, to the byte.
  ///
  /// - Throws: `BrokenPipe` if nobody reads any more, `Failure` for everything else.
  static func write(_ text: String) throws {
    switch writeWhole(text, to: STDOUT_FILENO) {
    case nil: return
    case EPIPE: throw BrokenPipe()
    case EBADF: throw Failure("standard output cannot be written; it is closed")
    default: throw Failure("standard output cannot be written; the disk may be full")
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
