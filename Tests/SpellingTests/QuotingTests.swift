import Foundation
import Spelling
import Testing

@Suite struct QuotingTests {
  /// Texts with what a terminal would obey, and with what JSON escapes.
  private static let texts = [
    "", "plain", "it's", "a \"b\" \\ c", "new\nline\ttab", "\u{1b}[31mred", "\u{202e}turned",
    "né 漢字 🙂", "\u{0}", "$HOME `id` ;rm",
  ]

  @Test(arguments: texts)
  func `nothing quoted is a command to a terminal, or a line`(text: String) {
    for shown in [quoted(text), printable(text.unicodeScalars), JSONText.string(text).text] {
      #expect(!shown.unicodeScalars.contains { $0.value < 0x20 || $0 == "\u{202e}" })
    }
    #expect(quoted(text).hasPrefix("\"") && quoted(text).hasSuffix("\""))
  }

  @Test func `what is quoted is cut`() {
    #expect(quoted(String(repeating: "x", count: 500)).count == 83)
  }

  @Test(arguments: texts)
  func `a JSON string is read back as it was`(text: String) throws {
    let value = try JSONSerialization.jsonObject(
      with: Data(JSONText.string(text).text.utf8), options: .fragmentsAllowed)
    #expect(value as? String == text)
  }

  @Test(arguments: texts.filter { !$0.utf8.contains(0) })
  func `a word of a shell is read back as it was`(text: String) throws {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/bash")
    shell.arguments = ["-c", "printf %s \(shellQuoted(text))"]
    let output = Pipe()
    shell.standardOutput = output
    try shell.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    shell.waitUntilExit()
    #expect(String(decoding: data, as: UTF8.self) == text)
  }
}
