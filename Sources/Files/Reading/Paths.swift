import Foundation

/// Where files that a profile names are looked for.
package enum Paths {
  /// The path itself if it leads somewhere, else the one from `folder` if that does.
  package static func find(_ path: String, beside folder: String?) -> String {
    guard let folder, !path.hasPrefix("/"), !exists(path) else { return path }
    let beside = join(folder, path)
    return exists(beside) ? beside : path
  }

  /// The path of what is called `name` in a folder.
  package static func join(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
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
