import Files
import Foundation
import Ledger
import Measurement
import Profiles
import Reporting
import Retention
import Sweep
import Tensors
import TestSupport
import Testing

/// A folder that goes away with the test.
private final class Folder {
  let path = NSTemporaryDirectory() + "ballast-\(UUID().uuidString)"

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func text(_ name: String) throws -> String {
    try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
  }
}

/// Shapes in the place of the cpu backend: the same figures, and no gradients to speak of.
private let shapes = Engine(
  makeMachine: { _ in Machine(backend: .shapes(sizeClass: { $0 }), allocatedBytes: nil) },
  sizeClass: { $0 }, tileBytes: { _, _ in 0 })

private func open(
  _ folder: Folder, _ text: String, _ opening: ResultsStore.Opening = .refuse
) throws -> ResultsStore {
  try ResultsStore(
    directory: folder.path, of: Profile(text: text, file: "p.yaml"), memory: nil, opening: opening)
}

private func sweep(
  _ text: String, into folder: Folder, _ opening: ResultsStore.Opening = .refuse
) throws -> SweepSummary {
  let store = try open(folder, text, opening)
  let profile = try Profile(text: text, file: "p.yaml")
  return try SweepRun(
    profile: profile, store: store, engine: shapes, limit: MemoryLimit(given: 1 << 40)
  ).run()
}

private let profile = """
  model: seed
  n_c: [0, 1, 4, 33]
  n_g: 3
  attention: materialized
  mode: [full-graph, detached-prefix]
  backend: shape
  """

@Suite struct ResultsTests {
  @Test func `a sweep writes a row a point, a row a storage and a row a series`() throws {
    let folder = Folder()
    let summary = try sweep(profile, into: folder)
    #expect(summary.count(of: .ok) == 8 && summary.laws.disagreements.isEmpty)
    #expect(try folder.text("points.csv").split(separator: "\n").count == 9)
    let storages = summary.records.reduce(0) { $0 + ($1.savedTensors ?? 0) }
    #expect(try folder.text("ledger.csv").split(separator: "\n").count == 1 + storages)
    #expect(try folder.text("laws.csv").split(separator: "\n").count == 3)
    #expect(
      try Set(FileManager.default.contentsOfDirectory(atPath: folder.path)) == [
        "points.csv", "ledger.csv", "gradients.csv", "laws.csv", "sweep.json",
      ])
  }

  @Test func `a law is checked on every point of its regime`() throws {
    let summary = try sweep(profile, into: Folder())
    for law in summary.laws.records {
      // n_c 0 has a loss row fewer.
      #expect(law.checkedRange == 1...33)
      #expect(law.pointsChecked == 3 && law.pointsMatching == 3)
    }
  }

  @Test func `a point off its law is a disagreement`() throws {
    var records = try sweep(profile, into: Folder()).records
    records[4].retained?[.prefix] += 4
    let laws = SeriesLaws(of: records, engine: shapes)
    #expect(laws.disagreements.count == 1)
    #expect(laws.disagreements.first?.contains("n_c 4") == true)
    #expect(laws.records.map(\.pointsMatching) == [2, 3])
  }

  @Test func `results are never replaced unasked`() throws {
    let folder = Folder()
    try FileManager.default.createDirectory(
      atPath: folder.path, withIntermediateDirectories: true)
    let kept = "measured\n"
    try kept.write(toFile: "\(folder.path)/points.csv", atomically: true, encoding: .utf8)
    let error = #expect(throws: FileError.self) {
      try open(folder, profile)
    }
    #expect(error?.description.contains("--overwrite") == true)
    #expect(try folder.text("points.csv") == kept)
    _ = try open(folder, profile, .replace)
    #expect(try folder.text("points.csv") == CSV.header(of: PointRecord.self))
  }

  @Test func `two sweeps do not share a folder`() throws {
    let folder = Folder()
    let first = try open(folder, profile)
    let error = #expect(throws: FileError.self) { try open(folder, profile, .replace) }
    #expect(error?.description.contains("another sweep") == true)
    withExtendedLifetime(first) {}
  }

  @Test func `a pending file appears whole or not at all`() throws {
    let folder = Folder()
    try FileManager.default.createDirectory(
      atPath: folder.path, withIntermediateDirectories: true)
    let path = "\(folder.path)/row.json"
    try "old".write(toFile: path, atomically: true, encoding: .utf8)
    do { _ = try PendingFile(path) }
    #expect(try folder.text("row.json") == "old")
    try PendingFile(path).commit("new")
    #expect(try folder.text("row.json") == "new")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["row.json"])
  }

  @Test(arguments: ["/proc/nothing/x", "/dev/null/x", "/"])
  func `a place that cannot be written is known before anything runs`(path: String) {
    #expect(throws: FileError.self) { try PendingFile(path) }
  }

  @Test func `a step that cannot fit is over-limit, and says what it needs`() throws {
    var point = try #require(
      try Profile(text: "model: seed\nn_c: 4\nn_g: 4", file: "p").points.first
    ).point
    point.backend = .cpu
    let planned = PlannedPoint(point: point)
    let runner = PointRunner(engine: shapes, limit: 1024, points: [planned])
    let record = runner.run(planned, profile: nil).record
    #expect(record.status == .overLimit && record.retained == nil && record.loss == nil)
    #expect((record.predictedPeakBytes ?? 0) > 1024)
    #expect(record.error?.contains("more than the limit of 1024 B") == true)
  }

  @Test func `a backend that fails is a failed point with the reason`() throws {
    var engine = shapes
    engine.makeMachine = { _ in throw MeasurementError("no such luck") }
    let planned = try #require(
      try Profile(text: "model: seed\nn_c: 4\nn_g: 4", file: "p").points.first)
    let record = PointRunner(engine: engine, limit: nil, points: [planned])
      .run(planned, profile: nil).record
    #expect(record.status == .failed && record.error == "no such luck")
  }

  @Test func `an allocator that disagrees with the ledger fails the point`() throws {
    var engine = shapes
    engine.makeMachine = { _ in
      Machine(backend: .shapes(sizeClass: { $0 }), allocatedBytes: { _ in 1 })
    }
    let planned = try #require(
      try Profile(text: "model: seed\nn_c: 4\nn_g: 4", file: "p").points.first)
    let record = PointRunner(engine: engine, limit: nil, points: [planned])
      .run(planned, profile: nil).record
    #expect(record.status == .failed)
    #expect(record.error?.contains("the allocator reports 1 bytes") == true)
  }
}
