import Autograd
import Tensors

/// How the prefix takes part in the step.
package enum Mode: String, CaseIterable, Sendable {
  /// Every row of every layer is recorded.
  case fullGraph = "full-graph"
  /// What no loss row can reach is neither recorded nor computed.
  case prunedGraph = "pruned-graph"
  /// Rows before the cut run without recording; their keys and values stay as constants.
  case detachedPrefix = "detached-prefix"
  /// Exact: the prefix is run again in chunks, from last to first, to take in dK and dV.
  case replayedPrefix = "replayed-prefix"

  /// Whether the mode gives the gradients of `full-graph`.
  package var isExact: Bool { self != .detachedPrefix }
}

/// What backward computes again rather than keeps.
package enum Recompute: String, CaseIterable, Sendable {
  case none
  /// Norms, activation functions and products of elements.
  case elementwise
  /// The attention core, from q, k and v.
  case attention
  /// Whole layers, from their inputs.
  case layer

  /// What the tape consults.
  var policy: RecomputePolicy {
    switch self {
    case .none: []
    case .elementwise: .elementwise
    case .attention: .attention
    case .layer: .layer
    }
  }
}

/// What the attention core saves.
package enum AttentionKind: String, CaseIterable, Sendable {
  /// The probabilities of all rows against all keys.
  case materialized
  /// Output and log-sum-exp; probabilities are made again, tile by tile.
  case fused
}

extension AttentionKind {
  /// What the attention core is told.
  var memory: AttentionMemory {
    switch self {
    case .materialized: .materialized
    case .fused: .fused
    }
  }
}

/// For which rows logits are made.
package enum HeadKind: String, CaseIterable, Sendable {
  case allRows = "all-rows"
  case lossRows = "loss-rows"
  /// For loss rows, a few at a time: all logits never exist at once.
  case chunked
}

/// The dtype in which `replayed-prefix` gathers dK and dV of the prefix.
package enum KeyValueGradientKind: String, CaseIterable, Sendable {
  case float32
  /// That of the activations.
  case activations
}

/// Which rows carry loss.
package enum LossRows: String, CaseIterable, Sendable {
  /// The logits of row t − 1 predict token t for every generated token t.
  case nextToken = "next-token"
  /// Every generated row predicts the token after it, which needs n + 1 tokens.
  case generated
}

/// Which ops a layer is made of.
package enum Recipe: String, CaseIterable, Sendable {
  case ballast
  case transformersEager = "transformers-eager"
  case transformersSDPA = "transformers-sdpa"

  /// Those that can be measured; the others are refused.
  package static let built: [Recipe] = [.ballast]
}

/// Where the step runs.
package enum BackendKind: String, CaseIterable, Sendable {
  case cpu, shape
}
