import Files
import Foundation
import Reporting
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// A judgement of each verdict, in texts that formats must escape.
private func judgements() -> [Judgement] {
  func judgement(
    _ verdict: Judgement.Verdict, line: Int, figure: Double?, upper: Double? = 100,
    unit: String = "bytes", reason: String? = nil
  ) -> Judgement {
    Judgement(
      file: "a,b: 50%/<x>.yaml", line: line, profile: "p \"1\" & <2>", title: "retained",
      point: "full-graph n_c=\(line)", unit: unit, figure: figure, upper: upper, lower: nil,
      verdict: verdict, reason: reason)
  }
  var over = judgement(.over, line: 3, figure: 120)
  over.isDifference = true
  over.tensors = [
    TensorChange(name: "layers.0.a:\"x\" & <y>", before: nil, after: 20, form: "4x5 uint8")
  ]
  return [
    judgement(.ok, line: 2, figure: 80), over,
    judgement(.failed, line: 4, figure: nil, reason: "no\u{1}room,\nnone\r\tat all: 5%"),
    judgement(.notJudged, line: 5, figure: nil, reason: "shapes have no gradients"),
    judgement(.under, line: 6, figure: 0.1 + 0.2, unit: "ratio"),
    judgement(.over, line: 7, figure: .nan, unit: "ratio"),
  ]
}

/// Every element that a parser saw, in order.
private final class Elements: NSObject, XMLParserDelegate {
  var all: [(name: String, attributes: [String: String], text: String)] = []
  private var open: [Int] = []

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    open.append(all.count)
    all.append((name, attributes, ""))
  }

  func parser(
    _ parser: XMLParser, didEndElement: String, namespaceURI: String?, qualifiedName: String?
  ) { open.removeLast() }

  func parser(_ parser: XMLParser, foundCharacters string: String) {
    if let last = open.last { all[last].text += string }
  }
}

@Suite struct BudgetFormatTests {
  @Test func `JUnit is XML whose texts read back`() throws {
    let parser = XMLParser(data: Data(BudgetFormats.junit(judgements()).utf8))
    let elements = Elements()
    parser.delegate = elements
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    let suite = try #require(elements.all.first)
    #expect(suite.name == "testsuite")
    #expect(suite.attributes["name"] == "p \"1\" & <2>")
    let counts = ["tests", "failures", "errors", "skipped"].map { suite.attributes[$0] }
    #expect(counts == ["6", "3", "1", "1"])
    let cases = elements.all.filter { $0.name == "testcase" }
    #expect(cases.map { $0.attributes["line"] } == ["2", "3", "4", "5", "6", "7"])
    #expect(cases.allSatisfy { $0.attributes["file"] == "a,b: 50%/<x>.yaml" })
    let failure = try #require(elements.all.first { $0.name == "failure" })
    #expect(
      failure.attributes["message"]
        == "retained of full-graph n_c=3 is 120 B, the budget at most 100 B")
    #expect(failure.text.contains("against the baseline:\n"))
    #expect(failure.text.contains("layers.0.a:\"x\" & <y> appeared, 20 B (4x5 uint8)"))
    let error = try #require(elements.all.first { $0.name == "error" })
    // What a terminal would obey, and XML cannot hold, is written out.
    #expect(
      error.attributes["message"]?.contains(#"no\u{1}room,\u{a}none\u{d}\u{9}at all"#) == true)
    #expect(elements.all.count { $0.name == "skipped" } == 1)
  }

  @Test func `points of a budget that were not judged are counted beside those that were`() {
    var all = judgements()
    for index in all.indices { all[index].line = 9 }
    let lines = BudgetFormats.github(all).split(separator: "\n")
    #expect(lines.count == 2 && lines[0].contains("title=budget retained (4 of 6 points)::"))
    #expect(lines[1].hasPrefix("::warning ") && lines[1].contains("not judged::"))
    all.removeAll { $0.verdict != .ok && $0.verdict != .notJudged }
    #expect(BudgetTable.text(of: all).contains("ok, 1 not judged"))
    #expect(BudgetFormats.github(all).hasPrefix("::warning "))
  }

  @Test func `JUnit without judgements is XML too`() {
    #expect(XMLParser(data: Data(BudgetFormats.junit([]).utf8)).parse())
  }

  private struct Figure: Codable {
    let name: String
    let unit: String
    let value: Double
  }

  @Test func `JSON has each figure once, exactly, and none that is no number`() throws {
    let all = judgements() + judgements()
    let figures = try JSONDecoder().decode(
      [Figure].self, from: Data(BudgetFormats.json(all).utf8))
    #expect(figures.map(\.value) == [80, 120, 0.1 + 0.2])
    #expect(figures.map(\.unit) == ["bytes", "bytes", "ratio"])
    #expect(figures[0].name == "p \"1\" & <2>: retained, full-graph n_c=2")
    #expect(
      try JSONDecoder().decode([Figure].self, from: Data(BudgetFormats.json([]).utf8)).isEmpty)
  }

  @Test func `GitHub gets one command a budget, on one line, which decodes`() throws {
    let lines = BudgetFormats.github(judgements()).split(separator: "\n")
    #expect(lines.count == 5)
    for (line, kind) in zip(lines, ["error", "error", "warning", "error", "error"]) {
      #expect(line.hasPrefix("::\(kind) file=a%2Cb%3A 50%25/<x>.yaml,line="))
    }
    #expect(
      lines[2].hasSuffix(
        ",line=5,title=budget retained not judged::retained of full-graph n_c=5 is not judged: "
          + "shapes have no gradients"))
    let parts = try #require(lines.first).split(separator: "::", maxSplits: 2)
    #expect(parts[0].hasSuffix(",line=3,title=budget retained"))
    let message = parts[1].replacing("%0A", with: "\n").replacing("%0D", with: "\r")
      .replacing("%25", with: "%")
    #expect(
      message == """
        retained of full-graph n_c=3 is 120 B, the budget at most 100 B
        layers.0.a:"x" & <y> appeared, 20 B (4x5 uint8)
        """)
    #expect(lines[1].contains(#"no\u{1}room,\u{a}none\u{d}\u{9}at all: 5%25"#))
    #expect(BudgetFormats.github([judgements()[0]]).isEmpty)
  }

  @Test func `the table has a row a budget at its worst point, and tensors under it`() throws {
    var better = judgements()[1]
    better.figure = 110
    better.point = "another"
    let text = BudgetTable.text(of: [judgements()[0], better, judgements()[1]])
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines[1].hasSuffix("80 B    20 B  ok"))
    #expect(lines[2].contains("full-graph n_c=3  at most 100 B   120 B   -20 B  over (2)"))
    #expect(lines[4] == "a,b: 50%/<x>.yaml:3: \(judgements()[1].sentence)")
    #expect(
      lines[5...6] == ["  against the baseline:", "    \(judgements()[1].tensors[0].sentence)"])
  }

  @Test func `a verdict allows the limits themselves, and nothing that is no number`() {
    typealias Verdict = Judgement.Verdict
    #expect(Verdict(of: 5, upper: 5, lower: 5) == .ok)
    #expect(Verdict(of: 5, upper: 4.9, lower: nil) == .over)
    #expect(Verdict(of: 5, upper: nil, lower: 5.1) == .under)
    #expect(Verdict(of: .nan, upper: nil, lower: 1) == .under)
    #expect(Verdict(of: .nan, upper: 1, lower: nil) == .over)
    #expect(Verdict(of: .nan, upper: nil, lower: nil) == .ok)
  }
}

@Suite struct CSVDocumentTests {
  @Test func `what CSV writes is read back, quotes and line breaks included`() throws {
    let cells = ["a", "", "b,c", "\"", "x\r\ny", " \"\" ", "ü", "\n"]
    let text = CSV.line(cells.map(Cell.text)) + CSV.line(cells.reversed().map(Cell.text))
    let document = try CSVDocument(text)
    #expect(document.header == cells && document.rows.map(\.fields) == [cells.reversed()])
    // In the file itself a text that begins with a line break has an apostrophe before it.
    let marked = cells.map { $0 == "\n" ? "'\n" : $0 }
    #expect(CSVReader.records(text) == [marked, marked.reversed()])
    let windows = try CSVDocument("\u{FEFF}a,b\r\n1,\"2\r\n\"\r\n")
    #expect(windows.header == ["a", "b"] && windows.rows.map(\.fields) == [["1", "2\r\n"]])
    #expect(windows.rows.first?.line == 2)
  }

  @Test(arguments: [
    ("", "line 1 has no header"), ("\n", "line 1 has no header"),
    ("a", "line 1 does not end; the file was cut off"),
    ("a,b\n1,2\n3", "line 3 does not end; the file was cut off"),
    ("a,b\n1\n", "line 2 has 1 field, the header 2"),
    ("a,b\n1,2,3\n", "line 2 has more than 2 fields"),
    ("a,b\n1,2\n\"x\n\",\"y\n", "line 4 opens a quote that nothing closes"),
    ("a\n\"x\"y\n", "line 2 has text after a closing quote"),
    ("a\nx\"y\"\n", "line 2 has a quote inside a field that no quote opens"),
    (String(repeating: ",", count: 5000) + "\n", "line 1 has more than 1000 fields"),
  ])
  func `what is no CSV is one sentence with its line`(text: String, sentence: String) throws {
    let error = try #require(throws: CSVError.self) { _ = try CSVDocument(text) }
    #expect(error.description == sentence)
  }

  @Test func `a header is refused before rows are read`() throws {
    let error = try #require(throws: CSVError.self) {
      _ = try CSVDocument("a\n\"") { $0 == ["a"] ? "is not ours" : nil }
    }
    #expect(error.description == "line 1 is not ours")
  }
}
