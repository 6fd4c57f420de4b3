import Files
import Foundation
import HuggingFace
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

  /// The names of the built-in models.
  package static var names: [String] { own.map(\.name) + BuiltInModels.names }

  /// Finds a built-in model, a Hugging Face `config.json`, or a directory holding one.
  ///
  /// A built-in name comes first; write `./gpt2` for a directory of that name. A directory's own
  /// `model.safetensors`, or shards with an index, are the model's weights.
  ///
  /// - Parameters:
  ///   - model: The name or the path.
  ///   - folder: Where a relative path is looked for that does not lead anywhere from the working
  ///     directory.
  /// - Returns: The model, with its weights' place if it has some.
  /// - Throws: `ModelError` with the nearest name for what is neither name nor path, and
  ///   `ConfigurationError` for a file that cannot be used.
  package static func resolve(_ model: String, beside folder: String? = nil) throws -> NamedModel {
    if let named = own.first(where: { $0.name == model }) { return named }
    if let builtIn = try BuiltInModels.configuration(named: model) {
      // Its notes are about the dtype of a checkpoint that is not here.
      return NamedModel(
        name: model, configuration: builtIn.decoder, mostLayers: builtIn.decoder.layers)
    }
    let path = Paths.find(model, beside: folder)
    if isHubName(model), !Paths.exists(path) {
      throw ModelError.notDownloaded(model, meant: builtIn(called: model))
    }
    let isPath = model.contains("/") || model.hasSuffix(".json") || Paths.exists(path)
    guard isPath, !model.isEmpty else {
      throw ModelError.unknown(model, meant: near(model))
    }
    return try read(path, as: model)
  }

  /// Where a model that was resolved has its files; nil for a built-in one.
  package static func path(of model: String, beside folder: String? = nil) -> String? {
    names.contains(model) ? nil : Paths.find(model, beside: folder)
  }

  // MARK: Names of the Hugging Face Hub

  /// Whether a text is an owner and a name, and the owner no directory here.
  private static func isHubName(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, !text.hasSuffix(".json"), !Paths.exists(String(parts[0])) else {
      return false
    }
    return parts.allSatisfy { part in
      part.contains { $0.isLetter } && !part.hasPrefix(".")
        && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
    }
  }

  /// The built-in model of a name on the Hub, whose instructed and converted forms have its sizes.
  private static func builtIn(called name: String) -> String? {
    var word = (name.split(separator: "/").last.map(String.init) ?? name).lowercased()
    for start in ["meta-"] where word.hasPrefix(start) { word.removeFirst(start.count) }
    let ends = ["-hf", "-instruct", "-base", "-chat", "-it", "-v0.1", "-v0.2", "-v0.3"]
    while let end = ends.first(where: word.hasSuffix) { word.removeLast(end.count) }
    return names.first { Words.areAlike($0, word) }
  }

  /// A built-in name that was meant: one that others use, with a slip, or the start of one.
  ///
  /// Another number is another model, not a slip.
  private static func near(_ name: String) -> String? {
    if let known = builtIn(called: name) { return known }
    guard let word = Words.nearest(to: name, among: names) else { return nil }
    let isStart = word.hasPrefix(name.lowercased()) && name.count >= 3
    let digits = { (text: String) in text.filter(\.isNumber) }
    let isSlip = Words.isSlip(name, of: word) && digits(name) == digits(word)
    return isStart || isSlip || Words.isAlias(name, of: word) ? word : nil
  }

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
