import Foundation
import Spelling

/// One path for two things, of which the one would be lost; a sentence that says which.
package struct FileConflict: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// Something that a command reads or writes: what a sentence calls it, and its path.
package struct NamedFile: Hashable, Sendable {
  /// An option, such as `--tokens`, or words such as `the tokens of the profile`.
  package let name: String
  package let path: String

  package init(_ name: String, _ path: String) { (self.name, self.path) = (name, path) }
}

/// All that a command reads and all that it writes, held apart before it touches anything.
///
/// Files are the same if they are one file on disk, whatever links and names lead there.
package struct FileLists {
  /// Whose a file is, and whether that is read.
  private var owners: [String: (name: String, isRead: Bool)] = [:]

  package init() {}

  /// Lists what is read; of a directory every file in it is.
  package mutating func read(_ files: [NamedFile]) {
    for file in files {
      let inside = (try? FileManager.default.contentsOfDirectory(atPath: file.path)) ?? []
      for path in [file.path] + inside.map({ Paths.join(file.path, $0) }) {
        if let identity = PendingFile.identity(of: path) { owners[identity] = (file.name, true) }
      }
    }
  }

  /// Lists what is made, replaced or removed.
  ///
  /// - Throws: `FileConflict` for what is read, and for one place of two outputs, of which the
  ///   first would be lost.
  package mutating func write(_ files: [NamedFile]) throws(FileConflict) {
    for file in files {
      guard let identity = PendingFile.identity(of: file.path) else { continue }
      if let other = owners.updateValue((file.name, false), forKey: identity) {
        let advice = other.isRead ? "; what is read is never replaced, write to another place" : ""
        throw FileConflict(
          "\(other.name) and \(file.name) name the same file, \(quoted(file.path))\(advice)")
      }
    }
  }

  /// Refuses to write what is read.
  ///
  /// - Throws: `FileConflict` as above.
  package static func hold(
    read: [NamedFile], apartFrom written: [NamedFile]
  ) throws(FileConflict) {
    var lists = FileLists()
    lists.read(read)
    try lists.write(written)
  }
}
