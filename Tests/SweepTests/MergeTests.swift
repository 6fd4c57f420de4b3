import Files
import Foundation
import Measurement
import Profiles
import Reporting
import Retention
import Sweep
import Tensors
import TestSupport
import Testing
import Values

/// Shards of a sweep, merged, are the sweep; and what is not is refused.
@Suite final class MergeTests {
  /// Six series, points that do not fit, and points that fail.
  private static let text = """
    model: seed
    n_c: [0, 1, 5, 64, 900]
    n_g: 3
    trainable: [".", none]
    mode: [full-graph, detached-prefix]
    keep_prefix: [0, 1]
    backend: shape
    """
  private static let memory = 4 << 20

  private let root = NSTemporaryDirectory() + "ballast-\(UUID().uuidString)"
  private static let shapes = Engine(
    makeMachine: { _ in Machine(backend: .shapes(sizeClass: { $0 }), allocatedBytes: nil) },
    sizeClass: { $0 }, tileBytes: { _, _ in 0 })

  deinit { try? FileManager.default.removeItem(atPath: root) }

  private func path(_ name: String) -> String { "\(root)/\(name)" }

  private func text(_ name: String) throws -> String {
    try String(contentsOfFile: path(name), encoding: .utf8)
  }

  private func edit(_ name: String, _ old: String, _ new: String) throws {
    let before = try text(name)
    let after = before.replacing(old, with: new)
    try #require(before != after)
    try after.write(toFile: path(name), atomically: true, encoding: .utf8)
  }

  /// All files but the times at which points began.
  private func results(_ name: String) throws -> [String: String] {
    var results: [String: String] = [:]
    for file in try FileManager.default.contentsOfDirectory(atPath: path(name)) {
      results[file] = try text("\(name)/\(file)")
        .replacing(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, with: "then")
    }
    return results
  }

  @discardableResult private func sweep(
    _ name: String, shard: String? = nil, _ text: String = MergeTests.text,
    opening: ResultsStore.Opening = .refuse
  ) throws -> SweepSummary {
    let profile = try Profile(text: text, file: "p.yaml")
    let part = try shard.map { text in
      let shard = try Shard(text, for: "shard")
      let plan = ShardPlan(of: profile.points, shards: shard.count)
      return (name: shard, part: plan.parts[shard.index - 1])
    }
    let store = try ResultsStore(
      directory: path(name), of: profile, memory: Self.memory, shard: part, opening: opening)
    return try SweepRun(
      profile: profile, store: store, engine: Self.shapes, limit: MemoryLimit(given: Self.memory)
    ).run()
  }

  @discardableResult private func merge(
    _ names: [String], into output: String = "merged",
    allowing allowed: ShardMerge.Allowances = .init()
  ) throws -> (complaint: String?, merge: ShardMerge) {
    let merge = try ShardMerge(names.map(path), allowing: allowed)
    return (try merge.write(to: path(output), replacing: false, engine: Self.shapes), merge)
  }

  private func sweepThirds() throws {
    for shard in 1...3 { try sweep("\(shard)", shard: "\(shard)/3") }
  }

  @Test(arguments: [["1", "2", "3"], ["3", "1", "2"]])
  func `three shards merged are one run`(order: [String]) throws {
    let summary = try sweep("whole")
    let statuses = Set(summary.records.map(\.status))
    #expect(statuses == [.ok, .overLimit, .failed])
    try sweepThirds()
    let (complaint, merge) = try merge(order)
    #expect(try results("merged") == results("whole"))
    #expect(complaint == FailureSummary.sentence(of: summary.records))
    #expect(merge.gaps == nil)
    #expect(try results("merged").keys.sorted().contains("ledger.csv"))
  }

  @Test func `a law's range and counts are those of all shards`() throws {
    try sweepThirds()
    try merge(["1", "2", "3"])
    let rows = try CSVDocument.records(of: text("merged/laws.csv"))
    let names = ["mode", "keep_prefix", "trainable", "n_c_min", "n_c_max", "points_checked"]
    let places = names.compactMap { rows[0].firstIndex(of: $0) }
    let full = rows.dropFirst().map { row in places.map { row[$0] } }.first {
      $0[0] == "full-graph" && $0[2] == "."
    }
    // At n_c 0 there is a loss row less, and at 900 a step does not fit.
    #expect(full.map { Array($0[3...]) } == ["1", "64", "3"])
  }

  @Test func `gaps are named, and can be filled after the merge`() throws {
    try sweep("whole")
    try sweepThirds()
    let error = #expect(throws: FileError.self) { try merge(["1", "3"]) }
    #expect(error?.description.contains("shard 2/3 is not among the folders") == true)
    let allowed = try merge(["1", "3"], allowing: .init(gaps: true))
    #expect(allowed.merge.gaps?.contains("shard 2/3") == true)
    #expect(try text("merged/sweep.json").contains("\"complete\" : false"))
    try sweep("merged", opening: .resume)
    #expect(try results("merged") == results("whole"))
  }

  @Test func `a merge with gaps can be merged with what it lacks`() throws {
    try sweep("whole")
    try sweepThirds()
    try merge(["3", "1"], into: "most", allowing: .init(gaps: true))
    try merge(["most", "2"])
    #expect(try results("merged") == results("whole"))
  }

  @Test func `a shard that was stopped is resumed, and until then it is a gap`() throws {
    try sweep("whole")
    try sweepThirds()
    let lines = try text("2/journal.jsonl").split(separator: "\n").map { $0 + "\n" }
    try #require(lines.count > 3)
    try (lines[0] + lines[1].dropLast(9)).write(
      toFile: path("2/journal.jsonl"), atomically: true, encoding: .utf8)
    try edit("2/sweep.json", "\"complete\" : true", "\"complete\" : false")
    let error = #expect(throws: FileError.self) { try merge(["1", "2", "3"]) }
    let sentence = error?.description ?? ""
    #expect(sentence.contains("\(lines.count - 1) of 30 points are missing"), "\(sentence)")
    #expect(sentence.contains("\(path("2")) is not complete"), "\(sentence)")
    try sweep("2", shard: "2/3", opening: .resume)
    try merge(["1", "2", "3"])
    #expect(try results("merged") == results("whole"))
  }

  @Test func `a shard twice is refused, or its first rows are taken`() throws {
    try sweep("whole")
    try sweepThirds()
    try sweep("again", shard: "2/3")
    let journal = unsigned(try text("again/journal.jsonl"))
    try signed(journal.replacing(",seed,", with: ",sown,"))
      .write(toFile: path("again/journal.jsonl"), atomically: true, encoding: .utf8)
    for twice in [["1", "2", "2", "3"], ["1", "2", "again", "3"]] {
      let error = #expect(throws: FileError.self) { try merge(twice) }
      #expect(error?.description.contains("both hold") == true, "\(String(describing: error))")
    }
    try merge(["1", "2", "again", "3"], allowing: .init(duplicates: true))
    #expect(try results("merged") == results("whole"))
  }

  @Test func `shards of different divisions are refused, or merged point by point`() throws {
    try sweep("whole")
    try sweepThirds()
    try sweep("half", shard: "1/2")
    try sweep("other half", shard: "2/2")
    let error = #expect(throws: FileError.self) { try merge(["half", "2", "3"]) }
    #expect(error?.description.contains("shard 1/2 and shard 2/3 are parts of different") == true)
    try merge(["half", "2", "other half"], allowing: .init(duplicates: true))
    #expect(try results("merged") == results("whole"))
  }

  @Test func `empty shards merge as the others do`() throws {
    let text = "model: seed\nn_c: [2, 4]\nn_g: 2\nbackend: shape"
    try sweep("whole", text)
    for shard in 1...4 {
      let count = try sweep("\(shard)", shard: "\(shard)/4", text).records.count
      #expect(count == (shard < 3 ? 1 : 0))
    }
    let names = (1...4).map { "\($0)" }
    try merge(names)
    #expect(try results("merged") == results("whole"))
    // They hold nothing that could be missed.
    try merge(["1", "2"], into: "two")
    #expect(try results("two") == results("whole"))
  }

  static let strangers: [(String, String)] = [
    (text + "\nprofile: q", "different profiles, \"p\" and \"q\""),
    (text.replacing("n_g: 3", with: "n_g: 4"), "their points are not the same"),
    (text + "\nthreads: 2", "different numbers of cores"),
  ]

  @Test(arguments: strangers)
  func `shards of other sweeps are refused`(text: String, part: String) throws {
    try sweep("1", shard: "1/2")
    try sweep("2", shard: "2/2", text)
    let error = #expect(throws: FileError.self) {
      try merge(["1", "2"], allowing: .init(gaps: true, duplicates: true, versions: true))
    }
    #expect(error?.description.contains(part) == true, "\(String(describing: error))")
    #expect(!FileManager.default.fileExists(atPath: path("merged")))
  }

  @Test func `other versions and other layouts are refused`() throws {
    try sweepThirds()
    try edit("2/sweep.json", "\"\(BallastVersion.current)\"", "\"0.0.1\"")
    let error = #expect(throws: FileError.self) { try merge(["1", "2", "3"]) }
    #expect(error?.description.contains("0.0.1; --allow-versions") == true)
    try merge(["1", "2", "3"], allowing: .init(versions: true))
    // The digest is of all columns too.
    for shard in 1...3 {
      let manifest = try text("\(shard)/sweep.json")
        .replacing(/"points_digest" : "[0-9a-f]+"/, with: "\"points_digest\" : \"0\"")
      try manifest.write(toFile: path("\(shard)/sweep.json"), atomically: true, encoding: .utf8)
    }
    let other = #expect(throws: FileError.self) {
      try merge(["1", "2", "3"], into: "again", allowing: .init(versions: true))
    }
    #expect(other?.description.contains("or this version has other columns") == true)
    #expect(!FileManager.default.fileExists(atPath: path("again")))
  }

  @Test func `files that the profile names are read again, and must be what they were`() throws {
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    func write(_ tokens: String) throws {
      try "{\"tokens\": [\(tokens)]}".write(
        toFile: path("t.json"), atomically: true, encoding: .utf8)
    }
    try write("1, 2, 3, 4, 5, 6")
    let text = "model: seed\nn_c: [2, 4]\nn_g: 2\nbackend: shape\ntokens: \(path("t.json"))"
    for shard in 1...2 { try sweep("\(shard)", shard: "\(shard)/2", text) }
    try write("1, 2, 3, 4, 5, 7")
    let changed = #expect(throws: FileError.self) { try merge(["1", "2"]) }
    #expect(changed?.description.contains("a file that the profile names was changed") == true)
    try FileManager.default.removeItem(atPath: path("t.json"))
    let gone = #expect(throws: FileError.self) { try merge(["1", "2"]) }
    #expect(gone?.description.contains("\(path("t.json")): cannot be opened") == true)
    try write("1, 2, 3, 4, 5, 6")
    #expect(try merge(["1", "2"]).complaint == nil)
  }

  @Test func `points that contradict their law are not hidden`() throws {
    let text = "model: seed\nn_c: [1, 2, 3, 4]\nn_g: 2\nbackend: shape"
    for shard in 1...2 { try sweep("\(shard)", shard: "\(shard)/2", text) }
    let rows = try CSVDocument(self.text("2/points.csv"))
    let place = try #require(rows.column("retained_bytes"))
    var journal = unsigned(try self.text("2/journal.jsonl"))
    var forged: [Int] = []
    for row in rows.rows {
      let bytes = try row.fields[place...(place + 1)].map { try #require(Int($0)) }
      let before = journal
      journal.replace(
        ",\(bytes[0]),\(bytes[1]),", with: ",\(bytes[0] + 4),\(bytes[1] + 4),", maxReplacements: 1)
      try #require(journal != before)
      forged.append(bytes[0] + 4)
    }
    try signed(journal).write(toFile: path("2/journal.jsonl"), atomically: true, encoding: .utf8)
    let complaint = try #require(try merge(["1", "2"]).complaint)
    #expect(complaint.contains("but \(forged[0]) were measured (and 1 more such)"), "\(complaint)")
    let laws = try CSVDocument(self.text("merged/laws.csv"))
    let matching = try #require(laws.column("points_matching"))
    #expect(laws.rows.map { $0.fields[matching] } == ["2"])
  }

  @Test func `folders that are no shards are refused`() throws {
    try sweep("whole")
    try sweepThirds()
    try FileManager.default.createDirectory(
      atPath: path("empty"), withIntermediateDirectories: true)
    for (names, output, part) in [
      (["whole"], "merged", "not a shard of it"), (["empty"], "merged", "no sweep.json"),
      (["1", "nowhere"], "merged", "cannot read the folder"),
      (["1", "2", "3"], "2", "is one of the shards"),
      (["1", "2", "3"], "whole", "holds results already"),
    ] {
      let before = try results("whole")
      let error = #expect(throws: FileError.self) { try merge(names, into: output) }
      #expect(error?.description.contains(part) == true, "\(String(describing: error))")
      #expect(try results("whole") == before)
    }
  }

  @Test func `another shard is not resumed in a shard's folder`() throws {
    try sweep("1", shard: "1/3")
    for (shard, part) in [("2/3", "shard 1/3, not shard 2/3"), (nil, "not the whole profile")] {
      let error = #expect(throws: FileError.self) {
        try sweep("1", shard: shard, opening: .resume)
      }
      #expect(error?.description.contains(part) == true, "\(String(describing: error))")
    }
  }
}
