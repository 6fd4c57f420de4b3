import Files
import Foundation
import Reporting
import Spelling
import TestSupport
import Testing

/// Folders and files that somebody else made: what is in them is shown, computed and written with
/// care.
@Suite struct UntrustedFolderTests {
  // MARK: Names

  /// A title for a terminal's window, a colour, a text from right to left, and a line of its own.
  private static let name = "m\u{1B}]0;x\u{07}\u{9B}31m\u{202E}\n::error::forged"

  private func points(_ folder: Folder, _ file: String, bytes: Int) throws -> String {
    let header = "model,mode,n_c,n_g,status,error,retained_bytes\n"
    let row = "\"\(Self.name)\",full-graph,4,4,ok,,\(bytes)\n"
    let failed = "b,full-graph,4,4,failed,\"\(Self.name)\",\n"
    return try folder.add(file, header + row + failed)
  }

  /// Expects nothing but visible text on lines, none of which the name began.
  private func isPlain(_ result: Program.Result, _ what: String) {
    for text in [result.output, result.errors] {
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      #expect(
        lines.allSatisfy { printable($0.unicodeScalars) == $0 },
        "\(what): \(text.debugDescription)")
      #expect(!lines.contains { $0.hasPrefix("::error::forged") }, "\(what)")
    }
  }

  @Test func `names from files reach the terminal as visible text`() throws {
    let folder = try Folder()
    let (a, b) = (
      try points(folder, "a.csv", bytes: 10), try points(folder, "b.csv", bytes: 20)
    )
    let ledger = "model,mode,n_c,order,op,tensor,shape,requested_bytes\n"
    let tensor = { (bytes: Int) in
      "m,full-graph,4,0,\"\(Self.name)\",t,\"\(Self.name)\",\(bytes)\n"
    }
    let (c, d) = (
      try folder.add("c.csv", ledger + tensor(1)), try folder.add("d.csv", ledger + tensor(2))
    )
    for arguments in [[a, b], [a, b, "--fail-on-increase", "0"], [c, d], [a, d]] {
      isPlain(try Program.run(["compare"] + arguments), "compare")
    }
    for limit in [5, 50] {
      let budget = "figure: retained, at_most: \(limit)"
      let path = try folder.add("b.yaml", "budgets:\n  - {\(budget)}\n")
      for format in ["table", "github", "junit", "json"] {
        let result = try Program.run(["check", path, "--results", a, "--format", format])
        #expect(result.status == (limit == 5 ? 2 : 1), "\(result.errors)")
        isPlain(result, format)
      }
    }
    let profile = try folder.add(
      "p.yaml",
      "model: {name: \(JSONText.string(Self.name).text), layers: 1, d_model: 16, heads: 2, d_ff: 24, vocab: 31}\n"
        + "n_c: [2, 3]\nn_g: 3\nbackend: shape\n")
    isPlain(try Program.run(["sweep", profile, "--output", "\(folder.path)/r"]), "sweep")
    isPlain(try Program.run(["report", "\(folder.path)/r"]), "report")
    isPlain(try Program.run(["check", "\(folder.path)/\u{1B}[31m.yaml"]), "a path")
    let model = ["measure", "--model", "x\u{1B}[31m/config.json", "--n-c", "4", "--n-g", "4"]
    isPlain(try Program.run(model), "model")
  }

  @Test func `JSON escapes what is not visible, and reads back as it was`() throws {
    let text = Self.name + "\u{7F}\u{85}\u{2028}\u{E0001}\u{1F600}é\"\\"
    let json = JSONText.string(text).text
    #expect(printable(json.unicodeScalars) == json)
    let back = try JSONSerialization.jsonObject(with: Data("[\(json)]".utf8)) as? [String]
    #expect(back == [text])
  }

  // MARK: Formulas

  @Test func `a text that a spreadsheet would compute comes back as it was`() throws {
    let texts = [
      "=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'", "'=1", "''=1", "'a", "a=1", "",
      "-5", "+5", "-5e3", "-inf", "=HYPERLINK(\"http://x\",\"y\")", "-5,6", "--5", "-", "=", "'-5",
      "'x'",
    ]
    let line = CSV.line(texts.map(Cell.text))
    #expect(try CSVDocument.records(of: line) == [texts])
    for (field, text) in zip(try fields(line), texts) {
      let begins = field.first.map { "=+-@\t\r\n".contains($0) } ?? false
      #expect(!begins || Double(field) != nil, "\(text) stands as \(field)")
    }
    // Numbers are numbers, whatever kind of cell they are.
    let numbers: [Cell] = [.integer(-5), .real(-0.5), .text("-5"), .real(-.infinity)]
    #expect(CSV.line(numbers) == "-5,-0.5,-5,-inf\n")
  }

  /// A plain reading of one line, which knows nothing of formulas.
  private func fields(_ line: String) throws -> [String] {
    var (fields, isQuoted) = ([""], false)
    for scalar in line.unicodeScalars.dropLast() {
      switch scalar {
      case "\"": isQuoted.toggle()
      case "," where !isQuoted: fields.append("")
      default: fields[fields.count - 1].unicodeScalars.append(scalar)
      }
    }
    return fields
  }

  @Test func `a model named like a formula is swept, resumed, compared and reported`() throws {
    let folder = try Folder()
    let name = "=cmd|' /C calc'!A0"
    let sizes = "layers: 1, d_model: 16, heads: 2, d_ff: 24, vocab: 31"
    let model = "model: {name: \"\(name)\", \(sizes)}\n"
    let profile = try folder.add(
      "p.yaml",
      "profile: \"-1+1\"\n\(model)n_c: [2, 3, 4]\nn_g: 3\nbackend: shape\n"
        + "budgets:\n  - {figure: retained, within: 0%}\n")
    let output = "\(folder.path)/r"
    let sweep = ["sweep", profile, "--output", output]
    #expect(try Program.run(sweep).status == 0)
    for name in ["points.csv", "laws.csv"] {
      let text = try String(contentsOfFile: "\(output)/\(name)", encoding: .utf8)
      #expect(text.contains(",'=cmd|' /C calc'!A0,") && !text.contains(",=cmd"))
      #expect(!text.contains("\n-1+1") && text.contains("'-1+1"))
    }
    let again = try Program.run(sweep + ["--resume"])
    #expect(again.status == 0, "\(again.errors)")
    #expect(again.errors.contains("nothing left to resume"))
    #expect(try Program.run(["check", profile, "--update"]).status == 0)
    #expect(try Program.run(["check", profile, "--results", output]).status == 0)
    let same = try Program.run(["compare", output, output])
    #expect(same.output.contains("The saved tensors are the same."))
    let page = try Program.run(["report", output, "--output", "-"])
    #expect(page.errors.isEmpty && page.output.contains("\"=cmd|' /C calc'!A0\""))
  }

  // MARK: Links and pipes

  static let files = ["points.csv", "ledger.csv", "gradients.csv", "laws.csv", "sweep.json"]

  @Test(arguments: files + ["journal.jsonl"])
  func `a sweep writes through no link, and into no pipe`(name: String) throws {
    let folder = try Folder()
    let manager = FileManager.default
    let profile = try folder.add("p.yaml", "model: seed\nn_c: [2, 3]\nn_g: 3\nbackend: shape\n")
    let output = "\(folder.path)/r"
    #expect(try Program.run(["sweep", profile, "--output", output]).status == 0)
    let kept = try Self.files.filter { $0 != name }.map {
      try String(contentsOfFile: "\(output)/\($0)", encoding: .utf8)
    }
    let victim = try folder.add("victim", "precious")
    for kind in ["link", "dangling", "pipe", "device"] {
      try? manager.removeItem(atPath: "\(output)/\(name)")
      switch kind {
      case "pipe": #expect(unsafe mkfifo("\(output)/\(name)", 0o644) == 0)
      default:
        let targets = ["link": victim, "dangling": "\(folder.path)/new", "device": "/dev/zero"]
        try manager.createSymbolicLink(
          atPath: "\(output)/\(name)", withDestinationPath: targets[kind] ?? "")
      }
      let result = try Program.run(["sweep", profile, "--output", output, "--overwrite"])
      #expect(result.status == 1 && result.output.isEmpty, "\(kind)")
      #expect(
        result.sentence?.contains("cannot write \(output)/\(name): it is ") == true,
        "\(kind): \(result.errors)")
    }
    #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
    #expect(!manager.fileExists(atPath: "\(folder.path)/new"))
    // Refused before anything of the old result is touched.
    let after = try Self.files.filter { $0 != name }.map {
      try String(contentsOfFile: "\(output)/\($0)", encoding: .utf8)
    }
    #expect(after == kept)
  }

  @Test func `a journal that is somebody else's file is not cut off`() throws {
    let folder = try Folder()
    let manager = FileManager.default
    let profile = try folder.add("p.yaml", "model: seed\nn_c: [2, 3]\nn_g: 3\nbackend: shape\n")
    let output = "\(folder.path)/r"
    #expect(try Program.run(["sweep", profile, "--output", output]).status == 0)
    let manifest = try String(contentsOfFile: "\(output)/sweep.json", encoding: .utf8)
    try manifest.replacing("\"complete\" : true", with: "\"complete\" : false").write(
      toFile: "\(output)/sweep.json", atomically: true, encoding: .utf8)
    let victim = try folder.add("victim", "precious")
    let resume = ["sweep", profile, "--output", output, "--resume"]
    let journal = "\(output)/journal.jsonl"
    for (what, make) in [
      ("link", { try manager.createSymbolicLink(atPath: journal, withDestinationPath: victim) }),
      ("hard link", { try manager.linkItem(atPath: victim, toPath: journal) }),
      ("not a regular file", { _ = unsafe mkfifo(journal, 0o644) }),
    ] as [(String, () throws -> Void)] {
      try make()
      let result = try Program.run(resume)
      #expect(result.status == 1 && result.sentence?.contains(what) == true, "\(result.errors)")
      try manager.removeItem(atPath: journal)
    }
    #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
    #expect(try Program.run(resume).status == 0)
  }

  @Test func `a report's own place and a baseline are no links`() throws {
    let folder = try Folder()
    let manager = FileManager.default
    let profile = try folder.add(
      "p.yaml",
      "model: seed\nn_c: [2, 3]\nn_g: 3\nbackend: shape\n"
        + "budgets:\n  - {figure: retained, within: 0%}\n")
    let output = "\(folder.path)/r"
    #expect(try Program.run(["sweep", profile, "--output", output]).status == 0)
    let victim = try folder.add("victim", "precious")
    try manager.createSymbolicLink(
      atPath: "\(output)/report.html", withDestinationPath: victim)
    let report = try Program.run(["report", output])
    #expect(report.status == 1 && report.sentence?.contains("it is a link") == true)
    try manager.createDirectory(
      atPath: "\(folder.path)/baselines", withIntermediateDirectories: false)
    try manager.createSymbolicLink(
      atPath: "\(folder.path)/baselines/p.csv", withDestinationPath: victim)
    let check = try Program.run(["check", profile, "--update"])
    #expect(check.status == 1, "\(check.errors)")
    #expect(check.sentence?.contains("it is a link") == true)
    #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
    // A place that the caller names is the caller's.
    try manager.createSymbolicLink(
      atPath: "\(folder.path)/mine.html", withDestinationPath: victim)
    #expect(
      try Program.run(["report", output, "--output", "\(folder.path)/mine.html"]).status == 0)
    #expect(try String(contentsOfFile: victim, encoding: .utf8).contains("Ballast report"))
  }

  /// Commands that read a file at FILE, which is a pipe that nobody writes, or has no end.
  static let readers = [
    "report r", "compare FILE FILE", "check b.yaml --results FILE", "check FILE", "check p.yaml",
    "sweep FILE --output o", "merge r r2 --output o",
    "measure --model FILE --n-c 4 --n-g 3", "measure --model seed --tokens FILE --n-c 4 --n-g 3",
    "measure --model seed --weights FILE --n-c 4 --n-g 3",
    "measure --model seed --adapter r --n-c 4 --n-g 3", "plan --model FILE --n-c 4",
    "flow --model r --n-c 4 --n-g 3",
  ]

  @Test(arguments: readers, ["pipe", "/dev/zero"])
  func `what is no regular file is refused where one is read`(
    command: String, kind: String
  ) throws {
    let folder = try Folder()
    let manager = FileManager.default
    _ = try folder.add("b.yaml", "budgets:\n  - {figure: retained, within: 0%}\n")
    _ = try folder.add(
      "p.yaml", "model: seed\nn_c: 4\nn_g: 3\nbudgets:\n  - {figure: retained, within: 0%}\n")
    for name in ["r", "r2", "baselines"] {
      try manager.createDirectory(
        atPath: "\(folder.path)/\(name)", withIntermediateDirectories: false)
    }
    let places = [
      "FILE", "r/points.csv", "r/sweep.json", "r2/sweep.json", "r/config.json",
      "r/adapter_config.json", "baselines/p.csv",
    ]
    for place in places.map({ "\(folder.path)/\($0)" }) {
      if kind == "pipe" {
        #expect(unsafe mkfifo(place, 0o644) == 0)
      } else {
        try manager.createSymbolicLink(atPath: place, withDestinationPath: kind)
      }
    }
    let result = try Program.run(command.split(separator: " ").map(String.init), in: folder.path)
    #expect(result.status == 1 && result.output.isEmpty, "\(command): \(result.errors)")
    #expect(
      result.sentence?.contains("is not a regular file") == true, "\(command): \(result.errors)")
  }

  // MARK: The report

  @Test func `a report's policy lets nothing in from outside`() throws {
    let folder = try Folder()
    _ = try points(folder, "points.csv", bytes: 10)
    let page = try Program.run(["report", folder.path, "--output", "-"]).output
    let start = try #require(page.range(of: "http-equiv=\"Content-Security-Policy\" content=\""))
    let policy = page[start.upperBound...].prefix { $0 != "\"" }
    let directives = policy.split(separator: ";").map {
      $0.split(separator: " ").map(String.init)
    }
    #expect(directives.first == ["default-src", "'none'"])
    let sources = directives.dropFirst().flatMap { $0.dropFirst() }
    #expect(Set(sources).isSubset(of: ["'none'", "'unsafe-inline'", "blob:", "data:"]))
    // It stands before anything that it is about.
    let style = try #require(page.range(of: "<style"))
    #expect(start.lowerBound < style.lowerBound)
  }
}
