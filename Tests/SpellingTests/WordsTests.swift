import Spelling
import Testing

@Suite struct WordsTests {
  private static let modes = ["full-graph", "pruned-graph", "detached-prefix", "replayed-prefix"]

  @Test(
    arguments: [
      ("dtached-prefix", "detached-prefix"), ("full", "full-graph"), ("FULL_GRAPH", "full-graph"),
      ("replayd-prefix", "replayed-prefix"), ("zzzz", nil), ("", nil),
    ] as [(String, String?)])
  func `the nearest word is found`(word: String, meant: String?) {
    #expect(Words.nearest(to: word, among: Self.modes) == meant)
  }

  @Test func `advice names the word that was meant, and all`() {
    #expect(
      Words.advice(for: "peer", among: ["pear", "fig"])
        == "did you mean \"pear\", one of pear, fig?")
    #expect(Words.advice(for: "zzzz", among: ["pear", "fig"]) == "it is one of pear, fig")
    #expect(Words.nearest(to: "bf16", among: ["float32", "bfloat16"]) == "bfloat16")
    #expect(Words.nearest(to: "bf16", among: ["float32"]) == nil)
  }

  @Test func `things are listed as people list them`() {
    #expect(
      Words.list([]) == "" && Words.list(["a"]) == "a" && Words.list(["a", "b"]) == "a and b")
    #expect(Words.list(["a", "b", "c"]) == "a, b and c")
  }
}
