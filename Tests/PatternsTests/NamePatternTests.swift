import Patterns
import Spelling
import TestSupport
import Testing
import Values

@Suite struct NamePatternTests {
  private static let name = "model.layers.12.self_attn.q_proj.weight"

  static let syntax: [(String, Bool?)] = [
    ("q_proj", true), ("k_proj", false), ("layers\\.1[0-9]\\.", true),
    ("layers\\.[013-9]\\.", false),
    ("^model", true), ("^layers", false), ("weight$", true), ("bias$", false),
    ("layers\\.\\d{2}\\.", true), ("layers\\.\\d{3}", false), ("(?:q|k)_proj", true),
    ("(mlp|ln).*weight", false), (".*", true), ("", true), ("\\Amodel\\..*weight\\z", true),
    ("[^a-z0-9_.]", false), ("\\w+\\.\\w+\\.\\d+\\.", true), ("\\S{39}", true),
    ("\\S{40}", false),
    ("self.attn", true), ("(layers|h)\\.(1[12]|2)\\b", true), ("layers\\.1\\b", false),
    ("attn\\B", false), ("q_proj(\\.bias)?\\.weight", true), ("q.*?weight", true), ("|x", true),
    ("[\\w.]+$", true), ("[a\\-z]", true), ("[]x]", nil), ("x{,2}y{0}", true),
    ("[\\]\\^\\\\]", false), ("[+-\\.]", true), ("\\.\\d+\\.\\D", true), ("\\W\\w{4}$", false),
    ("[^\\s\\d]\\.", true),
  ]

  @Test(arguments: syntax)
  func `the usual syntax means the usual`(pattern: String, isFound: Bool?) throws {
    guard let isFound else {
      #expect(throws: ValueError.self) { _ = try NamePattern(pattern, for: "trainable") }
      return
    }
    #expect(try NamePattern(pattern, for: "trainable").isFound(in: Self.name) == isFound)
  }

  @Test func `random patterns find what Swift's own expressions find`() throws {
    var random = SplitMix64(seed: 9)
    func pick(_ words: [String]) -> String { words.randomElement(using: &random) ?? "" }
    func pattern(_ depth: Int) -> String {
      (0..<Int.random(in: 1...3, using: &random)).map { _ in
        let isGroup = depth > 0 && Int.random(in: 0..<3, using: &random) == 0
        let atom =
          isGroup
          ? pick(["(", "(?:"]) + pattern(depth - 1)
            + (Bool.random(using: &random) ? "|" + pattern(depth - 1) : "") + ")"
          : pick(["a", "b", "\\.", ".", "[ab]", "[^a]", "\\d", "\\w", "[a-b0]", "[\\d.]", "\\D"])
        return atom
          + pick(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "*?", "+?", "{2,}"])
      }.joined()
    }
    var found = 0
    for _ in 0..<3_000 {
      let text = pick(["", "", "^"]) + pattern(2) + pick(["", "", "$"])
      let name = (0..<Int.random(in: 0...7, using: &random)).map { _ in
        pick(["a", "b", ".", "0", "_"])
      }.joined()
      let expected = try Regex(text).firstMatch(in: name) != nil
      #expect(
        try NamePattern(text, for: "trainable").isFound(in: name) == expected, "\(text) in \(name)")
      found += expected ? 1 : 0
    }
    #expect(found > 500 && found < 2_500)
  }

  @Test(arguments: [
    "(.+)+Z", "(a*)*b", "(a|aa)+$b", "(a|a?)+b", "(.*)(.*)(.*)(.*)(.*)[^a]", "((a+)+)+\\d",
    "(a?){20}a{20}b", "^(([a-z])+.)+[A-Z]([a-z])+$", "((a?){30}){15}b", "(.?){490}b",
  ])
  func `no pattern takes more than a moment on a name of two hundred letters`(
    pattern: String
  ) throws {
    let name = String(repeating: "a", count: 200)
    let start = ContinuousClock.now
    #expect(try !NamePattern(pattern, for: "trainable").isFound(in: name))
    // Milliseconds on a quiet machine; backtracking would outlast the Sun.
    #expect(ContinuousClock.now - start < .seconds(5))
  }

  static let refused: [(String, String)] = [
    ("(", "\"(\" is not a regular expression: a group is not closed"), (")", "a ) closes no group"),
    ("a)b", "a ) closes no group"), ("*a", "Invalid preceding"), ("a**", "follows another"),
    ("[a", "a class is not closed"), ("[]", "a class is empty"), ("[b-a]", "Invalid range end"),
    ("[[:alpha:]]", "a [ stands in a class"), ("a{", "a { opens no count"),
    ("a{2,1}", "Invalid content"), ("a\\", "ends with a backslash"),
    ("a{1001}", "more than 1000 times"), ("(a{1000}){1000}", "too often"),
    ("((((){1000}){1000}){1000}){1000}", "too often"), ("(?=a)", "lookaround"),
    ("(?<!a)b", "lookaround"), ("(a)\\1", "a reference to a group"), ("a++", "possessive"),
    ("(?>a)", "an atomic group"), ("(?i)a", "a name or an option"), ("\\q", "the escape \\q"),
    ("(\u{301}a", "beyond ASCII"),
    (String(repeating: "(", count: 200), "more than 100 groups within groups"),
    (String(repeating: "a", count: 1_001), "is longer than 1000 characters"),
  ]

  @Test(arguments: refused)
  func `what is no pattern, or too much of one, is one sentence`(
    pattern: String, part: String
  ) throws {
    let error = try #require(throws: ValueError.self) {
      _ = try NamePattern(pattern, for: "trainable")
    }
    #expect(error.description.contains(part) && !error.description.contains("\n"), "\(error)")
    #expect(error.description.hasPrefix("trainable \"") && error.description.count < 200)
  }
}
