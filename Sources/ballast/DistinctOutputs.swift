import Sweep

extension PendingFile {
  /// Refuses one file for two outputs, of which the first would be lost.
  static func requireDistinct(_ outputs: [(option: String, path: String?)]) throws(UsageError) {
    var options: [String: String] = [:]
    for (option, path) in outputs {
      guard let path, let identity = identity(of: path) else { continue }
      if let other = options.updateValue(option, forKey: identity) {
        throw UsageError("\(other) and \(option) name the same file, \(quoted(path))")
      }
    }
  }
}
