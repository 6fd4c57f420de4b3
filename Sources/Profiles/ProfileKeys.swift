import Retention

/// The keys of a profile and of what stands in it.
package enum ProfileKeys {
  /// Axes from the outermost to the innermost loop.
  package static let axes = PointAxis.ofProfiles.map(\.name)
  package static let profile =
    ["profile", "description", "memory", "repeat", "timings", "weights", "tokens", "budgets"] + axes
  /// A range of `n_c`.
  package static let range = ["from", "to", "step"]
  /// Lengths that are drawn.
  package static let lengths = ["n_c", "n_g", "count", "seed"]
  /// A model of one's own.
  package static let model =
    ["name"] + PointAxis.sizes.map(\.name) + ["norm_epsilon", "rope_theta", "tie_embeddings"]
  /// What such a model cannot do without; layers may stand beside it.
  package static let neededOfModel = ["layers", "d_model", "heads", "d_ff", "vocab"]
  package static let limits = ["at_most", "at_least", "within"]
  package static let budget = ["figure", "relative_to"] + limits + axes

  /// Tokens of a length.
  package static let mostTokens = 1 << 28
  package static let mostRepetitions = 1000
}
