import Foundation

/// A file that is prepared beside its place and appears there whole, or not at all.
///
/// Creating it finds out early whether the place can be written, and leaves nothing there. A place
/// that is a device or a pipe is written directly.
package final class PendingFile {
  private let path: String
  /// Of a device or a pipe; -1 for a file.
  private let device: Int32

  /// Prepares a file of ours that nobody named one by one, such as one of a results folder.
  ///
  /// The folder may be somebody else's: what is no file there, a link that leads out of it or a
  /// pipe that nobody reads, is not written through.
  ///
  /// - Throws: `FileError` if that is not possible.
  package convenience init(own path: String) throws(FileError) {
    try Self.requireFile(path)
    try self.init(path)
  }

  /// Refuses a place that is taken by something other than a file.
  static func requireFile(_ path: String) throws(FileError) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return }
    let what: String
    switch status.st_mode & S_IFMT {
    case S_IFREG: return
    case S_IFDIR: what = "it is a directory"
    case S_IFLNK: what = "it is a link, and results are not written through one; remove it"
    default: what = "it is not a regular file; remove it"
    }
    throw FileError("cannot write \(path): \(what)")
  }

  /// Finds out whether there can be a file beside `path`.
  ///
  /// - Throws: `FileError` if that is not possible.
  package init(_ path: String) throws(FileError) {
    guard !path.isEmpty else { throw FileError("the path of a file to write is empty") }
    let place = Self.place(of: path)
    self.path = place
    var status = stat()
    let exists = unsafe stat(place, &status) == 0
    let kind = status.st_mode & S_IFMT
    if exists, kind == S_IFDIR { throw FileError("cannot write \(path): it is a directory") }
    let isFile = !exists || kind == S_IFREG
    device = isFile ? -1 : unsafe open(place, O_WRONLY | O_CLOEXEC)
    if !isFile && device < 0 { throw FileError.system("cannot write \(path)") }
    _ = try draft()
  }

  deinit {
    if device >= 0 { close(device) }
  }

  /// Where a path leads: to what a link points to, even if that does not exist.
  private static func place(of path: String) -> String {
    var status = stat()
    if unsafe stat(path, &status) == 0 {
      let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
      return isLink ? URL(fileURLWithPath: path).resolvingSymlinksInPath().path : path
    }
    var place = path
    // As many links as Linux follows.
    for _ in 0..<40 {
      guard let next = try? FileManager.default.destinationOfSymbolicLink(atPath: place) else {
        break
      }
      let folder = URL(fileURLWithPath: place).deletingLastPathComponent()
      place = next.hasPrefix("/") ? next : folder.appendingPathComponent(next).path
    }
    return place
  }

  /// A text that is the same for all paths of a file, links included; nil where none can be made.
  ///
  /// It is made of device and inode numbers: the file's own, or its folder's and its name.
  package static func identity(of path: String) -> String? {
    let place = place(of: path)
    var status = stat()
    if unsafe stat(place, &status) == 0 { return "\(status.st_dev):\(status.st_ino)" }
    let url = URL(fileURLWithPath: place)
    guard unsafe stat(url.deletingLastPathComponent().path, &status) == 0 else { return nil }
    return "\(status.st_dev):\(status.st_ino)/\(url.lastPathComponent)"
  }

  /// What is to stand in the place once it is committed.
  package func draft() throws(FileError) -> FileDraft {
    device < 0 ? try FileDraft(of: path) : try FileDraft(of: path, device: device)
  }

  /// Writes the whole text and puts the file in its place.
  ///
  /// - Throws: `FileError`; what was there before is then untouched.
  package func commit(_ text: String) throws(FileError) {
    try commit { (write) throws(FileError) in try write(text) }
  }

  /// The same with bytes.
  package func commit(_ bytes: [UInt8]) throws(FileError) {
    var draft = try draft()
    let failure = unsafe bytes.withUnsafeBytes { bytes -> FileError? in
      do throws(FileError) { try unsafe draft.write(bytes) } catch { return error }
      return nil
    }
    if let failure { throw failure }
    try draft.commit()
  }

  /// Writes what `body` hands to its argument, piece by piece, and puts the file in its place.
  ///
  /// - Throws: `FileError`, or what `body` throws; what was there before is then untouched.
  package func commit(
    _ body: (_ write: (String) throws(FileError) -> Void) throws(FileError) -> Void
  ) throws(FileError) {
    var draft = try draft()
    try body { (text) throws(FileError) in try draft.write(text) }
    try draft.commit()
  }
}
