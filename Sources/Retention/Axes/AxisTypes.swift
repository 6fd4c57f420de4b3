import Autograd
package import Tensors
import Transformer
import Values

extension DType: AxisWord {
  package static var choices: [DType] { numeric }
}

/// What backward computes again rather than keeps.
package enum Recompute: String, AxisWord {
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
extension AttentionMemory: AxisWord {}

/// For which rows logits are made.
package enum HeadKind: String, AxisWord {
  case allRows = "all-rows"
  case lossRows = "loss-rows"
  /// For loss rows, a few at a time: all logits never exist at once.
  case chunked
}

/// The dtype in which `replayed-prefix` gathers dK and dV of the prefix.
package enum KeyValueGradientKind: String, AxisWord {
  case float32
  /// That of the activations.
  case activations
}

/// Which rows carry loss.
package enum LossRows: String, AxisWord {
  /// The logits of row t − 1 predict token t for every generated token t.
  case nextToken = "next-token"
  /// Every generated row predicts the token after it, which needs n + 1 tokens.
  case generated
}

/// How sequences of different lengths share a step.
package enum Packing: String, AxisWord {
  /// One behind the other without padding, blind to each other, positions from 0 in each.
  case packed
  /// Filled up to the longest.
  case padded
}

/// What several suffixes of one prefix share.
package enum Sharing: String, AxisWord {
  /// Nothing: each is a sequence of its own, prefix and all.
  case none
  /// The prefix runs once, and every suffix attends to it.
  case prefix
}

/// Which ops a layer is made of: Ballast's own, or those that Hugging Face's model code runs in
/// PyTorch, which are counted alone.
package enum Recipe: String, AxisWord {
  case ballast
  case transformersEager = "transformers-eager"
  case transformersSDPA = "transformers-sdpa"

  /// The PyTorch and transformers that the recipes were held against.
  package static let versions = "torch 2.13.0 on a CPU, transformers 5.23.0"

  /// Whose attention it is, where it is Hugging Face's.
  var attention: HuggingFacePass.Attention? {
    switch self {
    case .ballast: nil
    case .transformersEager: .eager
    case .transformersSDPA: .sdpa
    }
  }

  /// What the code's choice of attention saves; nil where that is the point's.
  package var attentionMemory: AttentionMemory? {
    switch self {
    case .ballast: nil
    case .transformersEager: .materialized
    case .transformersSDPA: .fused
    }
  }
}

/// Where the step runs.
package enum BackendKind: String, AxisWord {
  case cpu, shape
}
