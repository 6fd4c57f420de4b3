import Autograd
import CPUBackend
import Foundation
import HuggingFace
import Retention
import Safetensors
import Tensors
import TestSupport
import Transformer

/// A model, its tokens and PyTorch's numbers for them; `Tests/Fixtures/README.md` says what is what.
struct Fixture {
  /// `case.json` or `parts.json`.
  struct Case: Decodable {
    struct Numbers: Decodable { let loss: Double }
    let n_c: Int
    let n_g: Int
    let batch: Int
    let loss_rows: String
    let keep_prefix: Int
    let cut: Int
    let modes: [String: Numbers]?
    /// Of `full-graph`, where the fixture holds parts of gradients.
    let loss: Double?
  }

  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures")
  static let names = names(with: "case.json")
  /// The fixtures of gradients in parts.
  static let namesOfParts = names(with: "parts.json")

  private static func names(with file: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
      .filter {
        FileManager.default.fileExists(atPath: folder.appending(path: "\($0)/\(file)").path)
      }
      .sorted()
  }

  let directory: URL
  let numbers: Case
  let tokens: TokenIDs
  let configuration: DecoderConfiguration

  init(_ name: String) throws {
    directory = Self.folder.appending(path: name)
    let file = Self.namesOfParts.contains(name) ? "parts.json" : "case.json"
    numbers = try Self.decode(Case.self, directory.appending(path: file))
    tokens = Self.batch(
      try Self.decode([String: [[Int32]]].self, directory.appending(path: "tokens.json"))["tokens"])
    configuration = try HuggingFaceConfiguration.read(directory.path).decoder
  }

  private static func decode<T: Decodable>(_ type: T.Type, _ file: URL) throws -> T {
    try JSONDecoder().decode(type, from: Data(contentsOf: file))
  }

  private static func batch(_ sequences: [[Int32]]?) -> TokenIDs {
    TokenIDs(ids: sequences?.flatMap(\.self) ?? [], stride: sequences?.first?.count ?? 1)
  }

  /// The fixture's step as a point.
  func point(_ mode: Mode, dtype: DType = .float32) -> Point {
    var point = Point(
      modelName: "fixture", model: configuration, nC: numbers.n_c, nG: numbers.n_g)
    point.batch = numbers.batch
    point.lossRows = numbers.loss_rows == "generated" ? .generated : .nextToken
    point.mode = mode
    point.mode.keepPrefix = min(numbers.keep_prefix, numbers.n_c)
    point.chunk = 4
    point.dtype = dtype
    return point
  }

  /// Runs a point with the fixture's weights and tokens.
  func run(_ point: Point) throws -> Outcome { try run(point, over: [tokens])[0] }

  /// Runs a point with the fixture's weights over one batch after the other.
  func run(_ point: Point, over batches: [TokenIDs]) throws -> [Outcome] {
    let step = try TrainingStep(
      point, of: model(on: CPUBackend(threads: point.threads), dtype: point.dtype),
      recordsLedger: false)
    return try batches.map { tokens in
      step.tokens = tokens
      let loss = try step.run().loss ?? .nan
      return Outcome(loss: loss, gradients: step.gradients().mapValues { $0.map(Double.init) })
    }
  }

  /// The fixture's model with its weights.
  func model(on backend: CPUBackend, dtype: DType = .float32) throws -> Model {
    try Model(
      configuration, dtype: dtype, on: backend.backend,
      values: .stored(ModelWeights.open(directory.path), layers: configuration.layers))
  }

  struct Outcome {
    let loss: Double
    let gradients: [String: [Double]]
  }

  /// A file of gradients, or of parts of them, by parameter.
  func gradients(_ name: String) throws -> [String: [Double]] {
    let file = try SafetensorsFile(directory.appending(path: "\(name).safetensors").path)
    return try Dictionary(
      uniqueKeysWithValues: file.names.map { ($0, try file.floats($0).map(Double.init)) })
  }

  // MARK: bfloat16

  /// The batches that PyTorch's rounding was measured over.
  func draws() throws -> [TokenIDs] {
    let lists = try Self.decode(
      [String: [[[Int32]]]].self, directory.appending(path: "draws.json"))
    return (lists["tokens"] ?? []).map(Self.batch)
  }

  /// How far PyTorch's bfloat16 is from its float32, the root mean square over draws and attentions.
  ///
  /// By parameter, and `loss`.
  func rounding(_ mode: Mode) throws -> [String: Double] {
    let all = try Self.decode(
      [String: [String: [String: Double]]].self, directory.appending(path: "bfloat16.json"))
    let kinds = Array((all[mode.name.rawValue] ?? [:]).values)
    return Dictionary(grouping: kinds.flatMap(\.self), by: \.key)
      .mapValues { rootMeanSquare($0.map(\.value)) }
  }
}
