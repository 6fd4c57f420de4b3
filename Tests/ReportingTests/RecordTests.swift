import Files
import Foundation
import Ledger
import Reporting
import Retention
import Testing
import Transformer

private let point = Point(
  modelName: "seed", model: DecoderConfiguration(dModel: 64, heads: 4, dFF: 172, vocab: 256),
  nC: 4, nG: 3)

private func bareRecord() -> PointRecord {
  PointRecord(
    profile: "p", point: point, repetition: 1, version: "0", startedAt: "2026-01-01T00:00:00Z")
}

@Suite struct RecordTests {
  @Test func `points.csv has the contract's columns in the contract's order`() {
    #expect(PointRecord.columns.map(\.name) == ContractColumns.points)
  }

  @Test func `ledger.csv has the contract's columns in the contract's order`() {
    #expect(LedgerRecord.columns.map(\.name) == ContractColumns.ledger)
  }

  @Test func `gradients.csv has the ledger's key and a parameter's figures`() {
    #expect(GradientRecord.columns.map(\.name) == ContractColumns.gradients)
    var gradient = ParameterGradient(parameter: "a,b", weight: "W_Q", layer: nil)
    gradient.norm = 0
    let record = PointRecord(
      profile: "p", point: point, repetition: 2, version: "", startedAt: "")
    let rows = GradientRecord.rows(of: [gradient], in: record)
    let cells = CSVReader.records(CSV.document(rows))[1]
    #expect(
      cells == [
        "p", "full-graph", "0", "256", "none", "fused", "loss-rows", "next-token", "float32", "1",
        "4", "3", "2", "a,b", "W_Q", "", "", "", "0.0", "", "",
      ])
  }

  @Test func `laws.csv ends with the law and the range it was checked on`() {
    let end = ContractColumns.lawsEnd
    #expect(LawRecord.columns.map(\.name).suffix(end.count) == end[...])
    let series = Set(LawRecord.columns.map(\.name))
    #expect(series.contains("n_g") && !series.contains("n_c") && !series.contains("repeat"))
  }

  @Test func `figures that were not taken are empty, never 0`() {
    let cells = zip(PointRecord.columns, CSVReader.records(CSV.line(of: bareRecord()))[0])
    for (column, text) in cells
    where column.name.hasSuffix("_bytes") || column.name.hasSuffix("_seconds") {
      #expect(text.isEmpty, "\(column.name)")
    }
  }

  @Test func `a row is read back with every figure, those of new columns too`() throws {
    let columns = PointRecord.columns.map(\.name)
    let bare = CSVReader.records(CSV.line(of: bareRecord()))[0]
    let reals = ["loss", "gradient_relative_error", "gradient_cosine"]
    let full = zip(columns, bare).map { name, text in
      switch name {
      case "retained_bytes": String(7 * Region.allCases.count)
      case "error": "it, \"failed\"\non two lines"
      case "gradient_reference": "replayed-prefix"
      case _ where !text.isEmpty || ["trainable", "adapter", "lora", "lengths"].contains(name): text
      case _ where reals.contains(name) || name.hasSuffix("_seconds"): "7.5e-07"
      default: "7"
      }
    }
    for fields in [bare, full] {
      let row = CSV.line(fields.map { Cell.text($0) })
      #expect(try CSV.line(of: PointRecord(row: row, of: point)) == row)
    }
  }

  @Test func `a row of another point, or half a row, is refused`() {
    let row = CSV.line(of: bareRecord())
    var other = point
    other.nC += 1
    #expect(throws: RecordError.self) { try PointRecord(row: row, of: other) }
    #expect(throws: RecordError.self) { try PointRecord(row: String(row.dropLast(9)), of: point) }
    #expect(throws: RecordError.self) { try PointRecord(row: row + row, of: point) }
    #expect(throws: RecordError.self) { try PointRecord(row: "", of: point) }
  }

  @Test func `a figure that is 0 is written as 0`() throws {
    var record = bareRecord()
    record.retained = RegionBytes(prefix: 12)
    let line = CSVReader.records(CSV.line(of: record))[0]
    let index = try #require(ContractColumns.points.firstIndex(of: "retained_shared_bytes"))
    #expect(line[index] == "0")
    let total = try #require(ContractColumns.points.firstIndex(of: "retained_bytes"))
    #expect(line[total] == "12")
  }

  @Test(arguments: [
    "plain", "a,b", "say \"so\"", "two\nlines", "\r\n", "\"", ",", "käse · n² – 日本", "e\u{301},x",
    "\"\u{301}", " space ",
  ])
  func `a text survives writing and reading`(text: String) throws {
    var record = bareRecord()
    record.status = .failed
    record.error = text
    record.profile = text
    let stored = CSVReader.records(CSV.document([record, record]))
    // In the file a text that begins with a line break has an apostrophe before it.
    #expect(stored[1][1].utf8.elementsEqual(((text == "\r\n" ? "'" : "") + text).utf8))
    let records = try CSVDocument.records(of: CSV.document([record, record]))
    #expect(records.count == 3)
    #expect(records[0] == ContractColumns.points)
    for line in records.dropFirst() {
      #expect(line.count == ContractColumns.points.count)
      #expect(line[1].utf8.elementsEqual(text.utf8))
      #expect(line[26].utf8.elementsEqual(text.utf8))
    }
  }

  @Test func `a JSON object has the CSV's keys in their order and valid values`() throws {
    var record = bareRecord()
    record.error = "a \"b\"\n\t\u{1}\\ é"
    record.loss = 5.5
    record.forwardSeconds = .nan
    let text = JSONObject.text(of: record)
    let keys = text.split(separator: "\n").dropFirst().dropLast()
      .map { $0.split(separator: "\"")[1] }
    #expect(keys.map(String.init) == ContractColumns.points)
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(object["error"] as? String == record.error)
    #expect(object["loss"] as? Double == 5.5)
    #expect(object["n_c"] as? Int == 4)
    #expect(object["forward_seconds"] is NSNull)
    #expect(object["retained_bytes"] is NSNull)
  }

  @Test func `a storage that three ops saved is one row with all of its savers`() throws {
    let description = StorageDescription(
      tensor: "x", role: .hidden, category: .activation, shape: [1, 7, 64], dtype: "float32",
      requestedBytes: 1792, allocatedBytes: 1792,
      regions: RegionBytes(prefix: 1024, generated: 768))
    let ledger = Ledger()
    let view = SavedView(shape: [1, 7, 64], dtype: "float32")
    let id = ledger.perform(Scope(Op(.module(.query)), layer: 0)) {
      let id = ledger.charge(description)
      ledger.save(id, view, as: "input", neededFor: ["W_Q"])
      return id
    }
    for (scope, gradients) in [
      (Scope(Op(.module(.key)), layer: 0), ["W_K", "W_Q"]), (Scope(Op(.module(.head))), ["U"]),
    ] {
      ledger.perform(scope) { ledger.save(id, view, as: "input", neededFor: gradients) }
    }
    let record = PointRecord(
      profile: "p", point: point, repetition: 1, version: "", startedAt: "")
    let rows = LedgerRecord.rows(of: ledger.savedStorages(), in: record)
    let document = CSVReader.records(CSV.document(rows))
    #expect(document.count == 2)
    #expect(
      document[1].suffix(15) == [
        "0", "0", "q_proj", "input", "1x7x64", "float32", "1792", "1792", "1024", "768", "0", "0",
        "W_Q W_K U", "layers.0.k_proj:input head:input", "0",
      ])
  }
}
