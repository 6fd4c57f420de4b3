/// A number of bytes in an assertion: `4096`, `.kibibytes(4)`.
public struct ByteCount: Equatable, Comparable, Sendable, ExpressibleByIntegerLiteral {
  /// The bytes themselves.
  public let bytes: Int

  /// Creates a count of bytes.
  public init(_ bytes: Int) { self.bytes = bytes }

  /// Creates a count from a literal number of bytes.
  public init(integerLiteral value: Int) { bytes = value }

  /// So many bytes.
  public static func bytes(_ count: Int) -> ByteCount { ByteCount(count) }

  /// So many times 1024 bytes.
  public static func kibibytes(_ count: Double) -> ByteCount { scaled(count, by: 1024) }

  /// So many times 1024² bytes.
  public static func mebibytes(_ count: Double) -> ByteCount { scaled(count, by: 1_048_576) }

  /// So many times 1024³ bytes.
  public static func gibibytes(_ count: Double) -> ByteCount { scaled(count, by: 1_073_741_824) }

  /// Whether the left count is the smaller.
  public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

  private static func scaled(_ count: Double, by unit: Double) -> ByteCount {
    let bytes = count * unit
    precondition(bytes.magnitude < 9e15, "a count of bytes is below 2^53")
    return ByteCount(Int(bytes))
  }
}
