import Ledger
import Reporting
import Retention
import Testing
import Transformer

/// Numbers at the ends of their types, as files may hold them.
@Suite struct ExtremeTests {
  private static let doubles = [
    0, -0.0, .leastNonzeroMagnitude, .leastNormalMagnitude, 0.5, 9e15, 0x1p53 + 2, 0x1p63, 1e19,
    1e308, .greatestFiniteMagnitude,
    .infinity, -.infinity, .nan, -1e308,
  ]

  @Test(arguments: doubles)
  func `every number has a text`(value: Double) {
    #expect(!Units.fixed(value, 2).isEmpty && !Units.significant(value).isEmpty)
    #expect(!Units.seconds(value).isEmpty && Units.wholeBytes(value).hasSuffix(" B"))
    for unit in ["bytes", "ratio"] {
      for limit in Self.doubles {
        let judgement = Judgement(
          file: "f", line: 1, profile: "p", title: "t", point: "x", unit: unit, figure: value,
          upper: limit, lower: -limit, verdict: .init(of: value, upper: limit, lower: -limit))
        #expect(!judgement.sentence.isEmpty && !BudgetTable.text(of: [judgement]).isEmpty)
        #expect(!BudgetFormats.json([judgement]).isEmpty)
      }
    }
  }

  @Test(arguments: [0, 1, 1023, 1 << 40, .max, -.max, .min])
  func `every count of bytes has a text`(count: Int) {
    #expect(Units.bytes(count).contains("B") && Units.exactBytes(count).contains("B"))
  }

  @Test func `a row whose retained bytes overflow, or are negative, is refused`() throws {
    let point = Point(
      modelName: "m", model: DecoderConfiguration(dModel: 8, heads: 2, dFF: 8, vocab: 11), nC: 2,
      nG: 2)
    var record = PointRecord(
      profile: nil, point: point, repetition: 1, version: "0", startedAt: "now")
    record.retained = RegionBytes(prefix: 1, generated: 1, crossing: 1, shared: 1)
    let row = CSV.line(of: record)
    #expect(throws: Never.self) { try PointRecord(row: row, of: point) }
    let names = PointRecord.columns.map(\.name)
    for (column, value) in [
      ("retained_prefix_bytes", Int.max), ("retained_shared_bytes", .max),
      ("peak_forward_bytes", -.max), ("retained_crossing_bytes", -1), ("saved_tensors", .min),
    ] {
      var fields = try #require(try CSVDocument.records(of: row).first)
      fields[try #require(names.firstIndex(of: column))] = String(value)
      let changed = CSV.line(fields.map(Cell.text))
      #expect(throws: RecordError.self) { try PointRecord(row: changed, of: point) }
    }
  }
}
