package import Foundation

/// A folder that goes away with the test.
package final class Folder {
  package let path = NSTemporaryDirectory() + "ballast-\(UUID().uuidString)"

  package init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file into the folder and returns its path.
  @discardableResult package func add(_ name: String, _ data: Data) throws -> String {
    try data.write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    return "\(path)/\(name)"
  }

  @discardableResult package func add(_ name: String, _ text: String) throws -> String {
    try add(name, Data(text.utf8))
  }

  @discardableResult package func add(_ name: String, _ bytes: [UInt8]) throws -> String {
    try add(name, Data(bytes))
  }

  /// The text of a file in it.
  package func text(_ name: String) throws -> String {
    try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
  }
}

/// Where the repository and the files that tests share are.
package enum Repository {
  package static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  /// PyTorch's numbers.
  package static let fixtures = path + "/Tests/Fixtures"
}
