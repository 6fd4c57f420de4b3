/// The type of a tensor's elements.
package enum DType: String, CaseIterable, Sendable {
  case float32
  case bfloat16

  /// Bytes of one element.
  package var size: Int {
    switch self {
    case .float32: 4
    case .bfloat16: 2
    }
  }
}
