import Foundation

/// A regular file, opened for reading; closed when it goes out of scope.
///
/// Devices and pipes are refused, so that no path can make a read wait or never end.
package struct OpenedFile: ~Copyable {
  private let descriptor: CInt
  /// Bytes in the file when it was opened.
  package let size: Int

  /// Why a file could not be opened or read, without its name.
  package enum Failure: Error, Equatable {
    case nullInName
    /// What the system said.
    case notOpened(CInt), notExamined(CInt), notRead(CInt)
    case directory, notRegular
    case tooLarge(most: Int)
    /// What Git LFS left in the place of the file.
    case pointer
    case byteOrderMark, utf16, notUTF8
  }

  /// Opens with `open(2)` and looks with `fstat(2)`.
  ///
  /// - Throws: `Failure` if there is no such file, it may not be read, or it is not a regular one.
  package init(_ path: String) throws(Failure) {
    if path.utf8.contains(0) { throw .nullInName }
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0 {
      throw .notOpened(errno)
    }
    var status = stat()
    if unsafe fstat(descriptor, &status) != 0 {
      let code = errno
      close(descriptor)
      throw .notExamined(code)
    }
    let kind = status.st_mode & S_IFMT
    if kind != S_IFREG {
      close(descriptor)
      throw kind == S_IFDIR ? .directory : .notRegular
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
      throw .notRead(errno)
    }
    return bytes
  }

  /// The whole file, into memory.
  ///
  /// - Throws: `Failure` if it is larger than `most` bytes.
  package func contents(most: Int) throws(Failure) -> [UInt8] {
    guard size <= most else { throw .tooLarge(most: most) }
    return try read(at: 0, count: size)
  }

  /// The whole text of a file.
  ///
  /// - Throws: `Failure` if it is no such file, larger than `most` bytes, what Git LFS left in its
  ///   place, or not UTF-8 without a byte order mark, which some editors put in front and would be
  ///   part of the first word.
  package static func text(_ path: String, most: Int) throws(Failure) -> String {
    let bytes = try OpenedFile(path).contents(most: most)
    if GitLFS.isPointer(bytes) { throw .pointer }
    if let fault = byteOrderMark(of: bytes) { throw fault }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .notUTF8
    }
    return text
  }

  /// What is wrong with a file that starts with a byte order mark; nil for others.
  static func byteOrderMark(of bytes: [UInt8]) -> Failure? {
    if bytes.starts(with: [0xef, 0xbb, 0xbf]) { return .byteOrderMark }
    let isUTF16 = bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff])
    return isUTF16 ? .utf16 : nil
  }
}

extension OpenedFile.Failure {
  package var isDirectory: Bool { self == .directory }

  /// Whether there is nothing under that name.
  package var isMissing: Bool { self == .notOpened(ENOENT) || self == .notOpened(ENOTDIR) }

  /// What is wrong, without the file's name.
  package var sentence: String {
    switch self {
    case .nullInName: "the name holds a null character"
    case .notOpened(let code): "cannot be opened: \(Self.message(code))"
    case .notExamined(let code): "cannot be examined: \(Self.message(code))"
    case .notRead(let code): "cannot be read: \(Self.message(code))"
    case .directory: "is a directory"
    case .notRegular: "is not a regular file"
    case .tooLarge(let most):
      "is larger than \(most >= 1 << 20 ? "\(most >> 20) MiB" : "\(most >> 10) KiB")"
    case .pointer: GitLFS.sentence
    case .byteOrderMark: "starts with a byte order mark; save it as UTF-8 without one"
    case .utf16: "is UTF-16; save it as UTF-8"
    case .notUTF8: "is not UTF-8 text"
    }
  }

  /// `strerror(3)`.
  private static func message(_ code: CInt) -> String { unsafe String(cString: strerror(code)) }
}
