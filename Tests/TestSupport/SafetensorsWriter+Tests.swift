package import Safetensors

extension SafetensorsWriter {
  /// Writes tensors that are in memory.
  package static func write(to path: String, _ tensors: [String: (shape: [Int], values: [Float])])
    throws
  {
    try write(to: path, tensors: tensors.map { (name: $0.key, shape: $0.value.shape) }) {
      name, sink in
      if let tensor = tensors[name] { try sink(tensor.values.span) }
    }
  }
}
