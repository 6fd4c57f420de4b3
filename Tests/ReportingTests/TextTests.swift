import Reporting
import Retention
import Testing
import Transformer

@Suite struct TextTests {
  @Test(arguments: [
    (0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (1536, "1.50 KiB"), (1 << 20, "1.00 MiB"),
    ((1 << 20) - 1, "1.00 MiB"), (5 << 30, "5.00 GiB"), (Int.max, "8192.00 PiB"),
    (-2048, "-2.00 KiB"),
  ])
  func `bytes have a binary unit`(count: Int, text: String) {
    #expect(Units.bytes(count) == text)
  }

  @Test(arguments: [
    (0.0, "0"), (1.0, "1.00"), (0.3123, "0.312"), (0.9999, "1.00"), (12.34, "12.3"),
    (99_990, "99990"), (1.25e-6, "1.25e-06"), (-0.5, "-0.500"), (.infinity, "inf"),
    (9.9996e9, "1.00e+10"),
  ])
  func `numbers have three significant digits`(value: Double, text: String) {
    #expect(Units.significant(value) == text)
  }

  @Test(arguments: [
    (0.42, "0.42 s"), (12.4, "12 s"), (185, "3 min 05 s"), (7800, "2 h 10 min"),
    (.infinity, "a long time"),
  ])
  func `waiting is told in the unit that fits`(seconds: Double, text: String) {
    #expect(Units.seconds(seconds) == text)
  }

  @Test func `table columns are aligned and lines have no spaces at their ends`() {
    var table = TextTable([("name", .left), ("n", .right)])
    table.add(["a", "100"])
    table.add(["longer", "7"])
    #expect(table.text == "name      n\na       100\nlonger    7\n")
  }

  @Test(arguments: [1, 2])
  func `a table wider than a hundred columns goes on below, its labels said again`(keys: Int) {
    let wide = String(repeating: "w", count: 31)
    var table = TextTable(
      [("a", .left), ("b", .right), (wide, .right), (wide, .left), (wide, .right)], keys: keys,
      starts: [3])
    table.add(["x", "1", "2", "3", "4"])
    let parts = table.text.split(separator: "\n\n").map { part in
      part.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    }
    let labels = [["a", "b"], ["x", "1"]].map { Array($0.prefix(keys)) }
    #expect(
      parts == [
        [["a", "b", wide], ["x", "1", "2"]],
        [labels[0] + [wide, wide], labels[1] + ["3", "4"]],
      ])
    #expect(table.text.split(separator: "\n").allSatisfy { $0.count <= 100 })

    // One column to the line's very end stays whole; one more does not.
    for (length, count) in [(100 - 3, 1), (100 - 2, 2)] {
      var table = TextTable([("a", .left), ("b", .left), ("c", .left)])
      table.add(["x", String(repeating: "y", count: length - 3), "z"])
      #expect(table.text.split(separator: "\n\n").count == count, "\(length)")
    }
    var alone = TextTable([("", .left)])
    alone.add([String(repeating: "y", count: 200)])
    #expect(alone.text.count == 201)
  }

  @Test func `the table of a point names the gradient that is off the most`() {
    var point = Point(
      modelName: "m", model: DecoderConfiguration(dModel: 64, heads: 4, dFF: 172, vocab: 256),
      nC: 10, nG: 2)
    point.mode = .detachedPrefix()
    var record = PointRecord(
      profile: nil, point: point, repetition: 1, version: "0", startedAt: "")
    record.gradientRelativeError = 0.25
    record.gradientReference = .replayedPrefix
    let gradients = [("a", 0.1), ("b", 0.5), ("c", nil), ("d", 0.0)].map { name, error in
      var gradient = ParameterGradient(parameter: name, weight: "W", layer: 0)
      gradient.relativeError = error
      return gradient
    }
    let lines = PointTable.text(of: record, gradients: gradients).split(separator: "\n")
    #expect(
      lines.suffix(3) == [
        "gradient error   0.250", "  largest        0.500 in b", "  compared with  replayed-prefix",
      ])
    let exact = PointTable.text(of: record, gradients: [gradients[3]])
    #expect(!exact.contains("largest"))
  }

  @Test func `the sweep table shows bytes per prefix token, what is saved and what it costs`() {
    let model = DecoderConfiguration(dModel: 64, heads: 4, dFF: 172, vocab: 256)
    var full = Point(modelName: "m", model: model, nC: 10, nG: 2)
    var detached = full
    detached.mode = .detachedPrefix()
    var records: [PointRecord] = []
    for (point, error) in [(full, 0.0), (detached, 0.25)] {
      var record = PointRecord(
        profile: "p", point: point, repetition: 1, version: "0", startedAt: "")
      record.gradientRelativeError = error
      records.append(record)
    }
    full.nC = 0
    detached.nC = 0
    let laws = [
      (full, ScalingLaw(constant: 100, linear: 50, quadratic: 2)),
      (detached, ScalingLaw(constant: 100, linear: 5, quadratic: 0)),
    ].map {
      LawRecord(
        profile: "p", point: $0.0, law: $0.1, checkedRange: 10...10, pointsChecked: 1,
        pointsMatching: 1)
    }
    let lines = SweepTable.text(laws: laws, points: records).split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[1].contains("100 + 50·n_c + 2·n_c²") && lines[1].contains(" 88 "))
    #expect(lines[2].contains(" 5 ") && lines[2].contains("81.3 %") && lines[2].contains("0.250"))
  }
  @Test func `the sweep table shows medians of points that were repeated`() {
    let model = DecoderConfiguration(dModel: 64, heads: 4, dFF: 172, vocab: 256)
    var point = Point(modelName: "m", model: model, nC: 10, nG: 2)
    func record(_ repetition: Int, _ seconds: Double) -> PointRecord {
      var record = PointRecord(
        profile: "p", point: point, repetition: repetition, version: "0", startedAt: "")
      (record.forwardSeconds, record.backwardSeconds) = (seconds, 2 * seconds)
      return record
    }
    // The shorter prefix has no part in it.
    var records = [record(1, 9), record(2, 1), record(3, 0.5)]
    point.nC = 5
    records.append(record(1, 100))
    point.nC = 0
    let law = LawRecord(
      profile: "p", point: point, law: ScalingLaw(constant: 1, linear: 5, quadratic: 0),
      checkedRange: nil, pointsChecked: 4, pointsMatching: 4)
    func lines() -> [Substring] {
      SweepTable.text(laws: [law], points: records).split(separator: "\n")
    }
    #expect(lines()[0].hasSuffix("median step of 3") && lines()[1].hasSuffix(" 3.00 s"))
    records.remove(at: 0)
    #expect(lines()[1].hasSuffix(" 2.25 s"))
    records = [records[0]]
    records[0].repetition = 1
    #expect(!lines()[0].contains("median"))
  }
}
