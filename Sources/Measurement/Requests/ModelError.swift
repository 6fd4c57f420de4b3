package import HuggingFace
import Spelling

/// Why there is no such model.
package enum ModelError: Error, Equatable, CustomStringConvertible {
  /// Neither a built-in name nor a file; perhaps another name was meant.
  case unknown(String, meant: String?)
  /// A name on the Hugging Face Hub that is not in the cache, perhaps of a model that is built in.
  case notCached(HubName, HubCache.Finding, cache: String, meant: String?)
  /// A built-in model of a family that Ballast has no layers for.
  case notBuilt(String, family: String)
  /// An adapter of a larger model of which the text model alone is measured.
  case adapterOfWhole(path: String, model: String)

  package var description: String {
    switch self {
    case .unknown(let name, let meant?):
      return "unknown model \(quoted(name)), and no such file; did you mean \(quoted(meant)), one "
        + "of those that ballast models lists?"
    case .unknown(let name, nil):
      return "unknown model \(quoted(name)), and no such file; ballast models lists those that are "
        + "built in; of any other give the config.json, or its name on the Hugging Face Hub"
    case .notCached(let hub, let found, let cache, let meant):
      let asked = hub.name + (hub.revision.map { "@\($0)" } ?? "")
      let place =
        if case .withoutConfiguration(let folder) = found {
          "has no config.json in the Hugging Face cache (\(folder))"
        } else {
          "is no directory here and not in the Hugging Face cache (\(cache))"
        }
      let help = meant.map { ", or give \(quoted($0)), which is built in" } ?? ""
      return "\(quoted(asked)) \(place); fetch its configuration, which is enough, with "
        + "\(hub.download)\(help)"
    case .notBuilt(let name, let family):
      return "\(quoted(name)) is of model_type \(quoted(family)), which Ballast has no layers for; "
        + "PyTorch's own step of it is recorded by ballast-probe fit --model \(name), and read by "
        + "ballast plan --recording"
    case .adapterOfWhole(let path, let model):
      return "\(path): an adapter of the whole of \(quoted(model)) is not read, for its text model "
        + "alone is measured; give its r, lora_alpha and targets with --lora"
    }
  }
}
