/// The type of a tensor's elements.
package enum DType: String, CaseIterable, Sendable {
  case float32
  case bfloat16
  /// Counted alone: no kernel computes on it.
  case float16
  /// Dropout masks: 1 keeps, 0 drops.
  case uint8
  /// Token numbers and labels, where PyTorch's ops read them as tensors.
  case int64
  /// Yes and no, as PyTorch's ops keep them.
  case bool

  /// The types that parameters and activations may have.
  package static let numeric: [DType] = [.float32, .bfloat16, .float16]

  /// Bytes of one element.
  package var size: Int {
    switch self {
    case .float32: 4
    case .bfloat16, .float16: 2
    case .uint8, .bool: 1
    case .int64: 8
    }
  }
}
