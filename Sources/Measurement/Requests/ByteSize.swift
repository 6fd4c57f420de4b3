package import Files

/// Sizes as the command line and profiles write them: `80GiB`, `512MiB`, `4096`.
package enum ByteSize {
  private static let units: [(String, Int)] = [
    ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
  ]

  /// The bytes of a written size.
  ///
  /// - Throws: `ValueError` for anything but a positive whole number and perhaps a binary unit.
  package static func parse(_ text: String) throws(ValueError) -> Int {
    let unit = units.first { text.hasSuffix($0.0) }
    let digits = unit.map { text.dropLast($0.0.count) } ?? text[...]
    let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { (48...57).contains($0) }
    guard isNumber else {
      throw ValueError(
        "memory \(quoted(text)) is not a size; write it as 80GiB, 512MiB or a number of bytes")
    }
    let (bytes, overflow) = (Int(digits) ?? Int.max).multipliedReportingOverflow(by: unit?.1 ?? 1)
    guard !overflow, bytes < Int.max else {
      throw ValueError("memory \(quoted(text)) does not fit 64 bits")
    }
    guard bytes > 0 else { throw ValueError("memory must be more than 0 bytes") }
    return bytes
  }
}
