import Spelling

/// Why there is no such model.
package enum ModelError: Error, Equatable, CustomStringConvertible {
  /// Neither a built-in name nor a file; perhaps another name was meant.
  case unknown(String, meant: String?)
  /// A name on the Hugging Face Hub, perhaps of a model that is built in.
  case notDownloaded(String, meant: String?)
  /// An adapter of a larger model of which the text model alone is measured.
  case adapterOfWhole(path: String, model: String)

  package var description: String {
    let all = ModelSource.names.joined(separator: ", ")
    switch self {
    case .unknown(let name, let meant?):
      return "unknown model \(quoted(name)), and no such file; did you mean \(quoted(meant)), one "
        + "of \(all)?"
    case .unknown(let name, nil):
      return "unknown model \(quoted(name)), and no such file; built in are \(all); of any other "
        + "give the config.json, or measure PyTorch's step with ballast-probe"
    case .notDownloaded(let name, let meant?):
      return "\(quoted(name)) is no directory here, and nothing is downloaded; did you mean "
        + "\(quoted(meant)), which is built in?"
    case .notDownloaded(let name, nil):
      return "\(quoted(name)) is no directory here, and nothing is downloaded; give a directory "
        + "that save_pretrained wrote, or one of \(all)"
    case .adapterOfWhole(let path, let model):
      return "\(path): an adapter of the whole of \(quoted(model)) is not read, for its text model "
        + "alone is measured; give its r, lora_alpha and targets with --lora"
    }
  }
}
