import HuggingFace
package import Transformer

/// Reads `text` as a `config.json`.
package func configuration(_ text: String) throws -> DecoderConfiguration {
  try HuggingFaceConfiguration(Array(text.utf8), file: "config.json").decoder
}

/// The sentence with which `text` is refused as a `config.json`; nil if it is not.
package func refusal(_ text: String) -> String? {
  do throws(ConfigurationError) {
    _ = try HuggingFaceConfiguration(Array(text.utf8), file: "config.json")
    return nil
  } catch {
    return error.description
  }
}
