import Foundation
import HuggingFace
import TestSupport
import Testing
import Transformer

/// A directory of its own, removed in `deinit`.
final class TemporaryDirectory {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "ballast-transformer-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file into it and gives its path.
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    return "\(path)/\(name)"
  }
}

/// The repository's root.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().path

/// Reads `text` as a `config.json`.
func configuration(_ text: String) throws -> DecoderConfiguration {
  try HuggingFaceConfiguration(Array(text.utf8), file: "config.json").decoder
}

/// The sentence with which `text` is refused as a `config.json`; nil if it is not.
func refusal(_ text: String) -> String? {
  do throws(ConfigurationError) {
    _ = try HuggingFaceConfiguration(Array(text.utf8), file: "config.json")
    return nil
  } catch {
    return error.description
  }
}

/// A file of the safetensors format from a header's text and the bytes after it.
func safetensors(_ header: String, data: [UInt8]) -> [UInt8] {
  let text = Array(header.utf8)
  return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text + data
}
