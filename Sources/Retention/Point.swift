package import Tensors
package import Transformer

/// One measurement: a model, and a value on every axis.
///
/// Sequence positions are `0..<n`; the prefix is `0..<nC`, generated tokens are `nC..<n`.
package struct Point: Hashable, Sendable {
  /// The name that results carry.
  package var modelName: String
  package var model: DecoderConfiguration
  package var mode = Mode.fullGraph
  /// The last rows of the prefix that stay in the graph (`detached-prefix` only).
  package var keepPrefix = 0
  /// Rows that a prefix without a graph runs at a time, and loss rows with logits under `chunked`.
  package var chunk = 256
  package var recompute = Recompute.none
  package var attention = AttentionKind.fused
  package var head = HeadKind.lossRows
  /// How `replayed-prefix` gathers dK and dV.
  package var kvGradients = KeyValueGradientKind.float32
  package var lossRows = LossRows.nextToken
  package var dtype = DType.float32
  /// Regular expression over parameter names; the others are frozen. Empty: all are trained.
  package var trainable = ""
  package var dropout = 0.0
  package var recipe = Recipe.ballast
  package var backend = BackendKind.cpu
  /// Threads that compute.
  package var threads = 1
  package var batch = 1
  /// Prefix tokens.
  package var nC: Int
  /// Generated tokens.
  package var nG: Int
  package var seed: UInt64 = 0

  package init(modelName: String, model: DecoderConfiguration, nC: Int, nG: Int) {
    self.modelName = modelName
    self.model = model
    self.nC = nC
    self.nG = nG
  }

  /// Tokens that the layers see, n = n_c + n_g.
  package var n: Int { nC + nG }

  /// Tokens of one sequence that the step reads: n, and one more label for `generated` rows.
  package var tokensPerSequence: Int { lossRows == .generated ? n + 1 : n }

  /// Whether a parameter is trained, by its Hugging Face name; nil if all are.
  ///
  /// - Throws: `PointError` if `trainable` is not a regular expression.
  func trainablePattern() throws(PointError) -> ((String) -> Bool)? {
    guard !trainable.isEmpty else { return nil }
    return try ParameterPattern(trainable).isFound(in:)
  }

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
    var start = lossRows == .nextToken ? 1 : 0
    if mode == .detachedPrefix { start = max(start, keepPrefix) }
    if mode == .prunedGraph, let window = model.slidingWindow {
      start += model.layers * (window - 1) + 1
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
      max(nC - (lossRows == .nextToken ? max(keepPrefix, 1) : keepPrefix), 0)
    }
  }
}
