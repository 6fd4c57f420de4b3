package import Files
import Foundation

/// The folder of a sweep's results, locked (`flock`) against others while this value lives.
///
/// The lock ends with the process, however that ends, so there are no stale ones.
package final class ResultsFolder: Sendable {
  /// As it was given.
  let path: String
  private let descriptor: Int32

  /// Makes the folder if it is not there, and locks it.
  ///
  /// - Throws: `FileError` if it cannot be made, or if another sweep has it.
  package init(_ path: String) throws(FileError) {
    self.path = path
    if !Paths.exists(path), !Self.make(path) {
      throw FileError.system("cannot make the folder \(path)")
    }
    guard Paths.isDirectory(path) else {
      throw FileError("cannot write into \(path): it is a file, not a folder")
    }
    descriptor = try Self.locked(
      path, LOCK_EX, to: "write into",
      busy: "another sweep is writing into \(path); wait, or choose another folder")
  }

  /// Opens and locks a folder that is there and stays as it is.
  ///
  /// - Throws: `FileError` if there is none, or if a sweep is writing there.
  init(existing path: String) throws(FileError) {
    self.path = path
    // Shared, so that the same folder named twice is found out by what it holds.
    descriptor = try Self.locked(
      path, LOCK_SH, to: "read the folder",
      busy: "a sweep is writing into \(path); wait until it ends")
  }

  private static func locked(
    _ path: String, _ lock: Int32, to what: String, busy: String
  ) throws(FileError) -> Int32 {
    let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.system("cannot \(what) \(path)") }
    guard flock(descriptor, lock | LOCK_NB) == 0 else {
      close(descriptor)
      throw FileError(busy)
    }
    return descriptor
  }

  deinit { close(descriptor) }

  /// Creates a folder and those above it; leaves `errno` as the reason when it cannot.
  private static func make(_ path: String) -> Bool {
    var parts = path.split(separator: "/", omittingEmptySubsequences: true)[...]
    var made = path.hasPrefix("/") ? "" : "."
    while let part = parts.popFirst() {
      made += "/\(part)"
      if unsafe mkdir(made, 0o755) != 0 && errno != EEXIST { return false }
    }
    return !path.isEmpty
  }

  /// The path of a file in the folder.
  func file(_ name: String) -> String { Paths.join(path, name) }

  /// The bytes of a file; nil if there is none.
  func size(of name: String) -> Int? {
    var status = stat()
    return unsafe stat(file(name), &status) == 0 ? Int(status.st_size) : nil
  }

  /// Removes a file, if it is there, for good.
  func remove(_ name: String) throws(FileError) {
    if unsafe unlink(file(name)) != 0 {
      if errno == ENOENT { return }
      throw FileError.system("cannot remove \(file(name))")
    }
    try syncFolder(path)
  }

  /// Removes what `PendingFile` leaves of these files when its process is killed.
  func removeTemporaries(of names: [String]) {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    for entry in entries where entry.hasSuffix(".tmp") {
      guard let name = names.first(where: { entry.hasPrefix(".\($0).") }) else { continue }
      // Between the names' ends stands the number of a process.
      let number = entry.dropFirst(name.count + 2).dropLast(4)
      if !number.isEmpty, number.allSatisfy({ $0.isASCII && $0.isNumber }) {
        unsafe unlink(file(entry))
      }
    }
  }
}
