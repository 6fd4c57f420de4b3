import Foundation

/// A file that grows by whole lines.
///
/// Lines are appended in one `write`. Linux lets a reader see the pages of a write one after
/// another, so for some microseconds the file may end within a line.
package final class AppendedFile: Sendable {
  private let path: String
  private let descriptor: Int32

  /// Opens a file, and makes it if `creates` says so.
  ///
  /// One that is written must be there under this name alone, no link and no other name's file,
  /// since it would grow and be cut off there too.
  ///
  /// - Throws: `FileError` for what is no such file, or cannot be opened.
  package init(_ path: String, creates: Bool = false, isReadOnly: Bool = false) throws(FileError) {
    self.path = path
    let access = isReadOnly ? O_RDONLY : O_RDWR | O_APPEND
    if !isReadOnly { try PendingFile.requireFile(path) }
    let flags = access | O_CLOEXEC | O_NONBLOCK | (creates ? O_CREAT : 0)
    let what = "cannot \(isReadOnly ? "read" : "write") \(path)"
    descriptor = unsafe open(path, flags | (isReadOnly ? 0 : O_NOFOLLOW), 0o644)
    if descriptor < 0 { throw FileError.system(what) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw FileError("\(what): it is not a regular file")
    }
    guard isReadOnly || status.st_nlink == 1 else {
      throw FileError("\(what): the file has another name too, a hard link; copy it, and try again")
    }
  }

  /// Takes over a descriptor that was opened under a path.
  package init(_ path: String, descriptor: Int32) {
    (self.path, self.descriptor) = (path, descriptor)
  }

  /// Bytes in the file.
  package var size: Int { Int(lseek(descriptor, 0, SEEK_END)) }

  /// Appends text, and waits for the disk if `syncs` says so; on an error the file is as before.
  package func append(_ text: String, syncs: Bool = false) throws(FileError) {
    let end = size
    do throws(FileError) {
      try writeAll(text, to: descriptor, path: path)
      if syncs { try sync() }
    } catch {
      _ = ftruncate(descriptor, off_t(end))
      throw error
    }
  }

  /// Waits until all that was appended is on disk (`fsync`).
  package func sync() throws(FileError) {
    if fsync(descriptor) != 0 { throw FileError.system("cannot write \(path)") }
  }

  /// Cuts the file off after so many bytes.
  package func truncate(to size: Int) throws(FileError) {
    guard ftruncate(descriptor, off_t(size)) == 0 else {
      throw FileError.system("cannot write \(path)")
    }
    try sync()
  }

  /// Up to `count` bytes from `offset` on (`pread`); fewer at the end of the file.
  package func read(at offset: Int, count: Int) throws(FileError) -> [UInt8] {
    guard let bytes = readWhole(from: descriptor, at: offset, count: count) else {
      throw FileError.system("cannot read \(path)")
    }
    return bytes
  }

  deinit { close(descriptor) }
}

/// Writes bytes in as few calls as the system allows, which is one for a regular file.
func writeAll(_ text: String, to descriptor: Int32, path: String) throws(FileError) {
  if let reason = writeWhole(text, to: descriptor) {
    errno = reason
    throw FileError.system("cannot write \(path)")
  }
}

/// Waits until the names in a folder are on disk (`fsync`): made, renamed or removed.
package func syncFolder(_ path: String) throws(FileError) {
  let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { throw FileError.system("cannot write into \(path)") }
  defer { close(descriptor) }
  // Some file systems do not know this of folders, and then have nothing to wait for.
  guard fsync(descriptor) == 0 || errno == EINVAL else {
    throw FileError.system("cannot write into \(path)")
  }
}
