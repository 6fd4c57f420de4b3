import Foundation

/// A regular file, opened for reading; closed when it goes out of scope.
///
/// Devices and pipes are refused, so that no path can make a read wait or never end.
package struct OpenedFile: ~Copyable {
  private let descriptor: CInt
  /// Bytes in the file when it was opened.
  package let size: Int

  /// Why a file could not be opened or read, without its name.
  package struct Failure: Error {
    package let sentence: String
    /// Whether there is nothing under that name.
    package var isMissing = false
    /// Whether it is a directory.
    package var isDirectory = false
  }

  /// Opens with `open(2)` and looks with `fstat(2)`.
  ///
  /// - Throws: `Failure` if there is no such file, it may not be read, or it is not a regular one.
  package init(_ path: String) throws(Failure) {
    if path.utf8.contains(0) { throw Failure(sentence: "the name holds a null character") }
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0 {
      let code = errno
      throw Failure(
        sentence: "cannot be opened: \(Self.message(code))",
        isMissing: code == ENOENT || code == ENOTDIR)
    }
    var status = stat()
    if unsafe fstat(descriptor, &status) != 0 {
      let code = errno
      close(descriptor)
      throw Failure(sentence: "cannot be examined: \(Self.message(code))")
    }
    let kind = status.st_mode & S_IFMT
    if kind != S_IFREG {
      close(descriptor)
      throw Failure(
        sentence: kind == S_IFDIR ? "is a directory" : "is not a regular file",
        isDirectory: kind == S_IFDIR)
    }
    self.descriptor = descriptor
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// Reads up to `count` bytes at `offset` with `pread(2)`; fewer only at the end of the file.
  ///
  /// - Throws: `Failure` if the system cannot read.
  package func read(at offset: Int, count: Int) throws(Failure) -> [UInt8] {
    guard let bytes = readWhole(from: descriptor, at: offset, count: count) else {
      throw Failure(sentence: "cannot be read: \(Self.message(errno))")
    }
    return bytes
  }

  /// The whole file, into memory.
  ///
  /// - Throws: `Failure` if it is larger than `most` bytes.
  package func contents(most: Int) throws(Failure) -> [UInt8] {
    if size > most {
      let words = most >= 1 << 20 ? "\(most >> 20) MiB" : "\(most >> 10) KiB"
      throw Failure(sentence: "is larger than \(words)")
    }
    return try read(at: 0, count: size)
  }

  /// The whole text of a file.
  ///
  /// - Throws: `Failure` if it is no such file, larger than `most` bytes, what Git LFS left in its
  ///   place, or not UTF-8 without a byte order mark, which some editors put in front and would be
  ///   part of the first word.
  package static func text(_ path: String, most: Int) throws(Failure) -> String {
    let bytes = try OpenedFile(path).contents(most: most)
    if GitLFS.isPointer(bytes) { throw Failure(sentence: GitLFS.sentence) }
    if let mark = byteOrderMark(of: bytes) { throw Failure(sentence: mark) }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Failure(sentence: "is not UTF-8 text")
    }
    return text
  }

  /// What to do about a file that starts with a byte order mark, without its name; nil for others.
  static func byteOrderMark(of bytes: [UInt8]) -> String? {
    if bytes.starts(with: [0xef, 0xbb, 0xbf]) {
      return "starts with a byte order mark; save it as UTF-8 without one"
    }
    let isUTF16 = bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff])
    return isUTF16 ? "is UTF-16; save it as UTF-8" : nil
  }

  /// `strerror(3)`.
  private static func message(_ code: CInt) -> String { unsafe String(cString: strerror(code)) }
}
