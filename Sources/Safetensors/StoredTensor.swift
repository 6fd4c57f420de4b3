/// The type of a stored tensor's elements, by the name that safetensors gives it.
package enum StoredType: Hashable, Sendable {
  case float32
  case float16
  case bfloat16
  /// A type that may stand in a file but is refused on use: `I64`, `F8_E4M3`, …
  case other(String)

  package init(name: String) {
    switch name {
    case "F32": self = .float32
    case "F16": self = .float16
    case "BF16": self = .bfloat16
    default: self = .other(name)
    }
  }

  package var name: String {
    switch self {
    case .float32: "F32"
    case .float16: "F16"
    case .bfloat16: "BF16"
    case .other(let name): name
    }
  }

  /// Whether Ballast can read its elements.
  package var isReadable: Bool {
    if case .other = self { false } else { true }
  }

  /// Bits of one element; nil for a type that this version has never heard of.
  var bits: Int? {
    switch self {
    case .float32: 32
    case .float16, .bfloat16: 16
    case .other(let name): Self.otherBits[name]
    }
  }

  /// Every other type of the `safetensors` crate, version 0.8.
  private static let otherBits = [
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
    "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "I32": 32, "U32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
  ]
}

/// One tensor of a safetensors file: what the header says about it.
package struct StoredTensor: Equatable, Sendable {
  package let name: String
  package let dtype: StoredType
  /// Extents, row-major; empty for a scalar.
  package let shape: [Int]
  /// Elements: the product of the extents.
  package let count: Int
  /// Where its bytes lie in the file.
  let range: Range<Int>
}
