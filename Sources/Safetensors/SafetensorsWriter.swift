import Files
import Spelling

/// Writes float32 tensors as a safetensors file that Python's `safetensors` loads.
///
/// The file appears under its name only when it is whole and on disk (`PendingFile`). The
/// header is padded with spaces so that the tensors begin at a multiple of 8 bytes.
package enum SafetensorsWriter {
  /// Takes the next elements of the tensor that is being written, row-major.
  package typealias Sink = (Span<Float>) throws -> Void

  /// Writes a file, one tensor after the other in the order of their names.
  ///
  /// - Parameters:
  ///   - path: The file to be made or replaced.
  ///   - tensors: Names and extents.
  ///   - metadata: `__metadata__`; transformers wants `format`.
  ///   - contents: Gives a tensor's elements to the sink, all at once or in pieces.
  /// - Throws: `WeightsError` if a name stands twice or a tensor gets too few or too many elements,
  ///   `FileError` if the system cannot write, and what `contents` throws. No file is left then.
  package static func write(
    to path: String, tensors: [(name: String, shape: [Int])],
    metadata: [String: String] = ["format": "pt"],
    contents: (_ name: String, _ sink: Sink) throws -> Void
  ) throws {
    let sorted = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    let (header, counts) = try header(sorted, metadata: metadata, path: path)
    var file = try PendingFile(path).draft()
    unsafe try header.withUnsafeBytes { unsafe try file.write($0) }
    for (tensor, count) in zip(sorted, counts) {
      var left = count
      try contents(tensor.name) { elements in
        left -= elements.count
        if left < 0 {
          throw WeightsError(file: path, tensor: tensor.name, "got more than \(count) elements")
        }
        try unsafe elements.withUnsafeBytes { unsafe try file.write($0) }
      }
      if left != 0 {
        throw WeightsError(
          file: path, tensor: tensor.name, "got \(count - left) of \(count) elements")
      }
    }
    try file.commit()
  }

  /// The length and the header of a file, and the elements of each tensor.
  private static func header(
    _ tensors: [(name: String, shape: [Int])], metadata: [String: String], path: String
  ) throws(WeightsError) -> ([UInt8], [Int]) {
    var members: [(name: String, value: JSONText)] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map {
        (name: $0.key, value: JSONText.string($0.value))
      }
      members.append(("__metadata__", .object(pairs)))
    }
    var counts: [Int] = []
    var offset = 0
    var names: Set<String> = ["__metadata__"]
    for tensor in tensors {
      if !names.insert(tensor.name).inserted {
        throw WeightsError(file: path, tensor: tensor.name, "has a name that is taken already")
      }
      var bytes = 4
      for extent in tensor.shape {
        let (product, overflow) = bytes.multipliedReportingOverflow(by: extent)
        if overflow || extent < 0 {
          throw WeightsError(file: path, tensor: tensor.name, "has a shape without a size")
        }
        bytes = product
      }
      let (end, overflow) = offset.addingReportingOverflow(bytes)
      if overflow {
        throw WeightsError(file: path, tensor: tensor.name, "ends beyond what 64 bits count")
      }
      let place: [(name: String, value: JSONText)] = [
        ("dtype", .string("F32")), ("shape", .integers(tensor.shape)),
        ("data_offsets", .integers([offset, end])),
      ]
      members.append((tensor.name, .object(place)))
      counts.append(bytes / 4)
      offset = end
    }
    var text = Array(JSONText.object(members).text.utf8)
    while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
    let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    return (length + text, counts)
  }
}
