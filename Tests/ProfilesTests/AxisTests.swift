import Budgets
import Foundation
import Measurement
import Profiles
import Reporting
import Retention
import TestSupport
import Testing
import Transformer
import Values

/// A value of every axis that is not its default, as it is written everywhere.
private func sample(_ axis: PointAxis) throws -> String {
  switch axis.kind {
  case .words(let words): try #require(words.last { $0 != axis.standard.text } ?? words.last)
  case .integer: axis.name == "keep_prefix" ? "2" : "3"
  case .unsigned: "18446744073709551615"
  case .number: "0.25"
  case .text: try AxisSamples.text(of: axis.name)
  }
}

/// The axes that a profile can give beside `model`.
private let names = PointAxis.ofProfiles.map(\.name).filter { $0 != "model" }

/// A profile's one point with a value on an axis, or its default, and with what the axis goes with.
private func point(_ axis: PointAxis, _ text: String?) throws -> Point {
  var lines = ["n_c": "4", "n_g": "4"]
  if let condition = axis.conditions.first { lines[condition.axis] = condition.values.min() }
  if let text { lines[axis.name] = text }
  // Transformers' recipes are counted alone, and an adapter without its tensors.
  if ["recipe", "adapter"].contains(axis.name) || text == "float16" { lines["backend"] = "shape" }
  if axis.name == "layout" { lines["lengths"] = "3+2,1+4" }
  if lines["lengths"] != nil { (lines["n_c"], lines["n_g"]) = (nil, nil) }
  let yaml = lines.map { "\($0): \($1)\n" }.joined()
  let profile = try Profile(text: "model: gpt2\n" + yaml, file: "p.yaml")
  return try #require(profile.points.first).point
}

@Suite struct AxisTests {
  @Test(arguments: names)
  func `a value is the same on a command line, in a profile, a row and a budget`(
    name: String
  ) throws {
    let axis = PointAxis.named(name)
    let text = try sample(axis)
    let point = try point(axis, text)
    #expect(axis.value(point).text == text)
    var request = PointRequest(model: try ModelSource.resolve("gpt2"))
    try request.settings.set(name, text)
    if let condition = axis.conditions.first {
      try request.settings.set(condition.axis, condition.values.min() ?? "")
    }
    #expect(axis.value(request.point) == axis.value(point))
    let record = PointRecord(
      profile: nil, point: point, repetition: 1, version: "", startedAt: "")
    let column = try #require(PointRecord.columns.first { $0.name == name })
    #expect(column.cell(record).text == text)
    var budget = Budget(figure: .retained, line: 1)
    budget.selection = [AxisChoice(axis: name, values: [text])]
    #expect(budget.applies(to: PointCells(point)))
    budget.selection = [AxisChoice(axis: name, values: ["other"])]
    #expect(!budget.applies(to: PointCells(point)))
  }

  @Test func `every axis is a column of points, laws and baselines`() {
    let all = Set(PointAxis.all.map(\.name))
    #expect(Set(PointColumns.axes.map(\.name)) == all && PointColumns.axes.count == all.count)
    let laws = Set(LawRecord.columns.map(\.name)).intersection(all)
    #expect(laws == all.subtracting(["n_c"]))
    let baseline = Baseline(of: []).text.split(separator: ",").map(String.init)
    #expect(all.subtracting(baseline) == ["threads", "backend"])
  }

  @Test(arguments: names)
  func `points of a series differ in n_c alone`(name: String) throws {
    let axis = PointAxis.named(name)
    let (plain, other) = (try point(axis, nil), try point(axis, try sample(axis)))
    let isSame = name == "n_c" || other == plain
    #expect((other.seriesKey == plain.seriesKey) == isSame)
  }

  @Test func `the exact reference recomputes nothing, and keeps what else there is`() {
    var point = Point(
      modelName: "m", model: DecoderConfiguration(dModel: 8, heads: 2, dFF: 8, vocab: 11), nC: 4,
      nG: 4)
    point.lossRows = .generated
    var full = point
    point.mode = .replayedPrefix(gradients: .activations)
    point.recompute = .layer
    point.chunk = 2
    #expect(point.exactReference == full && point.gradientReferences == [full])
    full.recompute = .layer
    #expect(PointCells(point).apartFromMode == PointCells(full))
    // The head's chunks are no setting of a mode.
    point.head = .chunked
    #expect(point.exactReference.chunk == 2 && PointCells(point).apartFromMode["chunk"] == "2")
  }

  @Test func `a mode has its own settings, and forgets another's`() {
    var point = Point(
      modelName: "m", model: DecoderConfiguration(dModel: 8, heads: 2, dFF: 8, vocab: 11), nC: 4,
      nG: 4)
    point.mode.keepPrefix = 3
    #expect(point.mode == .fullGraph && point.mode.keepPrefix == 0)
    point.mode = .detachedPrefix(keep: 3)
    point.mode.kvGradients = .activations
    #expect(point.mode == .detachedPrefix(keep: 3) && point.mode.kvGradients == .float32)
    #expect(ModeName.allCases.map { Mode($0).name } == ModeName.allCases)
  }

  @Test func `a prefix is kept whole where it is shorter, and a lone point says so`() throws {
    let text = "model: seed\nn_c: [1, 8]\nn_g: 4\nmode: detached-prefix\nkeep_prefix: 4"
    let points = try Profile(text: text, file: "p.yaml").points
    #expect(points.map(\.point.cut) == [0, 4])
    var request = PointRequest(model: try ModelSource.resolve("seed"))
    for (axis, value) in [("n_c", 1), ("n_g", 4), ("keep_prefix", 4)] {
      request.settings[axis] = AxisValue(value)
    }
    try request.settings.set("mode", "detached-prefix")
    #expect(throws: Never.self) { try request.planned() }
    let error = #expect(throws: PointError.self) { try request.planned(standsAlone: true) }
    #expect(error?.description == "keep_prefix 4 is more than the prefix has, n_c 1")
  }

  @Test func `what was kept has a bound, and its law an end`() throws {
    let start = "model: seed\nn_c: 8\nn_g: 4\nmode: detached-prefix\nbackend: shape\n"
    let error = #expect(throws: ProfileError.self) {
      _ = try Profile(text: start + "keep_prefix: 9223372036854775807", file: "p.yaml")
    }
    #expect(error?.line == 6)
    #expect(error?.sentence.hasPrefix("keep_prefix must be 0 to 268435456, not") == true)
    let profile = try Profile(text: start + "keep_prefix: 268435456", file: "p.yaml")
    let runner = PointRunner(engine: .cpu, limit: nil, points: profile.points)
    let records = profile.points.map { runner.run($0, profile: "p").record }
    #expect(records.map(\.status) == [.ok])
    #expect(SeriesLaws(of: records, engine: .cpu).disagreements.count == 1)
    #expect(throws: ScalingLawError.self) {
      try ScalingLaw(from: 1 << 40) { nC in (nC & 3) * 2 * (nC & 3) << 20 }
    }
  }

  @Test(arguments: [
    ("n_c: 200000000", "n_c"), ("n_c: 4\nbatch: 1024\nn_g: 5000000", "n_g"),
    ("n_c: 4000\nbatch: 1048576\nmodel: llama-3.1-405b", "batch"),
  ])
  func `the axis that is too large is named, and its line`(lines: String, axis: String) throws {
    var keys = lines.split(separator: "\n").map(String.init)
    if !lines.contains("model") { keys.append("model: llama-3.1-405b") }
    if !lines.contains("n_g") { keys.append("n_g: 4") }
    keys.append("attention: materialized")
    let error = #expect(throws: ProfileError.self) {
      _ = try Profile(text: keys.joined(separator: "\n"), file: "p.yaml")
    }
    #expect(error?.sentence.hasPrefix("\(axis) ") == true, "\(String(describing: error))")
    #expect(error?.line == keys.firstIndex { $0.hasPrefix(axis) }.map { $0 + 1 })
  }
}
