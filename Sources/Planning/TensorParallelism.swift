import Retention
import Tensors
import Transformer

/// One device's part of a model whose layers `devices` compute together (Megatron; Korthikanti et
/// al., arXiv 2205.05198, section 4): computed, not run.
///
/// | tensors                                                      | held of them               |
/// |--------------------------------------------------------------|----------------------------|
/// | q, scores, attention's output; the MLP's inner width; logits | 1 / t                      |
/// | k, v                                                         | 1 / min(t, KV heads)       |
/// | hidden states, what norms and the branches' dropout save     | 1 / t if sequence-parallel |
/// | matrices, embeddings; biases of what is divided              | as what they make          |
/// | norms, biases of o_proj and down_proj                        | all                        |
package struct TensorParallelism: Hashable, Sendable {
  /// Heads, the MLP's inner width and the vocabulary are divided by it.
  package var devices = 1
  /// Whether the tokens of everything else are divided too.
  package var dividesSequence = false

  package init() {}

  /// Refuses a model whose heads or inner width cannot be divided.
  func requireFit(_ model: DecoderConfiguration) throws(PointError) {
    for (name, size) in [("heads", model.heads), ("d_ff", model.dFF)] where size % devices != 0 {
      throw PointError("tensor-parallel \(devices) does not divide \(name) \(size)")
    }
    guard model.kvHeads % devices == 0 || devices % model.kvHeads == 0 else {
      throw PointError("tensor-parallel \(devices) does not divide kv_heads \(model.kvHeads)")
    }
  }

  /// What a device holds of each tensor of a model; nil where there is one device alone.
  func share(of model: DecoderConfiguration) -> CountedMemory.Share? {
    guard devices > 1 else { return nil }
    return { [self, kvHeads = model.kvHeads] bytes, tensor, op in
      let divisor = divisor(of: tensor, op: op, kvHeads: kvHeads)
      return bytes / divisor + (bytes % divisor == 0 ? 0 : 1)
    }
  }

  private func divisor(of tensor: String, op: String, kvHeads: Int) -> Int {
    if tensor.contains(".") { return divisor(ofParameter: tensor, kvHeads: kvHeads) }
    // Also in backward, and where backward makes it again: `attention.backward`.
    let op = op.prefix { $0 != "." }
    if Self.keys.contains(tensor) || op == "k_norm" { return min(devices, kvHeads) }
    let isOfHeads = op == "attention" || op == "q_norm"
    if Self.inner.contains(tensor) || isOfHeads && Self.statistics.contains(tensor) {
      return devices
    }
    return dividesSequence && tensor != "loss" ? devices : 1
  }

  private static let keys: Set<String> = ["k", "dk", "v", "dv", "k_raw", "dk_raw"]
  private static let inner: Set<String> = [
    "q", "dq", "attention_output", "dattention_output", "probabilities", "dropped_probabilities",
    "gate", "dgate", "up", "dup", "activation", "dactivation", "logits", "dlogits",
  ]
  /// Of attention's rows or heads; norms, dropout and the loss make others of the same names.
  private static let statistics: Set<String> = ["log_sum_exp", "mask", "rstd"]

  /// By Hugging Face names.
  private func divisor(ofParameter name: String, kvHeads: Int) -> Int {
    let isBias = name.hasSuffix(".bias")
    let parts = Set(name.split(separator: ".").map(String.init))
    if !parts.isDisjoint(with: ["k_proj", "v_proj"]) { return min(devices, kvHeads) }
    let makesHidden = !parts.isDisjoint(with: ["o_proj", "down_proj", "c_proj"])
    if isBias, makesHidden { return 1 }
    let isMatrix = !parts.isDisjoint(with: [
      "q_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "embed_tokens", "lm_head", "c_attn",
      "c_fc", "c_proj", "wte",
    ])
    return isMatrix ? devices : 1
  }
}
