import Foundation
import Ledger
import Retention
import Testing

/// `scripts/plotting/registry.json`: what the pictures know of the axes and of the regions.
@Suite struct AxisRegistryFileTests {
  private static let path = #filePath.replacing(
    "Tests/SweepTests/AxisRegistryFileTests.swift", with: "scripts/plotting/registry.json")

  /// An axis as one line of JSON.
  private func line(_ axis: PointAxis) throws -> String {
    var words: [String] = []
    if case .words(let choices) = axis.kind { words = choices }
    let hasDefault = !axis.isRequired && axis.section != .model
    let object: [String: Any] = [
      "name": axis.name, "section": axis.section.rawValue, "words": words,
      "default": hasDefault ? axis.standard.text : "",
      "is_integer": axis.kind == .integer, "is_conditional": !axis.conditions.isEmpty,
      "of_series": axis.seriesValue == nil, "of_reference": axis.referenceValue != nil,
    ]
    let data = try JSONSerialization.data(withJSONObject: object, options: .sortedKeys)
    return String(decoding: data, as: UTF8.self)
  }

  /// With `BALLAST_WRITE_REGISTRY` set the file is written; run so after a change of the registry.
  @Test func `the pictures know the axes of the registry, and the regions`() throws {
    let axes = try PointAxis.all.map(line).joined(separator: ",\n")
    let regions = RegionBytes.all.map { "\"\($0.name)\"" }.joined(separator: ",")
    let text = "{\"axes\":[\n\(axes)\n],\n\"regions\":[\(regions)]}\n"
    if ProcessInfo.processInfo.environment["BALLAST_WRITE_REGISTRY"] != nil {
      try text.write(toFile: Self.path, atomically: true, encoding: .utf8)
    }
    #expect(
      try String(contentsOfFile: Self.path, encoding: .utf8) == text,
      "BALLAST_WRITE_REGISTRY=1 scripts/test --filter AxisRegistryFileTests writes it again")
  }
}
