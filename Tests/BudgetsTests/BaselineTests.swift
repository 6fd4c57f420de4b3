import Budgets
import Files
import Foundation
import Measurement
import Profiles
import Reporting
import Retention
import TestSupport
import Testing

private let text = """
  model: seed
  n_c: [4, 8]
  n_g: 4
  backend: shape
  mode: [full-graph, detached-prefix]
  threads: [1, 2]
  budgets: [{figure: retained, within: 0%}]
  """

private func check(_ path: String) throws -> BudgetCheck {
  try BudgetCheck(
    profile: Profile(text: text, file: path), file: path, backend: nil, engine: .cpu,
    limit: MemoryLimit(given: nil))
}

@Suite struct BaselineTests {
  private let folder = NSTemporaryDirectory() + "ballast-\(UUID().uuidString)"
  private var profile: String { "\(folder)/p.yaml" }
  private var place: String { Baseline.path(forProfile: profile) }

  private func inFolder(_ body: () throws -> Void) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body()
  }

  @Test func `a baseline stands in a folder beside its profile`() {
    #expect(Baseline.path(forProfile: "a/b/c.yaml") == "a/b/baselines/c.csv")
    #expect(Baseline.path(forProfile: "c.yaml") == "baselines/c.csv")
  }

  @Test func `what was written is read back, and every budget is then met exactly`() throws {
    try inFolder {
      let check = try check(profile)
      let measured = check.measure()
      try Baseline(of: measured).write(to: place)
      let read = try #require(try check.budgets.baseline(update: profile))
      #expect(read.entries == Baseline(of: measured).entries)
      // Threads and backend are no part of a point here.
      #expect(read.entries.count == 4 && measured.count == 8)
      for (entry, point) in zip(read.entries, measured.filter { $0.cells["threads"] == "1" }) {
        #expect(entry.saved == point.saved && entry.atPeak == point.atPeak)
        #expect(entry.saved.reduce(0) { $0 + Double($1.bytes) } == entry.figures[.retained])
        #expect(entry.atPeak.reduce(0) { $0 + Double($1.bytes) } == entry.figures[.peak])
      }
      let judgements = check.judge(measured, against: read)
      #expect(
        judgements.count == 8 && judgements.allSatisfy { $0.verdict == .ok && $0.margin == 0 })
    }
  }

  @Test func `a missing baseline is a sentence that says how to write it`() throws {
    try inFolder {
      let error = try #require(throws: FileError.self) {
        _ = try check(profile).budgets.baseline(update: profile)
      }
      #expect(error.description.hasSuffix("write it with 'ballast check \(profile) --update'"))
    }
  }

  @Test func `tensors whose bytes do not add up in 64 bits are one sentence with a line`() throws {
    let lines = Baseline(of: try check(profile).measure()).text.split(separator: "\n")
    let place = try #require(lines.firstIndex { $0.hasPrefix("1,,") && $0.contains(",saved,") })
    func text(_ bytes: String, twice: Bool = false) -> String {
      var fields = lines[place].split(separator: ",", omittingEmptySubsequences: false)
      fields[fields.count - 1] = bytes[...]
      let row = fields.joined(separator: ",")[...]
      return ([lines[0], lines[1], row] + (twice ? [row] : [])).joined(separator: "\n") + "\n"
    }
    func read(_ text: String) throws {
      try inFolder {
        let path = "\(folder)/b"
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        _ = try Baseline.read(path)
      }
    }
    #expect(throws: Never.self) { try read(text("9223372036854775807")) }
    for (bad, line) in [
      (text("5000000000000000000", twice: true), 4), (text("-1"), 3),
      (text("9223372036854775808"), 3), (text("1e9"), 3), (text("nan"), 3),
    ] {
      let error = try #require(throws: FileError.self) { try read(bad) }
      #expect(error.description.contains("b: line \(line) is not a baseline's row"), "\(error)")
    }
  }

  @Test func `a file without an axis that came later has its default`() throws {
    try inFolder {
      let baseline = Baseline(of: try check(profile).measure())
      let lines = try CSVDocument.records(of: baseline.text)
      let column = try #require(lines[0].firstIndex(of: PointColumns.axes.last?.name ?? ""))
      let older = lines.map { line in
        CSV.line(line.enumerated().filter { $0.offset != column }.map { .text($0.element) })
      }
      try baseline.write(to: place)
      try older.joined().write(toFile: place, atomically: false, encoding: .utf8)
      #expect(try Baseline.read(place)?.entries == baseline.entries)
      // Of an axis between others it is not known that it came later.
      let odd = lines.map { CSV.line($0.dropFirst(2).map { .text($0) }) }
      try odd.joined().write(toFile: place, atomically: false, encoding: .utf8)
      #expect(throws: FileError.self) { try Baseline.read(place) }
    }
  }

  @Test func `a changed file is read or is one sentence with a line`() throws {
    try inFolder {
      let check = try check(profile)
      let baseline = Baseline(of: check.measure())
      let whole = Array(baseline.text.utf8)
      try FileManager.default.createDirectory(
        atPath: "\(folder)/baselines", withIntermediateDirectories: false)
      var mutator = ByteMutator(
        ["\"", ",", "\n", "\r\n", "-1", "peak", "1e9", "", "\u{0}"], stream: 7)
      var refused = 0
      for _ in 0..<300 {
        let bytes = mutator.mutate(whole)
        try Data(bytes).write(to: URL(fileURLWithPath: place))
        do throws(FileError) {
          _ = try Baseline.read(place)
        } catch {
          refused += 1
          let sentence = error.description
          #expect(sentence.hasPrefix(place) && !sentence.contains("\n") && sentence.count < 400)
        }
      }
      #expect(refused > 30)
      for (bad, part) in [
        ("", "line 1 has no header"), ("a,b\n1,2\n", "header is not a baseline's"),
        (String(baseline.text.dropLast()), "does not end"),
        (baseline.text + "x\n", "has 1 field"),
        (baseline.text.replacing("\n1,,", with: "\n9,,"), "is not a baseline's row"),
      ] {
        try bad.write(toFile: place, atomically: false, encoding: .utf8)
        let error = try #require(throws: FileError.self) { _ = try Baseline.read(place) }
        #expect(error.description.contains(part), "\(error)")
        #expect(error.description.contains("write it again with --update"))
      }
    }
  }
}
