import Ledger
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
      throw .sizes(.undivided(name, size, devices: devices))
    }
    guard model.kvHeads % devices == 0 || devices % model.kvHeads == 0 else {
      throw .sizes(.undivided("kv_heads", model.kvHeads, devices: devices))
    }
  }

  /// What a device holds of each tensor of a model; nil where there is one device alone.
  func share(of model: DecoderConfiguration) -> CountedMemory.Share? {
    guard devices > 1 else { return nil }
    return { [self, kvHeads = model.kvHeads] bytes, role, place in
      let divisor = divisor(of: role, at: place, kvHeads: kvHeads)
      return bytes / divisor + (bytes % divisor == 0 ? 0 : 1)
    }
  }

  /// In how many parts a tensor is, of the role that it or what it is the gradient of has.
  private func divisor(of role: TensorRole, at place: Place, kvHeads: Int) -> Int {
    let tokens = dividesSequence ? devices : 1
    return switch role {
    case .parameter(let role): divisor(of: role, kvHeads: kvHeads)
    case .key, .value: min(devices, kvHeads)
    case .query, .queryKeyValue, .repeatedKeyValue, .scores, .probabilities, .probabilityMask,
      .logSumExp, .attentionOutput, .inner, .logits:
      devices
    // Of heads, which a norm of their own treats one by one.
    case .normalized where place == .module(.queryNorm),
      .normStatistic where place == .module(.queryNorm):
      devices
    case .normalized where place == .module(.keyNorm),
      .normStatistic where place == .module(.keyNorm):
      min(devices, kvHeads)
    case .hidden, .normalized, .normStatistic, .dropoutMask, .lossRows, .lossStatistic,
      .adapterInput, .adapterHidden, .scratch:
      tokens
    // Of all tokens and for all heads alike.
    case .loss, .indices, .rotation, .attentionMask: 1
    }
  }

  private func divisor(of parameter: ParameterRole, kvHeads: Int) -> Int {
    switch (parameter.module, parameter.kind) {
    case (.key, _), (.value, _): min(devices, kvHeads)
    // They are added once the parts of the product have been summed.
    case (.attentionOutput, .bias), (.down, .bias): 1
    case (.query, _), (.queryKeyValue, _), (.attentionOutput, _), (.gate, _), (.up, _), (.down, _),
      (.embedding, _), (.head, _):
      devices
    case (.positions, _), (.attentionNorm, _), (.queryNorm, _), (.keyNorm, _), (.mlpNorm, _),
      (.finalNorm, _):
      1
    }
  }
}
