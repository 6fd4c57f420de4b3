import Foundation

/// Where files that a profile names are looked for.
package enum Paths {
  /// The path itself if it leads somewhere, else the one from `folder` if that does.
  package static func find(_ path: String, beside folder: String?) -> String {
    guard let folder, !path.hasPrefix("/"), !exists(path) else { return path }
    let beside = folder.hasSuffix("/") ? folder + path : "\(folder)/\(path)"
    return exists(beside) ? beside : path
  }

  package static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path)
  }

  package static func isDirectory(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
      && isDirectory.boolValue
  }
}
