/// What a tensor is in a training step; said where it is made, and what code decides by.
///
/// A gradient has the role of what it is the gradient of (`StorageDescription.isGradient`).
package enum TensorRole: Hashable, Sendable {
  case parameter(ParameterRole)
  /// What runs from layer to layer, and what branches add to it, `[batch, tokens, d_model]`.
  case hidden
  /// What a norm makes of it, whole or in parts.
  case normalized
  /// A norm's mean, variance or root, one a row or a head.
  case normStatistic
  /// Heads, `[batch, tokens, heads · d_head]`: before or after their norm and rotation.
  case query, key, value
  /// All three in one tensor.
  case queryKeyValue
  /// Keys or values, once for each query head that reads them.
  case repeatedKeyValue
  /// Before the softmax, `[batch, heads, tokens, keys]`.
  case scores
  /// Behind it, with or without dropout.
  case probabilities
  /// Which probabilities stay, a byte each.
  case probabilityMask
  /// Who sees whom, for all heads alike.
  case attentionMask
  /// One a row of every head.
  case logSumExp
  /// `[batch, tokens, heads · d_head]`.
  case attentionOutput
  /// `[batch, tokens, d_ff]`.
  case inner
  /// What an adapter's A reads in place of the linear map's input.
  case adapterInput
  /// Between A and B, `[batch, tokens, r]`, or behind B before the sum.
  case adapterHidden
  /// Which elements stay, or the factor of each.
  case dropoutMask
  /// A copy of the rows that carry loss.
  case lossRows
  /// `[batch, tokens, vocab]`: logits, or their logarithmic probabilities.
  case logits
  /// One a row that carries loss.
  case lossStatistic
  case loss
  /// Numbers of tokens and positions, labels and their count.
  case indices
  /// The cosines and sines that turn heads.
  case rotation
  /// A kernel's own, gone when it ends.
  case scratch
}

extension TensorRole {
  /// What attention reads.
  package enum Operand: Hashable, Sendable {
    case queries, keysOrValues
    /// Queries, keys and values in one.
    case all
  }

  /// What of attention's operands it is; nil for what is none.
  package var operand: Operand? {
    switch self {
    case .query: .queries
    case .key, .value, .repeatedKeyValue: .keysOrValues
    case .queryKeyValue: .all
    case .parameter, .hidden, .normalized, .normStatistic, .scores, .probabilities,
      .probabilityMask, .attentionMask, .logSumExp, .attentionOutput, .inner, .adapterInput,
      .adapterHidden, .dropoutMask, .lossRows, .logits, .lossStatistic, .loss, .indices, .rotation,
      .scratch:
      nil
    }
  }
}

/// What a parameter is: its module, and what the module does with it.
package struct ParameterRole: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case weight, bias
    /// The two matrices of a low-rank adapter on the module.
    case adapterA, adapterB
  }

  package let module: Module
  package let kind: Kind

  package init(_ module: Module, _ kind: Kind = .weight) {
    (self.module, self.kind) = (module, kind)
  }

  /// The formula's name: `W_Q`, `b_Q`, `A_Q`, `norm`, `E` …
  package var symbol: String {
    switch (module.family, kind) {
    case (.table(let letter), _): letter
    case (.norm, .bias): "b_norm"
    case (.norm, _): "norm"
    case (.linear(let index), .weight): "W_\(index)"
    case (.linear(let index), .bias): "b_\(index)"
    case (.linear(let index), .adapterA): "A_\(index)"
    case (.linear(let index), .adapterB): "B_\(index)"
    }
  }
}

extension Module {
  /// What kind of map a module is, with its letter or index in formulas.
  package enum Family: Hashable, Sendable {
    /// A table of vectors: the embedding, the positions, or the head.
    case table(String)
    case norm
    case linear(String)
  }

  package var family: Family {
    switch self {
    case .embedding: .table("E")
    case .positions: .table("P")
    case .head: .table("U")
    case .attentionNorm, .queryNorm, .keyNorm, .mlpNorm, .finalNorm: .norm
    case .query: .linear("Q")
    case .key: .linear("K")
    case .value: .linear("V")
    case .queryKeyValue: .linear("QKV")
    case .attentionOutput: .linear("O")
    case .gate: .linear("gate")
    case .up: .linear("up")
    case .down: .linear("down")
    }
  }
}
