import HTMLReport
import TestSupport
import Testing

@Suite struct ReportPageTests {
  @Test func `a page holds its data, its scripts and its library, and asks for nothing`() throws {
    let folder = try ReportFolder("\(Repository.fixtures)/pictures/modes")
    let page = ReportPage.html(of: folder, version: "1.2.3<")
    #expect(!page.contains("@@") && page.contains(#""version":"1.2.3\u003c""#))
    for mode in ["full-graph", "pruned-graph", "detached-prefix", "replayed-prefix"] {
      #expect(page.contains("\"\(mode)\""))
    }
    for word in ["<script src", "<link", "@import", "fetch("] { #expect(!page.contains(word)) }
    let both = ReportPage.html(of: folder, against: folder, version: "1")
    #expect(both.count > page.count)
  }
}
