import Autograd
import CPUBackend
import Foundation
import Retention
import Tensors
import TestSupport
import Testing
import Transformer

/// A model, its tokens and PyTorch's numbers for them; `Tests/Fixtures/README.md` says what is what.
struct Fixture {
  /// `case.json`.
  struct Case: Decodable {
    struct Numbers: Decodable { let loss: Double }
    let n_c: Int
    let n_g: Int
    let batch: Int
    let loss_rows: String
    let keep_prefix: Int
    let cut: Int
    let modes: [String: Numbers]
  }

  /// One attention implementation's entry of `bfloat16.json`.
  struct Rounding: Decodable {
    let loss_relative_difference: Double
    let gradient_relative_l2: Double
    let relative_l2: [String: Double]
  }

  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures")
  static let names =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
    .filter {
      FileManager.default.fileExists(atPath: folder.appending(path: "\($0)/case.json").path)
    }
    .sorted()

  let directory: URL
  let numbers: Case
  let tokens: TokenIDs
  let configuration: DecoderConfiguration

  init(_ name: String) throws {
    directory = Self.folder.appending(path: name)
    func decode<T: Decodable>(_ type: T.Type, _ file: String, in directory: URL) throws -> T {
      try JSONDecoder().decode(type, from: Data(contentsOf: directory.appending(path: file)))
    }
    numbers = try decode(Case.self, "case.json", in: directory)
    let lists = try decode([String: [[Int32]]].self, "tokens.json", in: directory)["tokens"] ?? []
    tokens = TokenIDs(ids: lists.flatMap(\.self), stride: lists[0].count)
    configuration = try HuggingFaceConfiguration.read(directory.path).decoder
  }

  /// The fixture's step as a point.
  func point(_ mode: Mode, dtype: DType = .float32) -> Point {
    var point = Point(
      modelName: "fixture", model: configuration, nC: numbers.n_c, nG: numbers.n_g)
    point.batch = numbers.batch
    point.lossRows = numbers.loss_rows == "generated" ? .generated : .nextToken
    point.mode = mode
    point.keepPrefix = mode == .detachedPrefix ? min(numbers.keep_prefix, numbers.n_c) : 0
    point.chunk = 4
    point.dtype = dtype
    return point
  }

  /// Runs a point with the fixture's weights and tokens.
  func run(_ point: Point) throws -> (loss: Double, gradients: [String: [Double]]) {
    let step = try TrainingStep(
      point, backend: CPUBackend(threads: 2),
      weights: (ModelWeights.open(directory.path), configuration.layers))
    step.tokens = tokens
    let loss = try step.run().loss ?? .nan
    return (loss, step.gradients().mapValues { $0.map(Double.init) })
  }

  /// PyTorch's float32 gradients.
  func gradients(_ mode: Mode) throws -> [String: [Double]] {
    let file = try SafetensorsFile(
      directory.appending(path: "\(mode.rawValue).safetensors").path)
    return try Dictionary(
      uniqueKeysWithValues: file.names.map { ($0, try file.floats($0).map(Double.init)) })
  }

  /// How far PyTorch's bfloat16 is from its float32, the larger of its two attentions.
  func rounding(_ mode: Mode) throws -> Bounds {
    let all = try JSONDecoder().decode(
      [String: [String: Rounding]].self,
      from: Data(contentsOf: directory.appending(path: "bfloat16.json")))
    let kinds = Array((all[mode.rawValue] ?? [:]).values)
    return Bounds(
      loss: kinds.map(\.loss_relative_difference).max() ?? 0,
      gradient: kinds.map(\.gradient_relative_l2).max() ?? 0,
      parameters: kinds.reduce(into: [:]) { $0.merge($1.relative_l2, uniquingKeysWith: max) })
  }

  /// Relative differences: of the loss, of all parameters' gradients as one vector, of each.
  struct Bounds {
    let loss: Double
    let gradient: Double
    let parameters: [String: Double]
  }
}

@Suite struct `Agreement with PyTorch` {
  @Test func `there are fixtures of every family`() {
    for family in DecoderConfiguration.Family.allCases {
      #expect(Fixture.names.filter { $0.hasPrefix(family.rawValue + "-") }.count >= 2)
    }
  }

  @Test(
    arguments: Fixture.names,
    [
      (Mode.fullGraph, AttentionKind.materialized), (.fullGraph, .fused),
      (.detachedPrefix, .materialized), (.detachedPrefix, .fused),
    ])
  func `float32 losses and gradients are PyTorch's`(
    name: String, axes: (mode: Mode, attention: AttentionKind)
  ) throws {
    let fixture = try Fixture(name)
    var point = fixture.point(axes.mode)
    point.attention = axes.attention
    if axes.mode == .detachedPrefix { #expect(point.cut == fixture.numbers.cut) }
    let ours = try fixture.run(point)
    let loss = try #require(fixture.numbers.modes[axes.mode.rawValue]?.loss)
    #expect(abs(ours.loss - loss) <= 1e-5 * loss)
    let theirs = try fixture.gradients(axes.mode)
    #expect(Set(ours.gradients.keys) == Set(theirs.keys))
    for (parameter, expected) in theirs {
      let error = relativeL2(ours.gradients[parameter] ?? [], expected)
      #expect(error <= 2e-5, "\(parameter) \(error)")
    }
  }

  /// Within twice of what PyTorch's own bfloat16 differs from its float32.
  ///
  /// One number's rounding can be lucky, so a parameter is held against the larger of its own and the
  /// whole gradient's difference in PyTorch; the whole gradient against its own.
  @Test(arguments: Fixture.names, [Mode.fullGraph, .detachedPrefix])
  func `bfloat16 is as near to float32 as PyTorch's own`(name: String, mode: Mode) throws {
    let fixture = try Fixture(name)
    let theirs = try fixture.rounding(mode)
    let exact = try fixture.gradients(mode)
    let parameters = exact.keys.sorted()
    for attention in AttentionKind.allCases {
      var point = fixture.point(mode, dtype: .bfloat16)
      point.attention = attention
      let ours = try fixture.run(point)
      let whole = relativeL2(
        parameters.flatMap { ours.gradients[$0] ?? [] }, parameters.flatMap { exact[$0] ?? [] })
      #expect(whole <= 2 * theirs.gradient, "\(attention)")
      for parameter in parameters {
        let error = relativeL2(ours.gradients[parameter] ?? [], exact[parameter] ?? [])
        let bound = 2 * max(theirs.parameters[parameter] ?? 0, theirs.gradient)
        #expect(error <= bound, "\(attention) \(parameter) \(error) > \(bound)")
      }
    }
  }

  /// The loss is one number a case: its difference is held against PyTorch's over all cases, as the
  /// root of the mean square and as the largest.
  @Test(arguments: AttentionKind.allCases)
  func `bfloat16 losses are as near to float32 as PyTorch's own`(attention: AttentionKind) throws {
    var ours: [Double] = []
    var theirs: [Double] = []
    for fixture in try Fixture.names.map({ try Fixture($0) }) {
      for mode in [Mode.fullGraph, .detachedPrefix] {
        var point = fixture.point(mode, dtype: .bfloat16)
        point.attention = attention
        let exact = try #require(fixture.numbers.modes[mode.rawValue]?.loss)
        ours.append(abs(try fixture.run(point).loss / exact - 1))
        theirs.append(try fixture.rounding(mode).loss)
      }
    }
    #expect(norm(ours) <= 2 * norm(theirs))
    #expect(try #require(ours.max()) <= 2 * #require(theirs.max()))
  }
}
