import Foundation
import TestSupport
import Testing
import Traces

@Suite struct PickleWriterTests {
  /// What Python reads of a pickle, as JSON.
  private func read(_ value: PickledValue) throws -> Any {
    let folder = try Folder()
    let path = try folder.add("value.pickle", PickleWriter.bytes(of: value))
    let python = Process()
    python.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    python.arguments = [
      "python3", "-c",
      "import json, pickle, sys; print(json.dumps(pickle.load(open(sys.argv[1], 'rb'))))",
      path,
    ]
    let output = Pipe()
    python.standardOutput = output
    try python.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    python.waitUntilExit()
    return try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
  }

  @Test func `Python reads what was written`() throws {
    for number in [0, -1, 1 << 31, -(1 << 31), Int.max, Int.min] {
      #expect(try read(.integer(number)) as? Int == number)
    }
    for text in ["", "a", "né 漢字 🙂", "\u{0}\n\""] {
      #expect(try read(.text(text)) as? String == text)
    }
    // More than are added at a time.
    let many = (0..<2500).map { $0 * 3 }
    #expect(try read(.list(many.map(PickledValue.integer))) as? [Int] == many)
    let members: [(String, PickledValue)] = [("b", .integer(1)), ("a", .list([.text("x")]))]
    let object = try read(.dictionary(members)) as? [String: Any]
    #expect(object?["b"] as? Int == 1 && object?["a"] as? [String] == ["x"])
  }
}
