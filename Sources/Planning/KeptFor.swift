import Ledger

/// What the saved tensors of a layer are for, in PyTorch's ops as in Ballast's, so that what one
/// keeps beyond the other has a name.
enum KeptFor: String, CaseIterable {
  case normInputs = "norms: float32 copies of inputs"
  case normResults = "norms op by op: outputs, statistics"
  case activations = "activations op by op: their parts"
  case queries = "q, k, v: repeated, or one product"
  case probabilities = "probabilities: float32 copies"
  case masks = "masks"
  case constants = "constants: cos, sin, tokens, labels"
  case adapters = "LoRA: PEFT's float32 copies"
  case others = "inputs of products, and the rest"

  init(_ saved: SavedStorage) {
    guard let saver = saved.savers.first else {
      self = .others
      return
    }
    let op = String(saver.scope.op.split(separator: ".").last ?? "")
    let (node, value) = Self.parts(of: saver.tensor)
    switch op {
    case _ where op.hasPrefix("embedding") || ["embed_tokens", "wte", "wpe"].contains(op):
      self = .constants
    case _ where op.hasSuffix("norm") || op.hasPrefix("ln_"):
      self = value == "input" || node.hasPrefix("Pow") ? .normInputs : .normResults
    case "act", "act_fn", "mlp", "swiglu", "gelu": self = .activations
    case "lora_dropout": self = .masks
    case "self_attn", "attn", "attention": self = Self.ofAttention(node, value)
    case "model" where node.hasPrefix("Nll"): self = .constants
    // What an adapter's two products read: in PEFT the input of each as a float32 copy of its own.
    case "lora_A", "lora_B": self = .adapters
    default: self = .others
    }
  }

  /// A tensor's node of PyTorch's graph, and its name there; Ballast's own tensors have no node.
  private static func parts(of tensor: String) -> (node: String, value: String) {
    guard let dot = tensor.firstIndex(of: ".") else { return ("", tensor) }
    return (String(tensor[..<dot]), String(tensor[tensor.index(after: dot)...]))
  }

  private static func ofAttention(_ node: String, _ value: String) -> KeptFor {
    switch (node, value) {
    case (_, "attn_mask"): .masks
    case ("MulBackward0", _): .constants
    case (_, "probabilities"), ("SoftmaxBackward0", _): .probabilities
    case ("BmmBackward0", "self"): .probabilities
    case ("BmmBackward0", _), (_, "query"), (_, "key"), (_, "value"), ("", "q"), ("", "k"),
      ("", "v"):
      .queries
    default: .others
    }
  }
}
