import Spelling

/// A strict parser of JSON (RFC 8259) for files that strangers wrote.
///
/// Stricter than the standard where it leaves a choice: no key twice, no lone surrogates, no byte
/// order mark, numbers within a double's range. Depth and the number of values are bounded, so that
/// no input can exhaust the stack or the memory. Foundation's parser takes the last of two equal
/// keys and reads large integers as doubles, which would hide a broken file.
package struct JSONParser {
  private let bytes: [UInt8]
  private var position = 0
  private var depth = 0
  private var values = 0
  private let maximumDepth: Int
  private let maximumValues: Int

  /// Parses a whole file.
  ///
  /// - Parameters:
  ///   - bytes: The file.
  ///   - maximumDepth: Arrays and objects within each other.
  ///   - maximumValues: Values of all kinds together; a value takes up to about 100 bytes.
  /// - Returns: The value.
  /// - Throws: `JSONError` at the first fault.
  package static func parse(
    _ bytes: [UInt8], maximumDepth: Int = 64, maximumValues: Int = 1 << 20
  ) throws(JSONError) -> JSON {
    var parser = JSONParser(
      bytes: bytes, maximumDepth: maximumDepth, maximumValues: maximumValues)
    return try parser.document()
  }

  private init(bytes: [UInt8], maximumDepth: Int, maximumValues: Int) {
    (self.bytes, self.maximumDepth, self.maximumValues) = (bytes, maximumDepth, maximumValues)
  }

  private mutating func document() throws(JSONError) -> JSON {
    if let mark = OpenedFile.byteOrderMark(of: bytes) { throw fault(mark.sentence) }
    if GitLFS.isPointer(bytes) {
      throw JSONError(reason: GitLFS.sentence, offset: 0, isPointer: true)
    }
    skipSpace()
    if next == nil { throw fault("is empty") }
    let value = try self.value()
    skipSpace()
    if next != nil { throw fault("goes on after its end") }
    return value
  }

  private func fault(_ reason: String) -> JSONError { JSONError(reason: reason, offset: position) }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
      position += 1
    }
  }

  /// Takes `byte` if it is next.
  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }

  private mutating func value() throws(JSONError) -> JSON {
    values += 1
    if values > maximumValues { throw fault("holds more than \(maximumValues) values") }
    guard let byte = next else { throw fault("ends within a value") }
    switch byte {
    case UInt8(ascii: "{"): return try nested(Self.object)
    case UInt8(ascii: "["): return try nested(Self.array)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    case UInt8(ascii: "-"):
      try refuseNonNumbers()
      return try number()
    default:
      try refuseNonNumbers()
      throw fault("has no JSON value")
    }
  }

  /// Refuses the words that Python's `json` writes for numbers which JSON does not have.
  private func refuseNonNumbers() throws(JSONError) {
    for word in ["NaN", "Infinity", "-Infinity"]
    where bytes[position...].starts(with: Array(word.utf8)) {
      throw fault("holds \(word), which is no JSON; write a number or null in its place")
    }
  }

  private mutating func word(_ text: StaticString, _ value: JSON) throws(JSONError) -> JSON {
    for byte in "\(text)".utf8 where !take(byte) { throw fault("has no JSON value") }
    return value
  }

  private mutating func nested(
    _ body: (inout Self) throws(JSONError) -> JSON
  ) throws(JSONError) -> JSON {
    if depth == maximumDepth { throw fault("is nested deeper than \(maximumDepth)") }
    depth += 1
    defer { depth -= 1 }
    position += 1
    skipSpace()
    return try body(&self)
  }

  private static func array(_ parser: inout Self) throws(JSONError) -> JSON {
    var elements: [JSON] = []
    if parser.take(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      elements.append(try parser.value())
      parser.skipSpace()
      if parser.take(UInt8(ascii: "]")) { return .array(elements) }
      guard parser.take(UInt8(ascii: ",")) else { throw parser.fault("lacks a comma or a bracket") }
      parser.skipSpace()
    }
  }

  private static func object(_ parser: inout Self) throws(JSONError) -> JSON {
    var members: [String: JSON] = [:]
    if parser.take(UInt8(ascii: "}")) { return .object(members) }
    while true {
      guard parser.next == UInt8(ascii: "\"") else { throw parser.fault("lacks a key in quotes") }
      let start = parser.position
      let key = try parser.string()
      parser.skipSpace()
      guard parser.take(UInt8(ascii: ":")) else { throw parser.fault("lacks a colon") }
      parser.skipSpace()
      if members.updateValue(try parser.value(), forKey: key) != nil {
        throw JSONError(reason: "has the key \(quoted(key)) twice", offset: start)
      }
      parser.skipSpace()
      if parser.take(UInt8(ascii: "}")) { return .object(members) }
      guard parser.take(UInt8(ascii: ",")) else { throw parser.fault("lacks a comma or a brace") }
      parser.skipSpace()
    }
  }

  // MARK: Numbers

  private mutating func digits() -> Int {
    let start = position
    while let byte = next, byte >= 0x30 && byte <= 0x39 { position += 1 }
    return position - start
  }

  private mutating func number() throws(JSONError) -> JSON {
    let start = position
    var isInteger = true
    _ = take(UInt8(ascii: "-"))
    let leadsWithZero = next == UInt8(ascii: "0")
    let whole = digits()
    if whole == 0 || (leadsWithZero && whole > 1) { throw fault("has a malformed number") }
    if take(UInt8(ascii: ".")) {
      isInteger = false
      if digits() == 0 { throw fault("has a malformed number") }
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      isInteger = false
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      if digits() == 0 { throw fault("has a malformed number") }
    }
    if position - start > 1000 { throw fault("has a number of more than 1000 digits") }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else {
      throw JSONError(reason: "has a number that no double can hold", offset: start)
    }
    return .number(value)
  }

  // MARK: Strings

  private mutating func string() throws(JSONError) -> String {
    position += 1
    let start = position
    var unescaped: [UInt8]?  // nil until the first escape
    while true {
      guard let byte = next else { throw fault("ends within a string") }
      if byte < 0x20 { throw fault("has a control character in a string") }
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        let text =
          unescaped.map { String(validating: $0, as: UTF8.self) }
          ?? String(validating: bytes[start..<position - 1], as: UTF8.self)
        guard let text else {
          throw JSONError(reason: "has a string that is not UTF-8", offset: start)
        }
        return text
      case UInt8(ascii: "\\"):
        var buffer = unescaped ?? Array(bytes[start..<position - 1])
        unescaped = nil  // so that the buffer is not copied
        buffer.append(contentsOf: try escape())
        unescaped = buffer
      default: unescaped?.append(byte)
      }
    }
  }

  /// The UTF-8 of what follows a backslash.
  private mutating func escape() throws(JSONError) -> [UInt8] {
    guard let byte = next else { throw fault("ends within a string") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0c]
    case UInt8(ascii: "n"): return [0x0a]
    case UInt8(ascii: "r"): return [0x0d]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): return try unicodeEscape()
    default: throw fault("has an unknown escape in a string")
    }
  }

  private mutating func unicodeEscape() throws(JSONError) -> [UInt8] {
    var code = try hexadecimal()
    if code & 0xfc00 == 0xd800, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
      let low = try hexadecimal()
      guard low & 0xfc00 == 0xdc00 else { throw fault("has half a surrogate pair") }
      code = 0x10000 + (code & 0x3ff) << 10 + low & 0x3ff
    }
    guard let scalar = Unicode.Scalar(code) else { throw fault("has half a surrogate pair") }
    return Array(String(Character(scalar)).utf8)
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw fault("has a malformed \\u escape")
      }
      code = code << 4 + UInt32(digit)
      position += 1
    }
    return code
  }
}
