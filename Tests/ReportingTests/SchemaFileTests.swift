import Foundation
import Reporting
import Retention
import Testing
import Values

/// `python/ballast_pictures/schema.json`: what the pictures know of results, and `check-report` of a page.
@Suite struct SchemaFileTests {
  private static let path = #filePath.replacing(
    "Tests/ReportingTests/SchemaFileTests.swift", with: "python/ballast_pictures/schema.json")

  /// With `BALLAST_WRITE_SCHEMA` set the file is written; run so after a change of the schema.
  @Test func `the pictures know the program's schema`() throws {
    if ProcessInfo.processInfo.environment["BALLAST_WRITE_SCHEMA"] != nil {
      try ResultSchema.text.write(toFile: Self.path, atomically: true, encoding: .utf8)
    }
    #expect(
      try String(contentsOfFile: Self.path, encoding: .utf8) == ResultSchema.text,
      "BALLAST_WRITE_SCHEMA=1 scripts/test --filter SchemaFileTests writes it again")
  }

  @Test func `words are of axes that there are, and of values that those have`() {
    for (name, words) in AxisWords.all {
      guard let axis = PointAxis.find(name) else {
        Issue.record("\(name) is no axis")
        continue
      }
      for way in words.ways {
        #expect(throws: Never.self) { try axis.read(WrittenText(way.value)) }
      }
    }
  }
}
