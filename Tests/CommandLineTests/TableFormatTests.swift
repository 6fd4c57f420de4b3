import Foundation
import TestSupport
import Testing

/// Tables as JSON, of commands that print one.
@Suite struct TableFormatTests {
  private static let profile = """
    model: seed
    n_c: [1, 2, 8]
    n_g: 2
    backend: shape
    mode: [full-graph, detached-prefix]
    """

  private func object(_ result: Program.Result) throws -> Any {
    #expect(result.status == 0, "\(result.errors)")
    return try JSONSerialization.jsonObject(with: Data(result.output.utf8))
  }

  @Test func `sweep, merge and compare print their tables as JSON`() throws {
    let folder = try Folder()
    let profile = try folder.add("p.yaml", Self.profile)
    let whole = folder.path + "/whole"
    let sweep =
      try object(
        Program.run(["sweep", profile, "--output", whole, "--format", "json"])) as? [String: Any]
    let series = try #require(sweep?["series"] as? [[String: Any]])
    #expect(series.map { $0["mode"] as? String } == ["full-graph", "detached-prefix"])
    for one in series {
      #expect(one["n_c"] as? Int == 8 && one["saved"] is NSNull)
      let constant = try #require(one["constant_bytes"] as? Int)
      let linear = try #require(one["linear_bytes"] as? Int)
      let quadratic = try #require(one["quadratic_bytes"] as? Int)
      #expect(one["retained_bytes"] as? Int == constant + 8 * linear + 64 * quadratic)
      #expect(one["retained_bytes_per_token"] as? Int == linear + 15 * quadratic)
    }
    #expect((sweep?["points"] as? [Any])?.isEmpty == true)

    let shards = (1...2).map { "\(folder.path)/\($0)" }
    for (number, shard) in shards.enumerated() {
      let run = try Program.run(
        ["sweep", profile, "--output", shard, "--shard", "\(number + 1)/2"])
      #expect(run.status == 0)
    }
    let merged =
      try object(
        Program.run(
          ["merge"] + shards + ["--output", folder.path + "/merged", "--format", "json"]))
      as? [[String: Any]]
    #expect(merged?.compactMap { $0["taken"] as? Int }.reduce(0, +) == 6)
    #expect(merged?.map { $0["shard"] as? String } == ["1/2", "2/2"])

    let compared =
      try object(Program.run(["compare", whole, folder.path + "/merged", "--format", "json"]))
      as? [String: Any]
    let points = try #require(compared?["points"] as? [[String: Any]])
    #expect(points.count == 6 && (compared?["only_in_a"] as? [Any])?.isEmpty == true)
    for point in points {
      let retained = try #require(point["retained_bytes"] as? [String: Any])
      #expect(retained["a"] as? Int == retained["b"] as? Int)
      #expect(retained["increase_percent"] as? Double == 0)
      #expect((point["tensors"] as? [Any])?.isEmpty == true)
    }
    for command in ["sweep \(profile) --output x", "merge x --output y", "compare x y"] {
      let refused = try Program.run(
        command.split(separator: " ").map(String.init) + ["--format", "xml"])
      #expect(refused.status == 64 && refused.sentence?.contains("unknown format") == true)
    }
  }

  @Test func `totals stand in the JSON of a point, and add up to what is retained`() throws {
    let row =
      try object(
        Program.run(
          [
            "measure", "--model", "seed", "--n-c", "4", "--n-g", "4", "--backend", "shape",
            "--format", "json", "--by", "op,region",
          ])) as? [String: Any]
    let by = try #require(row?["by"] as? [String: [[String: Any]]])
    #expect(Set(by.keys) == ["op", "region"])
    for (key, rows) in by {
      let sum = rows.compactMap { $0["requested_bytes"] as? Int }.reduce(0, +)
      #expect(sum == row?["retained_bytes"] as? Int, "\(key)")
      #expect(rows.allSatisfy { $0[key] is String })
    }
  }
}
