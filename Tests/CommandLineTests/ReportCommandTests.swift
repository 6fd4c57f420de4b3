import Foundation
import TestSupport
import Testing

/// `ballast report`: the data that a page carries are the folder's; what a browser makes of them is
/// looked at by `scripts/check-report`.
@Suite struct ReportCommandTests {
  private static let profile = """
    model: {name: "</script><!-- x", layers: 2, d_model: 16, heads: 2, d_ff: 24, vocab: 31}
    n_c: [2, 5, 9]
    n_g: 3
    mode: [full-graph, detached-prefix]
    repeat: 2
    """

  private func sweep(_ folder: Folder) throws -> String {
    let path = try folder.add("p.yaml", Self.profile)
    let results = "\(folder.path)/results"
    #expect(try Program.run(["sweep", path, "--output", results]).status == 0)
    return results
  }

  /// The page's data.
  private func data(of html: String) throws -> [String: Any] {
    let start = try #require(html.range(of: "id=\"data\">"))
    let end = try #require(html[start.upperBound...].range(of: "</script>"))
    let text = html[start.upperBound..<end.lowerBound]
    let json = try JSONSerialization.jsonObject(with: Data(text.utf8))
    return try #require(json as? [String: Any])
  }

  /// A packed table's cells as texts, by column; numbers as JSON has them.
  private func cells(of table: Any?) throws -> [String: [String]] {
    let table = try #require(table as? [String: Any])
    let rows = try #require(table["rows"] as? Int)
    let columns = try #require(table["columns"] as? [String: [String: Any]])
    func text(_ value: Any) -> String { value is NSNull ? "" : "\(value)" }
    return try columns.mapValues { column in
      if let constant = column["c"] { return Array(repeating: text(constant), count: rows) }
      if let numbers = column["n"] as? [Any] { return numbers.map(text) }
      let words = try #require(column["w"] as? [String])
      return try #require(column["i"] as? [Int]).map { words[$0] }
    }
  }

  private func isSame(_ one: String, _ other: String) -> Bool {
    one == other || Double(one) != nil && Double(one) == Double(other)
  }

  @Test func `a page carries every cell of points, laws and gradients, and whole ledgers`() throws {
    let folder = try Folder()
    let results = try sweep(folder)
    let written = try Program.run(["report", results])
    #expect(written.status == 0 && written.output.isEmpty)
    let html = try String(contentsOfFile: "\(results)/report.html", encoding: .utf8)
    #expect(try Program.run(["report", results, "--output", "-"]).output == html)
    #expect(!html.contains("@@") && !html.contains("<!-- x"))
    #expect(!html.contains("src=\"http") && !html.contains("href=\"http"))

    let packed = try #require((try data(of: html)["results"] as? [[String: Any]])?.first)
    for name in ["points", "laws", "gradients"] {
      let text = try String(contentsOfFile: "\(results)/\(name).csv", encoding: .utf8)
      let lines = CSVLines(text)
      let cells = try cells(of: packed[name])
      for (index, column) in lines.header.enumerated() {
        let values = try #require(cells[column], "\(name) lacks \(column)")
        #expect(values.count == lines.rows.count)
        #expect(
          zip(values, lines.rows).allSatisfy { isSame($0, $1[index]) }, "\(name).\(column)")
      }
    }
    // Every point has its own tensors: their bytes add up to what it retains.
    let ledger = try cells(of: packed["ledger"])
    let points = try cells(of: packed["points"])
    var sums: [Int: Int] = [:]
    for (point, bytes) in zip(
      try #require(ledger["point"]), try #require(ledger["requested_bytes"]))
    {
      sums[try #require(Int(point)), default: 0] += try #require(Int(bytes))
    }
    let retained = try #require(points["retained_bytes"]).compactMap(Int.init)
    #expect(retained.count == 12 && sums.count == 12)
    for (index, bytes) in retained.enumerated() { #expect(sums[index] == bytes) }
  }

  @Test func `beside an earlier result both are there`() throws {
    let folder = try Folder()
    let results = try sweep(folder)
    let page = try Program.run(["report", results, "--against", results, "--output", "-"])
    let packed = try #require(try data(of: page.output)["results"] as? [[String: Any]])
    #expect(packed.count == 2)
    #expect(packed[0]["name"] as? String == "results")
  }

  @Test func `wrong input is one sentence, and leaves what was there`() throws {
    let folder = try Folder()
    let results = try sweep(folder)
    let place = try folder.add("old.html", "old")
    func refuse(_ arguments: [String], _ part: String) throws {
      let result = try Program.run(["report"] + arguments)
      #expect(result.status == 1 && result.output.isEmpty, "\(arguments)")
      #expect(result.sentence?.contains(part) == true, "\(result.errors)")
    }
    try refuse(["\(folder.path)/none"], "no such folder")
    try refuse([place], "is a file")
    try refuse([folder.path], "holds no points.csv")
    try refuse([""], "no such folder")
    try refuse([results, "--output", "\(folder.path)/no/such.html"], "cannot write")
    try refuse([results, "--output", folder.path], "is a directory")
    for (file, text, part) in [
      ("points.csv", "mode,n_c\n", "has no column \"n_g\""),
      ("points.csv", "mode,n_c,n_g,status,retained_bytes\n", "no rows"),
      ("points.csv", "mode,n_c,n_g,status,retained_bytes\nx\n", "line 2"),
      ("laws.csv", "nothing\n", "has no column"), ("ledger.csv", "", "has no header"),
      ("flow.csv", "layer\n1\n", "has no column \"weight\""),
      ("gradients.csv", "\"\n", "line 1"),
    ] {
      let other = "\(folder.path)/other"
      try? FileManager.default.removeItem(atPath: other)
      try FileManager.default.copyItem(atPath: results, toPath: other)
      try text.write(toFile: "\(other)/\(file)", atomically: true, encoding: .utf8)
      try refuse([other, "--output", place], part)
      try refuse([results, "--against", other, "--output", place], part)
    }
    #expect(try String(contentsOfFile: place, encoding: .utf8) == "old")
    #expect(try Program.run(["report"]).status == 64)
  }

  @Test func `odd cells neither end the script nor break the page`() throws {
    let folder = try Folder()
    _ = try folder.add(
      "points.csv",
      "mode,n_c,n_g,status,retained_bytes,model,loss\nfull-graph,4,4,ok,7,</script>,1e999\n"
        + "x,007,5,ok,,\"a \"\"b\"\"\nc\u{2028}\",NaN\n")
    _ = try folder.add("ledger.csv", "mode,n_c,order,op,tensor,shape,requested_bytes\n")
    let page = try Program.run(["report", folder.path, "--output", "-"])
    let packed = try #require((try data(of: page.output)["results"] as? [[String: Any]])?.first)
    let cells = try cells(of: packed["points"])
    #expect(cells["loss"] == ["1e999", "NaN"] && cells["n_c"] == ["4", "007"])
    #expect(cells["model"] == ["</script>", "a \"b\"\nc\u{2028}"])
  }

  @Test func `the page of a recording's file goes beside the file, and never over it`() throws {
    let folder = try Folder()
    let sample = RecordedSample(
      tensors: [.init(2000, "parameter"), .init(3000, "activation", isKept: true, layer: 0)],
      events: [0, 1, -2], phases: [("model", 0), ("forward", 1), ("backward", 2)], boundary: 2)
    let file = try folder.add("recording.json", sample.text())
    let written = try Program.run(["report", file])
    #expect(written.status == 0, "\(written.errors)")
    #expect(FileManager.default.fileExists(atPath: "\(folder.path)/report.html"))
    #expect(try Program.run(["report", file, "--output", file]).status != 0)
    #expect(try String(contentsOfFile: file, encoding: .utf8) == sample.text())
  }
}

/// A plain reading of CSV whose quoted cells have no line breaks.
private struct CSVLines {
  let header: [String]
  let rows: [[String]]

  init(_ text: String) {
    let lines = text.split(separator: "\n").map { line in
      var cells = [""]
      var isQuoted = false
      for character in line {
        switch character {
        case "\"": isQuoted.toggle()
        case "," where !isQuoted: cells.append("")
        default: cells[cells.count - 1].append(character)
        }
      }
      return cells
    }
    (header, rows) = (lines[0], Array(lines.dropFirst()))
  }
}
