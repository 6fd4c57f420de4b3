import Values

/// The words of `mode`.
package enum ModeName: String, AxisWord {
  case fullGraph = "full-graph"
  case prunedGraph = "pruned-graph"
  case detachedPrefix = "detached-prefix"
  case replayedPrefix = "replayed-prefix"

  /// What becomes of the rows of the prefix in a mode's graph.
  package enum PrefixRows: String, Sendable {
    /// They are in it, as all rows are.
    case recorded
    /// Of the last layer those are in it that a loss row reads.
    case pruned
    /// Those before the cut are not, and their keys and values are constants.
    case detached
  }

  package var prefixRows: PrefixRows {
    switch self {
    case .fullGraph, .replayedPrefix: .recorded
    case .prunedGraph: .pruned
    case .detachedPrefix: .detached
    }
  }

  /// What the mode does, in few words.
  package var meaning: String {
    switch self {
    case .fullGraph: "every row is recorded"
    case .prunedGraph: "what no loss row reaches is not recorded"
    case .detachedPrefix: "the prefix runs without a graph"
    case .replayedPrefix: "the prefix runs again in chunks"
    }
  }

  /// What the mode does to keys, values and their gradients, as a sentence without its end.
  package var sentence: String {
    switch self {
    case .fullGraph: "\(rawValue) records every row"
    case .prunedGraph:
      "\(rawValue) records the same, but in the last layer no prefix row that no loss row reads"
    case .detachedPrefix: "\(rawValue) takes the prefix's keys and values as constants"
    case .replayedPrefix:
      "\(rawValue) runs the prefix without a graph, gathers dK and dV in backward, and then "
        + "records its chunks again, one at a time"
    }
  }
}

/// How the prefix takes part in the step, with the settings that only this way has.
///
/// Rows at a time are a setting of the point, since the head's chunks have them too.
package enum Mode: Hashable, Sendable {
  /// Every row of every layer is recorded.
  case fullGraph
  /// What no loss row can reach is neither recorded nor computed.
  case prunedGraph
  /// Rows before the cut run without recording; their keys and values stay as constants.
  ///
  /// The last `keep` rows of the prefix stay in the graph.
  case detachedPrefix(keep: Int = 0)
  /// Exact: the prefix is run again in chunks, from last to first, to take in dK and dV.
  ///
  /// Those are gathered as `gradients` says.
  case replayedPrefix(gradients: KeyValueGradientKind = .float32)

  /// The mode of a name, with the default of its settings.
  package init(_ name: ModeName) {
    self =
      switch name {
      case .fullGraph: .fullGraph
      case .prunedGraph: .prunedGraph
      case .detachedPrefix: .detachedPrefix()
      case .replayedPrefix: .replayedPrefix()
      }
  }

  /// What the mode is called, whatever its settings.
  package var name: ModeName {
    switch self {
    case .fullGraph: .fullGraph
    case .prunedGraph: .prunedGraph
    case .detachedPrefix: .detachedPrefix
    case .replayedPrefix: .replayedPrefix
    }
  }

  /// Whether the mode gives the gradients of `full-graph`.
  package var isExact: Bool { name != .detachedPrefix }

  /// The last rows of the prefix that stay in the graph of `detached-prefix`; else 0.
  package var keepPrefix: Int {
    get { if case .detachedPrefix(let keep) = self { keep } else { 0 } }
    set { if case .detachedPrefix = self { self = .detachedPrefix(keep: newValue) } }
  }

  /// How `replayed-prefix` gathers dK and dV; else the default.
  package var kvGradients: KeyValueGradientKind {
    get { if case .replayedPrefix(let gradients) = self { gradients } else { .float32 } }
    set { if case .replayedPrefix = self { self = .replayedPrefix(gradients: newValue) } }
  }
}
