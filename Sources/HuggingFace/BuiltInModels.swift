import Transformer

/// A public model that has a name here.
package struct BuiltInModel: Equatable, Sendable {
  package let name: String
  /// Its name on the Hugging Face Hub; nil for a model that was never published.
  package let publicName: String?
  /// Its `model_type`.
  package let family: String
  package let layers: Int
  package let dModel: Int
  package let parameters: Int
  package let contextLength: Int

  /// Whether Ballast has layers for it; those of others are PyTorch's alone.
  package var isBuilt: Bool { DecoderConfiguration.Family(rawValue: family) != nil }
}

/// Public models that `--model` knows by name, wherever the binary is started.
///
/// Their `config.json` files are in `profiles/models`, and what matters of them in the binary.
package enum BuiltInModels {
  /// The names of those that Ballast has layers for.
  package static let names = all.filter(\.isBuilt).map(\.name)

  /// The model of a name of ours; nil if there is none.
  package static func model(named name: String) -> BuiltInModel? {
    all.first { $0.name == name }
  }

  /// The model of a name on the Hub, such as `Qwen/Qwen3-8B`; nil if there is none.
  package static func model(publicName: String) -> BuiltInModel? {
    all.first { $0.publicName == publicName }
  }

  /// The configuration of a built-in model; nil if there is none of that name that Ballast builds.
  ///
  /// - Throws: `ConfigurationError` if the file in the binary is broken, which the tests exclude.
  package static func configuration(
    named name: String
  ) throws(ConfigurationError) -> HuggingFaceConfiguration? {
    guard let text = text(named: name) else { return nil }
    return try HuggingFaceConfiguration(Array(text.utf8), file: name)
  }

  /// What matters of a built-in model's `config.json`.
  package static func text(named name: String) -> String? { files[name] }
}
