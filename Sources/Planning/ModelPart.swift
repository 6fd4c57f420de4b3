import Ledger

/// A part of the model to which a retained tensor belongs: that of the op which saved it first.
enum ModelPart: String, CaseIterable {
  case embedding, norms, attention
  case keysAndValues = "K/V"
  case mlp
  case layerInputs = "layer inputs"
  case head, other

  init(of saved: SavedStorage) {
    guard let saver = saved.savers.first else {
      self = .other
      return
    }
    // What an adapter keeps belongs to the part that it is on: `q_proj.lora_A`.
    let op = String(saver.scope.op.prefix { $0 != "." })
    let isKey = ["k", "v"].contains(saver.tensor)
    switch op {
    case "attention" where isKey, "replay": self = .keysAndValues
    case "layer": self = isKey ? .keysAndValues : .layerInputs
    case "final_norm", "head", "cross_entropy": self = .head
    case "gate_proj", "up_proj", "down_proj", "swiglu", "gelu", "mlp_dropout": self = .mlp
    case "q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj", "q_rotary", "k_rotary", "attention",
      "attention_dropout":
      self = .attention
    case _ where op.hasPrefix("embedding"): self = .embedding
    case _ where op.hasSuffix("_norm"): self = .norms
    default: self = .other
    }
  }
}
