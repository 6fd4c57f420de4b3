import Files
import Foundation
import Profiles
import Recordings
import Schemas
import Sweep
import TestSupport
import Testing
import Values

/// `schemas/`: what editors know of the files that people write.
///
/// That the schemas take what the program takes, and refuse what it refuses, is held by
/// `python/tests/checks/test_schemas.py`, where there is a library that validates.
@Suite struct SchemaFileTests {
  private static let root = #filePath.replacing(
    "Tests/SchemasTests/SchemaFileTests.swift", with: "")

  /// With `BALLAST_WRITE_SCHEMA` set the files are written; run so after a change of what is in them.
  @Test(arguments: FileSchema.allCases)
  func `the schemas that are committed are the program's`(schema: FileSchema) throws {
    let path = Self.root + "schemas/" + schema.file
    if ProcessInfo.processInfo.environment["BALLAST_WRITE_SCHEMA"] != nil {
      try schema.text.write(toFile: path, atomically: true, encoding: .utf8)
    }
    #expect(
      try String(contentsOfFile: path, encoding: .utf8) == schema.text,
      "BALLAST_WRITE_SCHEMA=1 scripts/test --filter SchemaFileTests writes it again")
  }

  /// The members of an object of a schema.
  private func members(_ value: Any?) throws -> [String: Any] {
    try #require(value as? [String: Any])
  }

  private func schema(_ schema: FileSchema) throws -> [String: Any] {
    try members(JSONSerialization.jsonObject(with: Data(schema.text.utf8)))
  }

  @Test(arguments: FileSchema.allCases)
  func `every key has a sentence about it`(schema: FileSchema) throws {
    func check(_ value: Any, at place: String) throws {
      if let list = value as? [Any] { return try list.forEach { try check($0, at: place) } }
      guard let object = value as? [String: Any] else { return }
      let isCondition = object["if"] != nil || object["then"] != nil
      for (name, part) in object where name != "if" && name != "not" && !isCondition {
        try check(part, at: "\(place)/\(name)")
        // Of a condition the properties are the schema's own, which are described there.
        guard name == "properties", let parts = part as? [String: [String: Any]],
          object["type"] != nil
        else { continue }
        for (key, part) in parts {
          let text = part["description"] as? String ?? ""
          #expect(text.count > 10 && [".", ")"].contains(text.last), "\(place)/\(key)")
        }
      }
    }
    try check(try self.schema(schema), at: schema.rawValue)
  }

  /// What the schema calls needed, the program cannot do without: each is left out in turn.
  @Test func `a recording without a key that its schema needs is refused`() throws {
    let path = Self.root + "Tests/Fixtures/recordings/published/megatron-fp16-1.json.gz"
    guard case .object(let whole) = try RecordedFile.json(RecordedFile.bytes(path)) else {
      Issue.record("no object")
      return
    }
    let top = try schema(.recording)
    let properties = try members(top["properties"])
    var count = 0
    func refused(_ members: [String: JSON], without key: String) {
      count += 1
      #expect(throws: RecordingFault.self, "\(key)") { _ = try Recording(.object(members)) }
    }
    _ = try Recording(.object(whole))
    for key in try #require(top["required"] as? [String]) {
      refused(whole.filter { $0.key != key }, without: key)
      let part = try members(properties[key])
      guard case .object(let inner)? = whole[key], let needed = part["required"] as? [String]
      else { continue }
      for name in needed {
        var other = whole
        other[key] = .object(inner.filter { $0.key != name })
        refused(other, without: "\(key).\(name)")
      }
    }
    #expect(count > 30)
  }

  @Test func `a sweep's file has the keys of its schema`() throws {
    let profile = try Profile(text: "model: seed\nn_c: 4\nn_g: 4\n", file: "x.yaml")
    var manifest = SweepManifest(of: profile, memory: 4096)
    manifest.shard = try Shard("2/3", for: "shard")
    let written = try members(
      JSONSerialization.jsonObject(with: JSONEncoder().encode(manifest)))
    let schema = try schema(.sweep)
    let known = Set(try members(schema["properties"]).keys).subtracting(["probe"])
    #expect(known == Set(written.keys))
    let source = try members(members(schema["properties"])["source"])
    #expect(try Set(members(source["properties"]).keys) == Set(members(written["source"]).keys))
  }
}
