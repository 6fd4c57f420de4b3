import Retention

/// How pictures and the report speak of an axis; one that is not listed here goes by its name.
package struct AxisWords: Sendable {
  /// What stands under a picture's axis; nil: the name.
  var title: String?
  /// What it counts, after a number: `16 layers`.
  var noun: String?
  /// A value among what sets a series apart; nil: the name and the value.
  var label: String?
  /// A value among what all series have in common; nil: the name and the value.
  var told: String?
  /// Whether that is said of a default too.
  var isAlwaysTold = false
  /// What the values do that save bytes, or cost some.
  package var ways: [(value: String, words: String)] = []

  /// The words of an axis.
  static func of(_ axis: PointAxis) -> AxisWords { all[axis.name] ?? AxisWords() }

  package static let all: [String: AxisWords] = [
    "n_g": AxisWords(title: "generated tokens n_g"),
    "model": AxisWords(label: "{}"),
    "layers": AxisWords(title: "number of layers", noun: "layers", told: "{} layers"),
    "heads": AxisWords(told: "{} heads"),
    "kv_heads": AxisWords(told: "{} KV heads"),
    "vocab": AxisWords(title: "vocabulary"),
    "batch": AxisWords(title: "sequences in a batch", noun: "sequences"),
    "suffixes": AxisWords(noun: "completions"),
    "dtype": AxisWords(label: "{}", told: "{}", isAlwaysTold: true),
    "attention": AxisWords(isAlwaysTold: true),
    "head": AxisWords(isAlwaysTold: true),
    "loss_rows": AxisWords(told: "loss rows: {}", isAlwaysTold: true),
    "chunk": AxisWords(title: "chunk, rows"),
    "keep_prefix": AxisWords(title: "prefix rows W that stay in the graph", label: "keep {}"),
    "mode": AxisWords(ways: [
      (ModeName.replayedPrefix.rawValue, "replay"), (ModeName.prunedGraph.rawValue, "pruning"),
      (ModeName.detachedPrefix.rawValue, "detaching"),
    ]),
    "recompute": AxisWords(
      isAlwaysTold: true,
      ways: [
        (Recompute.layer.rawValue, "recomputing layers"),
        (Recompute.attention.rawValue, "recomputing attention"),
        (Recompute.elementwise.rawValue, "recomputing norms and activations"),
      ]),
    "sharing": AxisWords(ways: [(Sharing.prefix.rawValue, "sharing the prompt")]),
    "layout": AxisWords(ways: [(Packing.padded.rawValue, "padding")]),
    "suffixes_at_a_time": AxisWords(ways: [("1", "one completion at a time")]),
  ]
}
