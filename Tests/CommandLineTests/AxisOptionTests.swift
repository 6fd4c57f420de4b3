import Foundation
import Retention
import TestSupport
import Testing
import Values

/// Every axis of the registry is an option of `measure`, with its words and its default in help.
@Suite struct AxisOptionTests {
  private static let axes = PointAxis.all.filter { $0.name != "model" }

  /// The arguments that make a point in which an axis means something.
  private func arguments(_ axis: PointAxis) -> [String] {
    let condition = axis.conditions.first.map { ["--\($0.axis)", $0.values.min() ?? ""] } ?? []
    // An option may stand but once.
    let hasLengths = ["lengths", "layout"].contains(axis.name)
    let tokens =
      hasLengths ? [("--lengths", "3+2,1+4")] : [("--n-c", "4"), ("--n-g", "4")]
    let others = (tokens + [("--backend", "shape")])
      .filter { $0.0 != "--\(axis.option)" }.flatMap { [$0.0, $0.1] }
    return ["measure", "--model", "gpt2", "--format", "json"] + others + condition
  }

  @Test func `help lists every option, its words and its default`() throws {
    let help = try Program.run(["measure", "--help"]).output
    let text = help.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    for axis in Self.axes {
      #expect(text.contains("--\(axis.option) <\(axis.option)> \(axis.sentence)"), "\(axis.name)")
      guard case .words(let words) = axis.kind else { continue }
      #expect(words.allSatisfy(axis.sentence.contains))
    }
  }

  @Test(arguments: axes.map(\.name))
  func `an option's value is in the row that is printed`(name: String) throws {
    let axis = PointAxis.named(name)
    let value: String =
      switch axis.kind {
      case .words(let words): words.last ?? ""
      case .integer: name == "d_model" ? "1536" : "2"
      case .unsigned: "18446744073709551615"
      case .number: "0.25"
      case .text: try AxisSamples.text(of: name)
      }
    let result = try Program.run(arguments(axis) + ["--\(axis.option)", value])
    #expect(result.status == 0, "\(result.errors)")
    let row = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    let cell = try #require(row?[name])
    #expect("\(cell)" == value)
  }

  @Test(arguments: axes.filter { $0.kind.isNumber }.map(\.name))
  func `a number that is none is refused in one sentence, a negative one too`(name: String) throws {
    let axis = PointAxis.named(name)
    for value in ["-1", "two", "9e99"] {
      let result = try Program.run(arguments(axis) + ["--\(axis.option)", value])
      #expect(result.status == 64 && result.output.isEmpty)
      #expect(result.sentence?.hasPrefix("ballast: ") == true, "\(result.errors)")
    }
  }
}
