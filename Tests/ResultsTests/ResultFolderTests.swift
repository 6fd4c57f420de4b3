import Files
import Reporting
import Results
import TestSupport
import Testing

@Suite struct ResultFolderTests {
  private static func text(_ file: String) throws -> String {
    try ResultText.read("\(Repository.fixtures)/pictures/\(file)")
  }

  @Test func `a folder without points is refused, and one without rows`() throws {
    let folder = try Folder()
    func refusal() -> String? {
      do { _ = try ResultFolder(folder.path, to: "show") } catch { return error.description }
      return nil
    }
    #expect(refusal()?.contains("holds no points.csv") == true)
    let header = try #require(try Self.text("modes/points.csv").split(separator: "\n").first)
    try folder.add("points.csv", header + "\n")
    #expect(refusal()?.hasSuffix("there is nothing to show") == true)
    try folder.add("points.csv", "mode,n_c\nfull-graph,4\n")
    #expect(refusal()?.contains("has no column") == true)
  }

  @Test func `laws of the points are of them, those of others are left out with a sentence`() throws
  {
    let folder = try Folder()
    try folder.add("points.csv", Self.text("modes/points.csv"))
    try folder.add("laws.csv", Self.text("modes/laws.csv"))
    let own = try ResultFolder(folder.path, to: "show")
    #expect(own.points.document.rows.count == 16 && own.contradictions.isEmpty)
    #expect(own.files == ["laws.csv", "points.csv"])
    try folder.add("laws.csv", Self.text("seed/laws.csv"))
    let strange = try ResultFolder(folder.path, to: "show")
    #expect(strange.contradictions.contains { $0.hasPrefix("laws.csv") })
  }
}
