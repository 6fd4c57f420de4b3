package import Spelling

/// Sizes as the command line and profiles write them: `80GiB`, `512MiB`, `4096`, `80GB`, `24.5GiB`.
///
/// One rule: a number, then at once a unit that says whether it counts in powers of 1024 or of
/// 1000, or no unit for bytes. `24G` says neither, and what is sold as 24 GB of memory is 24 GiB.
package enum ByteSize {
  private static let units: [(name: String, bytes: Int)] = [
    ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
    ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
  ]

  /// The bytes of a written size.
  ///
  /// - Parameters:
  ///   - text: What was written.
  ///   - name: What the size is of, for sentences.
  /// - Returns: The bytes, more than 0.
  /// - Throws: `ValueError` for anything but a positive number of whole bytes and perhaps a unit.
  package static func parse(
    _ text: String, of name: String = "memory"
  ) throws(ValueError) -> Int {
    let end = text.firstIndex { !$0.isASCII || !($0.isNumber || $0 == ".") } ?? text.endIndex
    let parts = text[..<end].split(separator: ".", omittingEmptySubsequences: false)
    let isNumber = (1...2).contains(parts.count) && parts.allSatisfy { !$0.isEmpty }
    let subject = "\(name) \(quoted(text))"
    guard isNumber else { throw refusal(of: subject) }
    let suffix = String(text[end...])
    let unit = units.first { $0.name == suffix }?.bytes ?? 1
    guard unit > 1 || suffix.isEmpty else {
      throw refusal(of: subject, number: String(text[..<end]), unit: suffix)
    }
    let bytes = try bytes(
      whole: parts[0], fraction: parts.count > 1 ? parts[1] : "", unit, of: subject)
    guard bytes > 0 else { throw ValueError("\(name) must be more than 0 bytes") }
    return bytes
  }

  /// The bytes of `whole.fraction` units, exactly.
  private static func bytes(
    whole: Substring, fraction: Substring, _ unit: Int, of subject: String
  ) throws(ValueError) -> Int {
    let zeros = fraction.reversed().prefix { $0 == "0" }.count
    let digits = fraction.dropLast(zeros)
    // Eighteen digits are what 64 bits hold; nobody writes a size with more.
    guard digits.count <= 18, let numerator = Int("0" + digits),
      let scale = Int("1" + String(repeating: "0", count: digits.count))
    else { throw notWhole(subject) }
    let (part, remainder) = scale.dividingFullWidth(numerator.multipliedFullWidth(by: unit))
    guard remainder == 0 else { throw unit == 1 ? refusal(of: subject) : notWhole(subject) }
    let (units, isTooMuch) = (Int(whole) ?? Int.max).multipliedReportingOverflow(by: unit)
    let (bytes, overflows) = units.addingReportingOverflow(part)
    guard !isTooMuch, !overflows, bytes < Int.max else {
      throw ValueError("\(subject) does not fit 64 bits")
    }
    return bytes
  }

  private static func notWhole(_ subject: String) -> ValueError {
    ValueError("\(subject) is no whole number of bytes; write fewer digits")
  }

  /// The sentence about a text that is no size, with the one that was meant where that is plain.
  private static func refusal(
    of subject: String, number: String = "", unit: String = ""
  ) -> ValueError {
    let letters = unit.filter { $0 != " " }.lowercased()
    let meant = units.filter { name, _ in
      let name = name.lowercased()
      return name == letters || letters.count == 1 && name.hasPrefix(letters)
    }
    switch meant.count {
    case 1:
      return ValueError("\(subject) is not a size; write \(number)\(meant[0].name)")
    case 2...:
      let ways = meant.map { "\(number)\($0.name) (units of \($0.bytes) bytes)" }
      return ValueError(
        "\(subject) does not say of how many bytes a unit is; write "
          + ways.joined(separator: " or "))
    default:
      return ValueError(
        "\(subject) is not a size; write it as 80GiB, 512MiB, 80GB (1 GB is 10^9 "
          + "bytes) or a number of bytes")
    }
  }
}
