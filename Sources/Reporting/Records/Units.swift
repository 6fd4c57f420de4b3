/// Numbers as a person reads them.
package enum Units {
  /// Bytes with a binary unit, such as `1.50 MiB`; `17 B` below one KiB.
  package static func bytes(_ count: Int) -> String {
    let names = ["KiB", "MiB", "GiB", "TiB", "PiB"]
    var value = Double(count.magnitude) / 1024
    guard value >= 1 else { return "\(count) B" }
    var index = 0
    while value >= 1023.995, index < names.count - 1 {
      value /= 1024
      index += 1
    }
    return "\(count < 0 ? "-" : "")\(fixed(value, 2)) \(names[index])"
  }

  /// A size as it is typed where a binary unit divides it, such as `80GiB`.
  package static func short(_ count: Int) -> String {
    let names = ["TiB", "GiB", "MiB", "KiB"]
    for (index, name) in names.enumerated() where count > 0 {
      let unit = 1 << (10 * (names.count - index))
      if count % unit == 0 { return "\(count / unit)\(name)" }
    }
    return bytes(count)
  }

  /// A whole number with a comma before every three digits.
  package static func grouped(_ count: Int) -> String {
    var digits = String(count.magnitude)
    for place in stride(from: digits.count - 3, to: 0, by: -3) {
      digits.insert(",", at: digits.index(digits.startIndex, offsetBy: place))
    }
    return (count < 0 ? "-" : "") + digits
  }

  /// Exact bytes, with the binary unit beside them where one helps.
  package static func exactBytes(_ count: Int) -> String {
    count.magnitude < 1024 ? "\(count) B" : "\(count) B (\(bytes(count)))"
  }

  /// Bytes as a count without a larger unit; what is none, or beyond 64 bits, as it is.
  package static func wholeBytes(_ count: Double) -> String {
    (Int(exactly: count).map(String.init) ?? fixed(count, 1)) + " B"
  }

  /// A ratio with two decimals, and with two digits that say something where it is smaller.
  package static func ratio(_ value: Double) -> String {
    guard value > 0, value < 0.01 else { return fixed(value, 2) }
    var decimals = 3
    var scaled = value * 100
    while scaled < 0.995, decimals < 12 {
      scaled *= 10
      decimals += 1
    }
    return fixed(value, decimals)
  }

  /// A number with this many decimals.
  package static func fixed(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return value.description }
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = (abs(value) * scale).rounded()
    guard scaled < 9e18 else { return value.description }
    let digits = String(Int(scaled))
    let padded = String(repeating: "0", count: max(decimals + 1 - digits.count, 0)) + digits
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard decimals > 0 else { return sign + padded }
    return "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
  }

  /// A small number with three significant digits: `0.312`, `1.25e-06`, `0`.
  package static func significant(_ value: Double) -> String {
    guard value != 0, value.isFinite else { return value == 0 ? "0" : value.description }
    var exponent = 0
    var mantissa = abs(value)
    while mantissa >= 9.995 {
      mantissa /= 10
      exponent += 1
    }
    while mantissa < 0.9995 {
      mantissa *= 10
      exponent -= 1
    }
    if exponent >= -3 && exponent <= 5 { return fixed(value, max(2 - exponent, 0)) }
    let power = abs(exponent)
    let tail = "\(exponent < 0 ? "-" : "+")\(power < 10 ? "0" : "")\(power)"
    return "\(value < 0 ? "-" : "")\(fixed(mantissa, 2))e\(tail)"
  }

  /// Seconds as a person waits: `0.42 s`, `12 s`, `3 min 05 s`, `2 h 10 min`.
  package static func seconds(_ value: Double) -> String {
    guard value.isFinite, value < 1e9 else { return "a long time" }
    if value < 9.995 { return "\(fixed(max(value, 0), 2)) s" }
    let whole = Int(value.rounded())
    if whole < 60 { return "\(whole) s" }
    let padded = { (number: Int) in number < 10 ? "0\(number)" : "\(number)" }
    if whole < 3600 { return "\(whole / 60) min \(padded(whole % 60)) s" }
    return "\(whole / 3600) h \(padded(whole % 3600 / 60)) min"
  }
}
