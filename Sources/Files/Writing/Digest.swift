/// A running 64-bit FNV-1a hash, which tells texts apart that differ by accident.
package struct Digest {
  private var value: UInt64 = 0xcbf2_9ce4_8422_2325

  package init() {}

  private mutating func add(byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }

  /// Adds a text and a byte that no text holds, so that two texts are not their joint one.
  package mutating func add(_ text: String) { add(text.utf8) }

  /// Adds bytes, and one that ends them.
  package mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { add(byte: byte) }
    add(byte: 0xff)
  }

  /// Adds a number.
  package mutating func add(_ number: Int) {
    for shift in stride(from: 0, to: Int.bitWidth, by: 8) {
      add(byte: UInt8(truncatingIfNeeded: number >> shift))
    }
  }

  /// Sixteen hexadecimal digits.
  package var text: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
