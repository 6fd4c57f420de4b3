import Foundation
import Ledger
import Reporting
import Retention
import Spelling
import Testing
import Transformer
import Values

/// Every region, mode and figure is wherever its like are, without a list that names it.
@Suite struct SchemaTests {
  private func record(_ mode: ModeName = .fullGraph) -> PointRecord {
    var point = Point(
      modelName: "m", model: DecoderConfiguration(dModel: 8, heads: 2, dFF: 8, vocab: 16), nC: 4,
      nG: 3)
    point.mode = Mode(mode)
    return PointRecord(profile: nil, point: point, repetition: 1, version: "", startedAt: "")
  }

  @Test(arguments: Region.allCases)
  func `a region is in tables, files and what is read of them`(region: Region) throws {
    var (bytes, record) = (RegionBytes(), record())
    bytes[region] = 4321
    record.retained = bytes
    let lines = PointTable.text(of: record).split(separator: "\n")
    #expect(lines.contains { $0.contains(region.name) && $0.contains("4321 B") })
    let row = CSV.line(of: record)
    #expect(try PointRecord(row: row, of: record.point).retained == bytes)
    let columns = PointRecord.columns.map(\.name)
    let cells = Dictionary(uniqueKeysWithValues: zip(columns, CSVReader.records(row)[0]))
    for other in Region.allCases {
      #expect(cells["retained_\(other.name)_bytes"] == (other == region ? "4321" : "0"))
      #expect(LedgerRecord.columns.contains { $0.name == "\(other.name)_bytes" })
    }
    let saved = SavedStorage(
      id: Ledger().charge(description(bytes)), description: description(bytes), savers: [])
    let totals = TotalsTable.text(of: [saved], by: .region)
    #expect(totals.contains(region.name) && totals.contains("4321 B"))
  }

  private func description(_ regions: RegionBytes) -> StorageDescription {
    StorageDescription(
      tensor: "x", role: .hidden, category: .activation, shape: [4321], dtype: "uint8",
      requestedBytes: 4321, allocatedBytes: 5120, regions: regions)
  }

  @Test func `every figure has a column, a name of its own and a line or a word`() throws {
    let columns = PointRecord.columns.map(\.name)
    for figure in PointFigure.all {
      #expect(columns.count { $0 == figure.name } == 1)
      #expect(PointFigure.all.count { $0.label == figure.label } == 1)
      #expect(figure.name.hasSuffix("_bytes") == (figure.unit == .bytes))
      #expect(figure.name.hasSuffix("_seconds") == (figure.unit == .seconds))
    }
    // Whatever is no axis and says nothing of the row itself is a figure.
    let others = columns.filter { name in
      PointAxis.find(name) == nil && !PointFigure.all.contains { $0.name == name }
    }
    #expect(
      others == [
        "schema", "profile", "repeat", "status", "error", "version", "started_at",
        "gradient_reference",
      ])
  }

  @Test func `the schema has every axis, mode, region and figure, and every column of every file`()
    throws
  {
    let schema = try #require(
      try JSONSerialization.jsonObject(with: Data(ResultSchema.text.utf8))
        as? [String: [[String: Any]]])
    let same = try JSONSerialization.jsonObject(with: Data(ResultSchema.json.text.utf8))
    #expect(NSDictionary(dictionary: schema).isEqual(same))
    func names(_ part: String) -> [String] {
      schema[part]?.compactMap { $0["name"] as? String } ?? []
    }
    #expect(names("axes") == PointAxis.all.map(\.name))
    #expect(names("modes") == ModeName.words)
    #expect(names("regions") == Region.allCases.map(\.name))
    #expect(names("figures") == PointFigure.all.map(\.name))
    for file in schema["files"] ?? [] {
      let kind = try #require(ResultKind(rawValue: file["name"] as? String ?? ""))
      let columns = file["columns"] as? [[String: String]] ?? []
      #expect(columns.compactMap { $0["name"] } == kind.columns)
      #expect(kind.needed.allSatisfy(kind.columns.contains))
      for column in columns {
        let isAxis = PointAxis.find(column["name"] ?? "") != nil
        #expect((column["kind"] == "axis") == isAxis)
        #expect(["axis", "condition", "figure"].contains(column["kind"]))
      }
    }
  }
}
