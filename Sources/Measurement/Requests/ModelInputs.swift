package import Files
import Safetensors

/// The files that a model is read from, so that nothing is written over them.
package enum ModelInputs {
  /// The files and directories of a point, shards of an index included; nil for what is not given.
  ///
  /// `names` are what sentences call model, weights and adapter; `folder` is where a model's
  /// relative path is looked for that leads nowhere from the working directory.
  package static func files(
    model: String?, weights: String? = nil, adapter: String? = nil,
    names: (model: String, weights: String, adapter: String) = (
      "--model", "--weights", "--adapter"
    ),
    beside folder: String? = nil
  ) -> [NamedFile] {
    let path = model.flatMap { ModelSource.path(of: $0, beside: folder) }
    return [
      path.map { [NamedFile(names.model, $0)] },
      weights.map { ModelWeights.files(of: $0).map { NamedFile(names.weights, $0) } },
      adapter.map { [NamedFile(names.adapter, $0)] },
    ].compactMap(\.self).flatMap(\.self)
  }
}
