package import Ledger
package import Tensors
import Transformer

/// What a point's rows are, all asked of its sequence layout.
extension Point {
  /// Who sees whom, and which rows carry loss.
  package var layout: SequenceLayout {
    let lossRows =
      switch self.lossRows {
      case .nextToken: max(nC - 1, 0)..<max(n - 1, 0)
      case .generated: nC..<n
      }
    return SequenceLayout(nC: nC, nG: nG, lossRows: lossRows)
  }

  /// The rows whose logits carry loss.
  package var lossPositions: Range<Int> { layout.lossRows }

  /// The loss rows of all sequences, over which the loss is the mean.
  var lossRowsInAll: Int {
    guard lengths != nil else { return sequences * lossPositions.count }
    return sequencePoints.reduce(0) { $0 + $1.lossPositions.count }
  }

  /// The rows that are recorded before layer 0, after layer 0, … after the last layer.
  ///
  /// In `pruned-graph` those that a loss row can reach: a layer's output is wanted at some rows, so
  /// its queries are, and the keys that those see, up to a window back. Rows form a range
  /// throughout.
  package var recordedRows: [Range<Int>] {
    let layout = layout
    guard mode == .prunedGraph else {
      return Array(repeating: cut..<n, count: model.layers + 1)
    }
    var rows = [layout.lossRows]
    for layer in (0..<model.layers).reversed() {
      rows.append(
        layout.reach(of: rows[rows.count - 1], window: model.slidingWindow(ofLayer: layer)))
    }
    return rows.reversed()
  }

  /// The point with a prefix of so many tokens; completions that share it keep their own lengths.
  package func withPrefix(_ nC: Int) -> Point {
    var point = self
    if sharing == .prefix, let lengths {
      point.lengths = Lengths(lengths.sequences.map { (nC, $0.nG) })
    }
    point.nC = nC
    return point
  }

  /// The point at a prefix length of which a law is made.
  ///
  /// A table of learned positions that ends before is thought longer: parameters are neither
  /// retained bytes nor activations.
  package func atLawLength(_ nC: Int) -> Point {
    var point = withPrefix(nC)
    if case .learned(let maximum) = point.model.positions {
      point.model.positions = .learned(maximum: max(maximum, point.n))
    }
    return point
  }

  /// Whether there is one n_c that bytes can follow; prompts of different lengths have several.
  package var hasLaw: Bool { lengths == nil || sharing == .prefix }

  /// The smallest n_c from which on retained bytes follow one polynomial.
  ///
  /// With `next-token`, n_c = 0 has one loss row less; a kept prefix is kept whole below its
  /// length; pruned windows reach the first token until the prefix is longer than all of them.
  package var lawStart: Int {
    var start = max(lossRows == .nextToken ? 1 : 0, mode.keepPrefix)
    let isOfRecipe = recipe != .ballast
    if recompute == .layer || isOfRecipe, [.detachedPrefix, .replayedPrefix].contains(mode.name) {
      // Without a row before the cut no keys and values stay for the layers that are made again,
      // and PyTorch has no cache.
      start += 1
    }
    if isOfRecipe, let window = model.slidingWindow {
      // A mask and a cache that is cut off are there once the keys are as many as the window.
      start += min(window, 1 << 30)
    }
    if mode == .prunedGraph, let window = model.slidingWindow {
      // A window beyond every sequence is as good as one of that length.
      start += model.layers * (min(window, 1 << 30) - 1) + 1
    }
    return start
  }

  /// Whether a tensor is alive at the boundary though nobody has saved it: the loss, and what
  /// suffixes that ran backward before it have gathered for their prefix.
  package func waits(_ tensor: StorageDescription) -> Bool {
    let isWaited = sharing == .prefix && suffixesAtATime > 0 && suffixesAtATime < suffixes
    return tensor.isGradient
      ? isWaited && [.lossRows, .key, .value].contains(tensor.role) : tensor.role == .loss
  }

  /// Rows before this one are not recorded.
  ///
  /// `next-token` keeps the last prefix row in the graph, since it carries loss.
  package var cut: Int {
    switch mode {
    case .fullGraph, .prunedGraph: 0
    case .detachedPrefix, .replayedPrefix: layout.cut(keeping: mode.keepPrefix)
    }
  }

  /// The rows of each part of a flow: the silent prefix, the boundary row, the generated rows; no
  /// empty ones.
  package var flowRows: [Range<Int>] {
    [0..<silentPrefix, silentPrefix..<nC, nC..<n].filter { !$0.isEmpty }
  }

  /// Prefix rows that carry no loss: these are the first ones.
  package var silentPrefix: Int { min(nC, layout.lossRows.lowerBound) }
}
