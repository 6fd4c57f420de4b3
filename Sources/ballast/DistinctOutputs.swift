import Files
import Foundation

extension PendingFile {
  /// Refuses one file for two outputs, of which the first would be lost, and an input as an output.
  ///
  /// Of a directory among the `inputs` every file in it is one.
  static func requireDistinct(
    _ outputs: [(option: String, path: String?)], from inputs: [(option: String, path: String?)]
  ) throws(UsageError) {
    var options: [String: String] = [:]
    for (option, path) in inputs {
      guard let path else { continue }
      let inside = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      for file in [path] + inside.map({ "\(path)/\($0)" }) {
        if let identity = identity(of: file) { options[identity] = option }
      }
    }
    for (option, path) in outputs {
      guard let path, let identity = identity(of: path) else { continue }
      if let other = options.updateValue(option, forKey: identity) {
        throw UsageError("\(other) and \(option) name the same file, \(quoted(path))")
      }
    }
  }
}
