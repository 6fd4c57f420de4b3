/// Public models that `--model` knows by name, wherever the binary is started.
///
/// Their `config.json` files are in `profiles/models`, and what matters of them in the binary.
package enum BuiltInModels {
  /// All names, in the order of the contract.
  package static let names = [
    "gpt2", "gpt3-175b", "llama-3.2-1b", "llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b",
    "mistral-7b", "qwen2.5-0.5b", "qwen2.5-7b", "qwen3-8b",
  ]

  /// The configuration of a built-in model; nil if there is none of that name.
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
