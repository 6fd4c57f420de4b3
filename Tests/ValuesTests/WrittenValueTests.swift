import Testing
import Values

@Suite struct WrittenValueTests {
  private enum Fruit: String, AxisWord {
    case apple, pear
    case sour = "sour-cherry"
  }

  private func round<Value: WrittenValue>(_ value: Value) throws -> Value {
    try Value(value.written, for: "x")
  }

  @Test func `a value is what its own text says`() throws {
    for value in [0, 1, -1, Int.max, Int.min] { #expect(try round(value) == value) }
    for value in [0, 1, UInt64.max] { #expect(try round(value) == value) }
    for value in [0, 0.05, -1e-300, 1e300, 1 / 3.0] { #expect(try round(value) == value) }
    for value in [true, false] { #expect(try round(value) == value) }
    for value in Fruit.allCases { #expect(try round(value) == value) }
    for value in ["", "4", "a b"] { #expect(try round(value) == value) }
    for value in [nil, 4, 0] { #expect(try round(value) == value) }
  }

  @Test func `a value of whatever type is another of its type alone`() {
    let all: [any WrittenValue] = [4, UInt64(4), 4.0, "4", Fruit.apple, "apple", true]
    for (index, one) in all.enumerated() {
      #expect(all.indices.filter { one.equals(all[$0]) } == [index])
    }
  }

  /// A text, the sentence about it where it is no whole number, and where it is no number.
  private static let numbers: [(text: String, whole: String?, number: String?)] = [
    ("4", nil, nil), ("-4", nil, nil), ("+4", nil, nil), ("4.5", "a whole number, not 4.5", nil),
    ("1e3", "a whole number, not 1e3", nil), ("", "not the text \"\"", "not the text \"\""),
    ("--4", "not --4", "not --4"), ("four", "not four", "a number, not four"),
    ("nan", "not nan", "not nan"), ("inf", "not inf", "not inf"), ("0x10", "not 0x10", "not 0x10"),
    ("4 5", "not the text \"4 5\"", "not the text \"4 5\""), ("٣", "\"٣\"", "\"٣\""),
    ("9223372036854775808", "does not fit 64 bits", nil), ("1e999", "1e999", "1e999"),
  ]

  @Test(arguments: numbers.indices)
  func `what is no number says so`(index: Int) {
    let (text, whole, number) = Self.numbers[index]
    func sentence<Value: WrittenValue>(_ type: Value.Type) -> String? {
      do { _ = try Value(text, for: "x") } catch { return error.description }
      return nil
    }
    #expect(sentence(Int.self).map { $0.contains(whole ?? "?") } ?? (whole == nil))
    #expect(sentence(Double.self).map { $0.contains(number ?? "?") } ?? (number == nil))
  }

  @Test func `a number in quotes is a text`() {
    let error = #expect(throws: ValueError.self) {
      try Int(WrittenText("4", isPlain: false), for: "n_c")
    }
    #expect(error?.description == "n_c must be a whole number, not the text \"4\"")
    #expect(throws: ValueError.self) { try Bool(WrittenText("true", isPlain: false), for: "x") }
  }

  @Test func `an error has its operands, and the words of whoever shows it`() {
    let error = #expect(throws: ValueError.self) { try Fruit("peer", for: "my_fruit") }
    #expect(error?.name == "my_fruit" && error?.given.text == "peer")
    #expect(error?.fault as? WordFault == WordFault(known: ["apple", "pear", "sour-cherry"]))
    #expect(
      error?.description.hasPrefix("unknown my_fruit \"peer\"; did you mean \"pear\"") == true)
    let option = ValueName(option: "my_fruit")
    #expect(error?.sentence(as: option).hasPrefix("unknown my-fruit \"peer\"") == true)
    let number = #expect(throws: ValueError.self) { try UInt64("-4", for: "n_c") }
    #expect(number?.sentence(as: ValueName(option: "n_c")) == "--n-c must be 0 or more, not -4")
  }
}
