import Files
import Spelling
import Testing

@Suite struct `The JSON parser` {
  private func parse(_ text: String) throws -> JSON { try JSONParser.parse(Array(text.utf8)) }

  private func fault(_ bytes: [UInt8]) -> String? {
    do throws(JSONError) {
      _ = try JSONParser.parse(bytes)
      return nil
    } catch {
      return error.reason
    }
  }

  @Test func `reads every kind of value`() throws {
    #expect(try parse(" null ") == .null)
    #expect(try parse("[true,false , []]") == .array([.bool(true), .bool(false), .array([])]))
    #expect(try parse("9223372036854775807") == .integer(.max))
    #expect(try parse("-9223372036854775808") == .integer(.min))
    #expect(try parse("9223372036854775808") == .number(9_223_372_036_854_775_808))
    #expect(try parse("-0") == .integer(0))
    #expect(try parse("1e-05") == .number(1e-5))
    #expect(try parse("-2.50E+2") == .number(-250))
    #expect(
      try parse("{\"a\" : {\"b\":[1.0]}}") == .object(["a": .object(["b": .array([.number(1)])])]))
    #expect(
      try parse(#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é😀""#) == .string("\"\\/\u{8}\u{c}\n\r\té😀é😀"))
    #expect(try parse("\"\\u0000\"") == .string("\0"))
  }

  @Test(arguments: [
    ("", "is empty"), (" \n", "is empty"), ("{", "lacks a key in quotes"),
    ("[", "ends within a value"), ("[1,]", "has no JSON value"),
    ("[1 2]", "lacks a comma or a bracket"),
    ("{\"a\":1,}", "lacks a key in quotes"), ("{\"a\" 1}", "lacks a colon"),
    ("{\"a\":1 \"b\":2}", "lacks a comma or a brace"), ("{a:1}", "lacks a key in quotes"),
    ("{\"a\":1,\"a\":2}", "has the key \"a\" twice"),
    ("{\"a\":1,\"\\u0061\":2}", "has the key \"a\" twice"),
    ("1 2", "goes on after its end"), ("nul", "has no JSON value"),
    ("NaN", "holds NaN, which is no JSON; write a number or null in its place"),
    ("[1, Infinity]", "holds Infinity, which is no JSON; write a number or null in its place"),
    (
      "{\"a\": -Infinity}", "holds -Infinity, which is no JSON; write a number or null in its place"
    ),
    ("Nan", "has no JSON value"), ("-Inf", "has a malformed number"),
    ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n", GitLFS.sentence),
    ("version 2", "has no JSON value"),
    ("01", "has a malformed number"), ("1.", "has a malformed number"),
    (".5", "has no JSON value"), ("1e", "has a malformed number"), ("+1", "has no JSON value"),
    ("1e999", "has a number that no double can hold"),
    ("\"abc", "ends within a string"), ("\"a\nb\"", "has a control character in a string"),
    (#""\x""#, "has an unknown escape in a string"), (#""\u12g4""#, "has a malformed \\u escape"),
    (#""\ud800""#, "has half a surrogate pair"), (#""\udc00""#, "has half a surrogate pair"),
    (#""\ud800\u0041""#, "has half a surrogate pair"), ("// x", "has no JSON value"),
    ("\u{feff}{}", "starts with a byte order mark; save it as UTF-8 without one"),
  ])
  func `refuses what is not strict JSON`(_ text: String, _ reason: String) {
    #expect(fault(Array(text.utf8)) == reason)
  }

  @Test func `refuses bytes that are not UTF-8`() {
    let quote = UInt8(ascii: "\"")
    for bad: [UInt8] in [
      [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82],
    ] {
      #expect(fault([quote] + bad + [quote]) == "has a string that is not UTF-8")
    }
    #expect(fault([0xff, 0xfe, 0x7b, 0x00]) == "is UTF-16; save it as UTF-8")
  }

  @Test func `bounds depth, values and digits`() {
    let bracket = UInt8(ascii: "[")
    #expect(fault([UInt8](repeating: bracket, count: 1 << 20)) == "is nested deeper than 64")
    let objects = String(repeating: "{\"a\":", count: 1 << 16)
    #expect(fault(Array(objects.utf8)) == "is nested deeper than 64")
    #expect(throws: JSONError.self) {
      try JSONParser.parse(Array("[1,2,3,4]".utf8), maximumValues: 4)
    }
    #expect(fault([UInt8](repeating: UInt8(ascii: "7"), count: 5000))?.contains("1000") == true)
  }

  @Test func `quotes text so that it stays one line`() {
    #expect(quoted("a\nb\u{202e}") == "\"a\\u{a}b\\u{202e}\"")
    #expect(quoted(String(repeating: "x", count: 1000)).count == 83)
  }
}
