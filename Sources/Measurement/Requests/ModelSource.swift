import Files
import Foundation
package import HuggingFace
import Safetensors
import Spelling
package import Transformer

/// A model before anything overrides it: its name, its sizes, and what its files add.
package struct NamedModel: Sendable {
  /// The built-in name, or the path as it was given.
  package let name: String
  package var configuration: DecoderConfiguration
  /// The most layers that can be asked for; nil where layers are made up anyway.
  package var mostLayers: Int?
  /// The directory whose checkpoint belongs to the model, if it holds one.
  package var weights: String?
  /// Sentences for standard error about what the files ask for and a measurement decides otherwise.
  package var notes: [String] = []
  /// The sentence for a directory without weights, where something is computed.
  package var missingWeights: String?
  /// Whether it is the text model of a larger one, whose weights and adapters have other names.
  package var isPart = false
}

extension NamedModel {
  /// A model of sizes given one by one, under a name of one's own.
  package init(custom name: String, configuration: DecoderConfiguration) {
    self.init(name: name, configuration: configuration)
  }
}

/// The one place where `--model` and a profile's `model` are resolved.
package enum ModelSource {
  /// Models for trying things out, of which any number of layers can be had.
  private static let own: [NamedModel] = [
    // The seed's own case: small enough to read every saved tensor.
    NamedModel(
      name: "seed",
      configuration: DecoderConfiguration(dModel: 64, heads: 4, dFF: 172, vocab: 256)),
    // One layer at which the products are large enough to keep two cores busy.
    NamedModel(
      name: "one-layer",
      configuration: DecoderConfiguration(dModel: 512, heads: 8, dFF: 1408, vocab: 8192)),
  ]

  /// The names of the built-in models that Ballast has layers for.
  package static var names: [String] { own.map(\.name) + BuiltInModels.names }

  /// All built-in models, those included that PyTorch alone runs.
  package static var records: [ModelRecord] {
    own.map { ModelRecord($0) } + BuiltInModels.all.map { ModelRecord($0) }
  }

  /// Finds a built-in model, a Hugging Face `config.json`, or a directory holding one.
  ///
  /// A built-in name comes first; write `./gpt2` for a directory of that name. Then comes what is
  /// there under the path, then the Hugging Face cache, then a built-in model's public name. A
  /// directory's own `model.safetensors`, or shards with an index, are the model's weights.
  ///
  /// - Parameters:
  ///   - model: The name or the path.
  ///   - folder: Where a relative path is looked for that does not lead anywhere from the working
  ///     directory.
  ///   - cache: Where a name on the Hugging Face Hub is looked up.
  /// - Returns: The model, with its weights' place if it has some.
  /// - Throws: `ModelError` with the nearest name for what is neither name nor path, and
  ///   `ConfigurationError` for a file that cannot be used.
  package static func resolve(
    _ model: String, beside folder: String? = nil, cache: HubCache = HubCache()
  ) throws -> NamedModel {
    if let named = own.first(where: { $0.name == model }) { return named }
    if let known = BuiltInModels.model(named: model) { return try builtIn(known, as: model) }
    let path = Paths.find(model, beside: folder)
    if let hub = HubName(model), !Paths.exists(path) {
      return try resolve(hub, as: model, path: path, cache)
    }
    let isPath = model.contains("/") || model.hasSuffix(".json") || Paths.exists(path)
    guard isPath, !model.isEmpty else {
      throw ModelError.unknown(model, meant: near(model))
    }
    return try read(path, as: model)
  }

  /// Where a model that was resolved has its files; nil for a built-in one.
  package static func path(
    of model: String, beside folder: String? = nil, cache: HubCache = HubCache()
  ) -> String? {
    if own.contains(where: { $0.name == model }) || BuiltInModels.model(named: model) != nil {
      return nil
    }
    let path = Paths.find(model, beside: folder)
    guard let hub = HubName(model), !Paths.exists(path) else { return path }
    if case .snapshot(let snapshot)? = try? cache.find(hub) { return snapshot }
    return BuiltInModels.model(publicName: model) == nil ? path : nil
  }

  private static func builtIn(_ known: BuiltInModel, as name: String) throws -> NamedModel {
    guard let read = try BuiltInModels.configuration(named: known.name) else {
      throw ModelError.notBuilt(known.name, family: known.family)
    }
    // Its notes are about the dtype of a checkpoint that is not here.
    return NamedModel(name: name, configuration: read.decoder, mostLayers: read.decoder.layers)
  }

  // MARK: Names of the Hugging Face Hub

  private static func resolve(
    _ hub: HubName, as model: String, path: String, _ cache: HubCache
  ) throws -> NamedModel {
    let found = try cache.find(hub)
    if case .snapshot(let snapshot) = found { return try read(snapshot, as: model) }
    if let known = BuiltInModels.model(publicName: model) {
      return try builtIn(known, as: model)
    }
    // The owner is a folder here, so that a path was meant.
    if case .nothing = found, Paths.exists(hub.owner) { return try read(path, as: model) }
    throw ModelError.notCached(hub, found, cache: cache.path, meant: near(hub))
  }

  /// The built-in model of a name on the Hub, whose instructed and converted forms have its sizes.
  private static func builtIn(called name: String) -> String? {
    var word = (name.split(separator: "/").last.map(String.init) ?? name).lowercased()
    if word.hasPrefix("meta-") { word.removeFirst("meta-".count) }
    for form in ["-hf", "-instruct", "-base", "-chat", "-it", "-pt"] {
      word = word.replacing(form + "-", with: "-")
      if word.hasSuffix(form) { word.removeLast(form.count) }
    }
    let known = { (word: String) in allNames.first { Words.areAlike($0, word) } }
    if let exact = known(word) ?? publicly(called: name) { return exact }
    for version in ["-v0.1", "-v0.2", "-v0.3", "-v1.0"] where word.hasSuffix(version) {
      return known(String(word.dropLast(version.count)))
    }
    return nil
  }

  /// The built-in model that is published under a name, whoever the owner.
  private static func publicly(called name: String) -> String? {
    let model = name.split(separator: "/").last.map(String.init) ?? name
    return BuiltInModels.all.first { known in
      known.publicName.flatMap(HubName.init).map { Words.areAlike($0.model, model) } ?? false
    }?.name
  }

  /// The built-in model that a name on the Hub was meant to be of.
  private static func near(_ hub: HubName) -> String? {
    if let name = publicly(called: hub.name) ?? builtIn(called: hub.name) { return name }
    return BuiltInModels.all.first { known in
      guard let name = known.publicName else { return false }
      return Words.isSlip(hub.name, of: name) && digits(hub.name) == digits(name)
    }?.name
  }

  /// A built-in name that was meant: one that others use, with a slip, or the start of one.
  ///
  /// Another number is another model, not a slip.
  private static func near(_ name: String) -> String? {
    if let known = builtIn(called: name) { return known }
    guard let word = Words.nearest(to: name, among: allNames) else { return nil }
    let isStart = word.hasPrefix(name.lowercased()) && name.count >= 3
    let isSlip = Words.isSlip(name, of: word) && digits(name) == digits(word)
    return isStart || isSlip || Words.isAlias(name, of: word) ? word : nil
  }

  private static var allNames: [String] { own.map(\.name) + BuiltInModels.all.map(\.name) }

  private static func digits(_ text: String) -> String { text.filter(\.isNumber) }

  private static func read(_ path: String, as name: String) throws -> NamedModel {
    let read = try HuggingFaceConfiguration.read(path)
    var model = NamedModel(
      name: name, configuration: read.decoder, mostLayers: read.decoder.layers, notes: read.notes)
    model.isPart = read.isPart
    guard Paths.isDirectory(path) else { return model }
    if read.isPart {
      model.missingWeights =
        "\(path): its weights are those of the whole model, so the text model's are drawn from the "
        + "seed"
      return model
    }
    if ModelWeights.exist(in: path) {
      model.weights = path
    } else {
      model.missingWeights =
        "\(path): holds no model.safetensors"
        + (Paths.exists("\(path)/pytorch_model.bin") ? " (pytorch_model.bin is not read)" : "")
        + ", so weights are drawn from the seed"
    }
    return model
  }
}
