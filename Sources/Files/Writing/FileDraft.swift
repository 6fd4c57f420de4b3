import Foundation

/// What is to be a file, nameless until `commit`: a process that is killed leaves nothing.
///
/// Where the file system has no nameless files (`O_TMPFILE`), it stands beside the file under
/// another name, which `deinit` removes if `commit` never comes.
package struct FileDraft: ~Copyable {
  private let path: String
  private let folder: String
  private let temporary: String
  private let descriptor: Int32
  private let isDevice: Bool
  private var isNamed = false

  /// `O_TMPFILE`, a macro that Swift does not import.
  private static let nameless = 0o20_000_000 | O_DIRECTORY

  /// Begins a file in the folder of `path`, which stays as it is.
  init(of path: String) throws(FileError) {
    let url = URL(fileURLWithPath: path)
    let folder = url.deletingLastPathComponent()
    let temporary = folder.appendingPathComponent(".\(url.lastPathComponent).\(getpid()).tmp").path
    var descriptor = unsafe open(folder.path, O_WRONLY | Self.nameless | O_CLOEXEC, 0o666)
    if descriptor < 0 {
      // Whatever has this name was left behind, or is a link that somebody else made.
      unsafe unlink(temporary)
      descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      isNamed = descriptor >= 0
    }
    if descriptor < 0 { throw FileError.system("cannot write \(path)") }
    self.path = path
    self.folder = folder.path
    self.temporary = temporary
    self.descriptor = descriptor
    isDevice = false
  }

  /// Writes straight into a device or a pipe, which stays open.
  init(of path: String, device: Int32) throws(FileError) {
    let descriptor = fcntl(device, F_DUPFD_CLOEXEC, 3)
    if descriptor < 0 { throw FileError.system("cannot write \(path)") }
    self.path = path
    (folder, temporary) = ("", "")
    self.descriptor = descriptor
    isDevice = true
  }

  deinit {
    close(descriptor)
    if isNamed { unsafe unlink(temporary) }
  }

  /// Appends bytes.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    guard let reason = unsafe writeWhole(bytes, to: descriptor) else { return }
    errno = reason
    throw FileError.system("cannot write \(path)")
  }

  /// Appends a text.
  package func write(_ text: String) throws(FileError) {
    try writeAll(text, to: descriptor, path: path)
  }

  /// Puts the file in its place once it is on disk (`fsync`, `linkat`, `rename`), then its name.
  package mutating func commit() throws(FileError) {
    guard !isDevice else { return }
    guard fsync(descriptor) == 0 else { throw FileError.system("cannot write \(path)") }
    if !isNamed {
      unsafe unlink(temporary)
      let own = "/proc/self/fd/\(descriptor)"
      isNamed = unsafe linkat(AT_FDCWD, own, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) == 0
    }
    guard isNamed, unsafe rename(temporary, path) == 0 else {
      throw FileError.system("cannot write \(path)")
    }
    isNamed = false
    try syncFolder(folder)
  }
}
