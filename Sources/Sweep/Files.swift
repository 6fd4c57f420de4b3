import Foundation

/// Why a result could not be written, as one sentence.
package struct FileError: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }

  /// A sentence with the reason that the system gave last.
  static func system(_ what: String) -> FileError { FileError("\(what): \(systemReason())") }
}

/// A file that is prepared beside its place and appears there whole, or not at all.
///
/// Creating it finds out early whether the place can be written. A place that is a device or a
/// pipe is written directly.
package final class PendingFile {
  private let path: String
  private let temporary: String
  private var descriptor: Int32

  /// Opens a temporary file beside `path`.
  ///
  /// - Throws: `FileError` if that is not possible.
  package init(_ path: String) throws(FileError) {
    let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
    let place = isLink ? URL(fileURLWithPath: path).resolvingSymlinksInPath().path : path
    self.path = place
    var status = stat()
    let exists = unsafe stat(place, &status) == 0
    let kind = status.st_mode & S_IFMT
    if exists, kind == S_IFDIR {
      throw FileError("cannot write \(path): it is a directory")
    }
    let url = URL(fileURLWithPath: place)
    temporary =
      exists && kind != S_IFREG
      ? place
      : url.deletingLastPathComponent()
        .appendingPathComponent(".\(url.lastPathComponent).\(getpid()).tmp").path
    let flags = temporary == place ? O_WRONLY : O_WRONLY | O_CREAT | O_TRUNC
    descriptor = unsafe open(temporary, flags | O_CLOEXEC, 0o644)
    if descriptor < 0 { throw FileError.system("cannot write \(path)") }
  }

  /// Writes the whole text and puts the file in its place.
  ///
  /// - Throws: `FileError`; what was there before is then untouched.
  package func commit(_ text: String) throws(FileError) {
    try writeAll(text, to: descriptor, path: path)
    guard temporary != path else { return }
    guard fsync(descriptor) == 0, unsafe rename(temporary, path) == 0 else {
      throw FileError.system("cannot write \(path)")
    }
    close(descriptor)
    descriptor = -1
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    if temporary != path { unsafe unlink(temporary) }
  }
}

/// A file that grows by whole lines, each on disk before the next is begun.
package struct AppendedFile: Sendable {
  private let path: String
  private let descriptor: Int32

  /// Opens a file that exists; it stays open until the process ends.
  init(_ path: String) throws(FileError) {
    self.path = path
    descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    if descriptor < 0 { throw FileError.system("cannot write \(path)") }
  }

  /// Appends text and waits until it is on disk; on an error the file is as before.
  func append(_ text: String) throws(FileError) {
    let end = lseek(descriptor, 0, SEEK_END)
    do {
      try writeAll(text, to: descriptor, path: path)
    } catch {
      _ = ftruncate(descriptor, end)
      throw error
    }
    if fsync(descriptor) != 0 { throw FileError.system("cannot write \(path)") }
  }
}

/// Writes bytes in as few calls as the system allows, which is one for a regular file.
private func writeAll(_ text: String, to descriptor: Int32, path: String) throws(FileError) {
  let bytes = Array(text.utf8)
  var written = 0
  while written < bytes.count {
    let count = unsafe bytes.withUnsafeBytes { buffer in
      let rest = unsafe UnsafeRawBufferPointer(rebasing: unsafe buffer[written...])
      return unsafe write(descriptor, rest.baseAddress, rest.count)
    }
    if count < 0 {
      if errno == EINTR { continue }
      throw FileError.system("cannot write \(path)")
    }
    written += count
  }
}
