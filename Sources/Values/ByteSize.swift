import Spelling

/// A size as the command line and profiles write it: `80GiB`, `512MiB`, `4096`, `80GB`, `24.5GiB`.
///
/// One rule: a number, then at once a unit that says whether it counts in powers of 1024 or of
/// 1000, or no unit for bytes. `24G` says neither, and what is sold as 24 GB of memory is 24 GiB.
package struct ByteSize: WrittenValue {
  /// More than 0.
  package let bytes: Int

  fileprivate struct Unit {
    let name: String
    let bytes: Int

    init(_ name: String, _ bytes: Int) { (self.name, self.bytes) = (name, bytes) }

    static let all = [
      Unit("KiB", 1 << 10), Unit("MiB", 1 << 20), Unit("GiB", 1 << 30), Unit("TiB", 1 << 40),
      Unit("kB", 1_000), Unit("MB", 1_000_000), Unit("GB", 1_000_000_000),
      Unit("TB", 1_000_000_000_000),
    ]

    /// Those that may be meant by a text that is none.
    static func meant(by text: String) -> [Unit] {
      let letters = text.filter { $0 != " " }.lowercased()
      return all.filter { unit in
        let name = unit.name.lowercased()
        return name == letters || letters.count == 1 && name.hasPrefix(letters)
      }
    }
  }

  /// What is wrong with a size.
  package enum Fault: ValueFault {
    case noSize
    /// A number with a text behind it that is no unit.
    case noUnit(number: String, unit: String)
    /// No whole number of bytes.
    case broken
    case zero
    case beyond64Bits
  }

  package static var kind: ValueKind { .text }
  package static var expected: String { "a size such as 80GiB" }
  /// A regular expression of a size with a unit; one without is a whole number.
  package static var pattern: String {
    #"[0-9]+(?:\.[0-9]+)?(?:\#(Unit.all.map(\.name).joined(separator: "|")))"#
  }
  package var written: String { String(bytes) }

  package init(_ written: WrittenText) throws(Fault) {
    let text = written.text
    let end = text.firstIndex { !$0.isASCII || !($0.isNumber || $0 == ".") } ?? text.endIndex
    let parts = text[..<end].split(separator: ".", omittingEmptySubsequences: false)
    let isNumber = (1...2).contains(parts.count) && parts.allSatisfy { !$0.isEmpty }
    guard isNumber else { throw .noSize }
    let suffix = String(text[end...])
    let unit = Unit.all.first { $0.name == suffix }?.bytes ?? 1
    guard unit > 1 || suffix.isEmpty else {
      throw .noUnit(number: String(text[..<end]), unit: suffix)
    }
    bytes = try Self.bytes(whole: parts[0], fraction: parts.count > 1 ? parts[1] : "", unit)
    guard bytes > 0 else { throw .zero }
  }

  /// The bytes of `whole.fraction` units, exactly.
  private static func bytes(
    whole: Substring, fraction: Substring, _ unit: Int
  ) throws(Fault) -> Int {
    let zeros = fraction.reversed().prefix { $0 == "0" }.count
    let digits = fraction.dropLast(zeros)
    // Eighteen digits are what 64 bits hold; nobody writes a size with more.
    guard digits.count <= 18, let numerator = Int("0" + digits),
      let scale = Int("1" + String(repeating: "0", count: digits.count))
    else { throw .broken }
    let (part, remainder) = scale.dividingFullWidth(numerator.multipliedFullWidth(by: unit))
    guard remainder == 0 else { throw unit == 1 ? .noSize : .broken }
    let (units, isTooMuch) = (Int(whole) ?? Int.max).multipliedReportingOverflow(by: unit)
    let (bytes, overflows) = units.addingReportingOverflow(part)
    guard !isTooMuch, !overflows, bytes < Int.max else { throw .beyond64Bits }
    return bytes
  }
}

extension ByteSize.Fault {
  package func sentence(about given: WrittenText, as name: ValueName) -> String {
    let subject = "\(name.subject) \(quoted(given.text))"
    let noSize =
      "\(subject) is not a size; write it as 80GiB, 512MiB, 80GB (1 GB is 10^9 bytes) or a number "
      + "of bytes"
    switch self {
    case .noSize: return noSize
    case .noUnit(let number, let unit):
      let meant = ByteSize.Unit.meant(by: unit)
      guard let first = meant.first else { return noSize }
      guard meant.count > 1 else { return "\(subject) is not a size; write \(number)\(first.name)" }
      let ways = meant.map { "\(number)\($0.name) (units of \($0.bytes) bytes)" }
      return "\(subject) does not say of how many bytes a unit is; write "
        + ways.joined(separator: " or ")
    case .broken: return "\(subject) is no whole number of bytes; write fewer digits"
    case .zero: return "\(name.subject) must be more than 0 bytes"
    case .beyond64Bits: return "\(subject) does not fit 64 bits"
    }
  }
}
