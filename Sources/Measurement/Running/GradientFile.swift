import Autograd
package import Files
import Foundation
package import Retention
import Safetensors
package import Tensors
import Transformer

/// `--gradients`: the gradients of a step as safetensors, under Hugging Face names, in float32.
///
/// Frozen parameters are absent. One parameter's values are in memory at a time, and the file
/// appears whole or not at all.
package struct GradientFile: Sendable {
  package let path: String

  /// Finds out, before anything runs, whether the file can be written.
  ///
  /// - Throws: `FileError` if it cannot, or if the place is a device or a pipe.
  package init(_ path: String) throws(FileError) {
    _ = try PendingFile(path)
    var status = stat()
    if unsafe stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw FileError("cannot write \(path): gradients go into a regular file")
    }
    let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
    self.path = isLink ? URL(fileURLWithPath: path).resolvingSymlinksInPath().path : path
  }

  /// Writes what the last run of a step left in its parameters.
  ///
  /// - Throws: `WeightsError` if the system cannot write.
  package func write(_ step: TrainingStep, from backend: any Backend) throws {
    let trained = step.decoder.parameters.filter { $0.gradient?.value != nil }
    let byName = Dictionary(trained.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    try SafetensorsWriter.write(
      to: path, tensors: trained.map { (name: $0.name, shape: $0.value.shape.extents) }
    ) { name, sink in
      if let gradient = byName[name]?.gradient?.value {
        try sink(backend.read(gradient).span)
      }
    }
  }
}
