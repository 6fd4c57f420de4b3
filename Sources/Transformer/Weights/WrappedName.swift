import Safetensors
import Spelling

/// Names of tensors with what a wrapper of the model put into them.
///
/// A checkpoint of `torch.compile(model).state_dict()` says `_orig_mod.model.norm.weight`; where
/// layers are compiled one by one it stands in the middle.
enum WrappedName {
  /// Parts of names, by the wrapper whose attribute holds the model.
  private static let wrappers: [(part: String, owner: String, way: String)] = [
    ("_orig_mod", "torch.compile", "save model._orig_mod"),
    ("module", "DistributedDataParallel or DeepSpeed", "save model.module"),
    ("_fsdp_wrapped_module", "FSDP", "gather the full state dict before it is saved"),
    ("_checkpoint_wrapped_module", "PyTorch's checkpoint wrapper", "save the model without it"),
    ("base_layer", "PEFT", "save model.merge_and_unload() or the base itself"),
    ("default", "a state dict of PEFT's own names", "save with PEFT's save_pretrained"),
  ]

  /// The error about a parameter that is there under another name; nil if it is not.
  static func error(for name: String, in weights: ModelWeights) -> WeightsError? {
    let wanted = name.split(separator: ".")
    for stored in weights.names {
      let parts = stored.split(separator: ".")
      guard parts.count > wanted.count else { continue }
      if let wrapper = wrappers.first(where: { parts.contains(Substring($0.part)) }),
        strip(parts) == wanted
      {
        return WeightsError(
          file: weights.path, tensor: name,
          "is stored as \(quoted(stored)), which \(wrapper.owner) named; \(wrapper.way), or take "
            + "\(quoted(wrapper.part + ".")) out of the names")
      }
      if parts.suffix(wanted.count).elementsEqual(wanted) {
        let front = parts.dropLast(wanted.count).joined(separator: ".") + "."
        return WeightsError(
          file: weights.path, tensor: name,
          "is stored as \(quoted(stored)), with \(quoted(front)) in front; save the model that has "
            + "these weights alone, or take that out of the names")
      }
    }
    return nil
  }

  private static func strip(_ parts: [Substring]) -> [Substring] {
    let known = Set(wrappers.map { Substring($0.part) })
    return parts.filter { !known.contains($0) }
  }
}
