import Autograd
import CPUBackend
import Foundation
import HuggingFace
import Retention
import Safetensors
import Tensors
import TestSupport
import Testing
import Transformer

/// PEFT's numbers in float64, with dropout in the folders `dropout-…`, for which PEFT is given the
/// masks that the counters draw; which `scripts/compare-peft --write` makes: a family each, with
/// adapters, a group of completions and lengths that differ among them.
@Suite struct `Agreement with PEFT` {
  /// `adapter.json`.
  private struct Case: Decodable {
    let n_c: Int
    let n_g: Int
    let suffixes: Int
    let lengths: String
    let losses: [String: Double]
  }

  @Test(
    arguments: DecoderConfiguration.Family.allCases.map { "adapter-\($0.rawValue)" }
      + ["gpt2", "llama", "mistral", "qwen3"].map { "dropout-\($0)" },
    [Mode.fullGraph, .prunedGraph, .detachedPrefix(), .replayedPrefix()])
  func `losses and gradients are PEFT's`(
    name: String, mode: Mode
  ) throws {
    let folder = Fixture.folder.appending(path: name)
    let numbers = try JSONDecoder().decode(
      Case.self, from: Data(contentsOf: folder.appending(path: "adapter.json")))
    let theirMode = (mode.isExact ? Mode.fullGraph : mode).name.rawValue
    let loss = try #require(numbers.losses[theirMode])
    let file = try SafetensorsFile(folder.appending(path: "\(theirMode).safetensors").path)
    let lists = try JSONDecoder().decode(
      [String: [[Int32]]].self, from: Data(contentsOf: folder.appending(path: "tokens.json")))
    let ids = try #require(lists["tokens"]).flatMap(\.self)

    var point = Point(
      modelName: "fixture", model: try HuggingFaceConfiguration.read(folder.path).decoder,
      nC: numbers.n_c, nG: numbers.n_g)
    point.setAdapter(try AdapterConfiguration(directory: folder.path, model: point.model))
    #expect((point.model.adapter?.dropout ?? 0 > 0) == name.hasPrefix("dropout-"))
    (point.suffixes, point.lengths, point.mode) = (numbers.suffixes, written(numbers.lengths), mode)
    (point.chunk, point.threads) = (3, 2)
    let isRagged = point.lengths != nil
    for variant in variants(of: point) {
      let backend = try CPUBackend(threads: 2)
      var values = Model.Values.stored(
        try ModelWeights.open(folder.path), layers: point.model.layers)
      values.adapter = try ModelWeights.open(
        folder.appending(path: AdapterConfiguration.weightsName).path)
      let model = try Model(
        point.model, dtype: .float32, on: backend.backend, values: values)
      let step = try TrainingStep(variant, of: model)
      step.tokens = TokenIDs(ids: ids, stride: isRagged ? ids.count : point.n)
      let ours = try #require(try step.run().loss)
      #expect(abs(ours - loss) <= 1e-5 * loss)
      let gradients = step.gradients()
      #expect(Set(gradients.keys) == Set(file.names))
      let expected = try Dictionary(
        uniqueKeysWithValues: file.names.map { ($0, try file.floats($0).map(Double.init)) })
      let errors = relativeErrors(gradients.mapValues { $0.map(Double.init) }, against: expected)
      #expect(errors.values.allSatisfy { $0 <= 2e-5 }, "\(errors)")
    }
  }

  @Test func `an adapter that replaces the base's weights is counted, not computed`() throws {
    let folder = Fixture.folder.appending(path: "adapter-llama")
    var point = Point(
      modelName: "fixture", model: try HuggingFaceConfiguration.read(folder.path).decoder, nC: 5,
      nG: 4)
    var adapter = try AdapterConfiguration(directory: folder.path, model: point.model)
    adapter.baseReplacement = "pissa"
    point.setAdapter(adapter)
    let error = #expect(throws: PointError.self) { try point.validate() }
    #expect(error?.description.contains("init_lora_weights \"pissa\"") == true)
    point.backend = .shape
    try point.validate()
  }

  /// The same step shared, padded, with layers made again, as far as that goes.
  private func variants(of point: Point) -> [Point] {
    var again = point
    again.recompute = .layer
    var cheap = point
    cheap.recompute = .elementwise
    var shared = point
    shared.sharing = .prefix
    var alone = shared
    alone.suffixesAtATime = 1
    var padded = point
    padded.packing = .padded
    let hasLengths = point.lengths != nil
    return [point, again, cheap] + (hasLengths ? [] : [shared, alone])
      + (hasLengths && point.mode == .fullGraph ? [padded] : [])
  }
}
