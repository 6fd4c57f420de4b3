import Transformer

extension Point {
  /// The rows whose logits carry loss.
  package var lossPositions: Range<Int> {
    switch lossRows {
    case .nextToken: max(nC - 1, 0)..<max(n - 1, 0)
    case .generated: nC..<n
    }
  }

  /// The rows that are recorded before layer 0, after layer 0, … after the last layer.
  ///
  /// In `pruned-graph` those that a loss row can reach: a layer's output is wanted at some rows, so
  /// its queries are, and the keys that those see, up to a window back. Rows form a range throughout.
  package var recordedRows: [Range<Int>] {
    guard mode == .prunedGraph else {
      return Array(repeating: cut..<n, count: model.layers + 1)
    }
    var wanted = lossPositions
    var rows = [wanted]
    for layer in (0..<model.layers).reversed() {
      let first = model.slidingWindow(ofLayer: layer).map { wanted.lowerBound - $0 + 1 } ?? 0
      wanted = max(first, 0)..<wanted.upperBound
      rows.insert(wanted, at: 0)
    }
    return rows
  }

  /// The smallest n_c from which on retained bytes follow one polynomial.
  ///
  /// With `next-token`, n_c = 0 has one loss row less; a kept prefix is kept whole below its length;
  /// pruned windows reach the first token until the prefix is longer than all of them.
  package var lawStart: Int {
    var start = max(lossRows == .nextToken ? 1 : 0, mode.keepPrefix)
    if mode == .prunedGraph, let window = model.slidingWindow {
      // A window beyond every sequence is as good as one of that length.
      start += model.layers * (min(window, 1 << 30) - 1) + 1
    }
    return start
  }

  /// Rows before this position are not recorded.
  ///
  /// `next-token` keeps the last prefix row in the graph, since it carries loss.
  package var cut: Int {
    switch mode {
    case .fullGraph, .prunedGraph: 0
    case .detachedPrefix, .replayedPrefix:
      max(nC - (lossRows == .nextToken ? max(mode.keepPrefix, 1) : mode.keepPrefix), 0)
    }
  }
}
