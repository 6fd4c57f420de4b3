import Autograd
import CPUBackend
import Foundation
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// A fixture of gradients in parts; `Tests/Fixtures/README.md` says what is what.
private struct PartsFixture {
  /// `parts.json`.
  struct Case: Decodable {
    let n_c: Int
    let n_g: Int
    let batch: Int
    let loss_rows: String
  }

  static let names =
    ((try? FileManager.default.contentsOfDirectory(atPath: Fixture.folder.path)) ?? [])
    .filter { $0.hasPrefix("parts-") }.sorted()

  let directory: URL
  let point: Point
  let tokens: TokenIDs

  init(_ name: String) throws {
    directory = Fixture.folder.appending(path: name)
    func decode<T: Decodable>(_ type: T.Type, _ file: String, in directory: URL) throws -> T {
      try JSONDecoder().decode(type, from: Data(contentsOf: directory.appending(path: file)))
    }
    let numbers = try decode(Case.self, "parts.json", in: directory)
    let lists = try decode([String: [[Int32]]].self, "tokens.json", in: directory)["tokens"] ?? []
    tokens = TokenIDs(ids: lists.flatMap(\.self), stride: lists[0].count)
    var point = Point(
      modelName: name, model: try HuggingFaceConfiguration.read(directory.path).decoder,
      nC: numbers.n_c, nG: numbers.n_g)
    point.batch = numbers.batch
    point.lossRows = numbers.loss_rows == "generated" ? .generated : .nextToken
    point.chunk = 4
    self.point = point
  }

  /// PyTorch's part of every parameter; nil if the file is not there.
  func part(_ name: String) throws -> [String: [Double]]? {
    let path = directory.appending(path: "\(name).safetensors").path
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let file = try SafetensorsFile(path)
    return try Dictionary(
      uniqueKeysWithValues: file.names.map { ($0, try file.floats($0).map(Double.init)) })
  }
}

@Suite struct `Agreement of parts with PyTorch` {
  @Test func `there are parts of every family`() {
    for family in DecoderConfiguration.Family.allCases {
      #expect(PartsFixture.names.contains { $0.hasPrefix("parts-\(family.rawValue)-") })
    }
  }

  @Test(
    arguments: PartsFixture.names, [Mode.fullGraph, .prunedGraph, .replayedPrefix])
  func `prefix, boundary and generated parts are PyTorch's`(name: String, mode: Mode) throws {
    let fixture = try PartsFixture(name)
    for attention in AttentionKind.allCases {
      var point = fixture.point
      point.mode = mode
      point.attention = attention
      let backend = try CPUBackend(threads: 2)
      let step = try TrainingStep(
        point, backend: backend,
        weights: (ModelWeights.open(fixture.directory.path), point.model.layers))
      step.tokens = fixture.tokens
      let split = try parts(of: step, backend, rows: point.flowRows)
      let whole = try norm(
        ["prefix", "generated"].flatMap { try #require(try fixture.part($0)).values.flatMap(\.self) })
      #expect((try fixture.part("boundary") != nil) == (point.lossRows == .nextToken))
      for region in ["prefix", "boundary", "generated"] {
        guard let theirs = try fixture.part(region) else { continue }
        let rows =
          switch region {
          case "prefix": 0..<point.nC
          case "boundary": point.nC - 1..<point.nC
          default: point.nC..<point.n
          }
        let sum = zip(point.flowRows, split).filter { rows.contains($0.0.lowerBound) }
          .reduce(into: [Use: [Double]]()) { sum, part in
            sum.merge(part.1) { zip($0, $1).map(+) }
          }
        let ours = assembled(sum, like: step.decoder)
        #expect(Set(ours.keys) == Set(theirs.keys))
        for (parameter, expected) in theirs {
          let difference = norm(zip(ours[parameter] ?? [], expected).map(-))
          #expect(
            difference <= max(2e-5 * norm(expected), 0x1p-22 * whole),
            "\(region) \(parameter) \(attention) \(difference / norm(expected))")
          // Row 0 sees one key: what W_Q and W_K get from it is zero, but fused attention takes it
          // as the difference of two sums that rounding keeps apart.
          if norm(expected) == 0, point.nC > 1 || attention == .materialized {
            #expect(norm(ours[parameter] ?? []) == 0, "\(region) \(parameter) \(attention)")
          }
        }
      }
    }
  }
}
