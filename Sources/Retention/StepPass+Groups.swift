import Autograd
import Tensors
import Transformer

/// One prefix with several suffixes: the prefix runs once, and every suffix attends to its keys and
/// values.
///
/// ```
///   forward    prefix rows                     K, V ─┬─▶ suffix 0 ─▶ loss
///              (before the cut without a graph)      ├─▶ suffix 1 ─▶ loss
///                                                    └─▶ …
///   backward   … suffix 1, suffix 0 ─▶ dK, dV gathered ─▶ prefix rows (before the cut: replay)
/// ```
///
/// Every suffix is a pass of its own, over the rows behind the prefix of one sequence, and of a
/// length of its own. The prefix's last row, where it carries loss, is part of every suffix's loss
/// rows: it predicts the first token of each.
extension StepPass {
  /// Runs all suffixes forward behind their prefix, which this one runs, and returns each suffix's
  /// part of the loss.
  ///
  /// They differ in what stands behind the prefix alone. Where not all are alive at a time, with 0
  /// for all, those before the last ones have run backward.
  func groupForward(
    _ suffixes: [StepPass], atATime: Int, on tapes: StepTapes, replay: PrefixReplay
  ) throws -> [Tensor] {
    let prefix = tapes.next(tensors)
    var kv = try prefill(on: prefix, replay: replay)
    // Rows of completions of different length may be pruned in different layers.
    let isOfOne = point.mode != .prunedGraph || Set(suffixes.map(\.point.nG)).count == 1
    let layers = isOfOne ? layerRuns : LayerRuns(all: point.model.layers)
    let boundary = try runPrefix(&kv, layers, on: prefix)
    let atATime = atATime == 0 ? suffixes.count : atATime
    let rounds = (suffixes.count + atATime - 1) / atATime
    let areEqual = suffixes.allSatisfy { $0.point.nG == suffixes[0].point.nG }
    let skipsRounds = skipsLayers && areEqual && rounds > 5
    var losses: [Tensor] = []
    var steady: (span: Span, work: Int128)?
    for round in 0..<rounds {
      let part = round * atATime..<min((round + 1) * atATime, suffixes.count)
      // The second round does what those between do, the last but one shows it.
      if skipsRounds, (2..<rounds - 2).contains(round) { continue }
      func run() throws {
        let first = tapes.count
        losses += try runSuffixes(
          suffixes[part], &kv, drops: round == rounds - 1, boundary, layers, on: tapes)
        if round < rounds - 1 { try tapes.backward(from: first) }
      }
      guard skipsRounds else {
        try run()
        continue
      }
      let before = tapes.matmulFlops
      let span = try prefix.watch(run)
      let work = tapes.matmulFlops - before
      if round == 1 {
        steady = (span, work)
        prefix.count(span, times: rounds - 4)
        tapes.count(work * Int128(rounds - 4))
      } else if round == rounds - 2, let steady {
        guard span.repeats(steady.span), work == steady.work else { throw RepetitionError() }
      }
    }
    return losses
  }

  /// Runs suffixes whose graphs are alive together, and returns the losses of those that ran; on
  /// shapes, of equal ones few do.
  private func runSuffixes(
    _ suffixes: ArraySlice<StepPass>, _ kv: inout [KeyValues?], drops: Bool,
    _ boundary: Variable?, _ layers: LayerRuns, on tapes: StepTapes
  ) throws -> [Tensor] {
    let runs =
      skipsLayers
      ? LayerRuns(kinds: suffixes.map(\.point.nG)) : LayerRuns(all: suffixes.count)
    var losses: [Tensor] = []
    let first = suffixes.startIndex
    try runs.forEach(
      in: 0..<suffixes.count, onEach: { tapes.next(suffixes[first + $0].tensors) },
      { place, tape in
        // Nobody reads the prefix's keys after the last suffix but what has saved them.
        losses.append(
          try suffixes[first + place].runSuffix(
            &kv, drops: drops && place == suffixes.count - 1, boundary, layers, on: tape))
      })
    return losses
  }

  /// Runs the prefix rows that stay in the graph; returns those that carry loss.
  ///
  /// `kv` has the keys and values of the others, and gets theirs.
  private func runPrefix(
    _ kv: inout [KeyValues?], _ layers: LayerRuns, on tape: Tape
  ) throws -> Variable? {
    let rows = point.recordedRows.map { $0.clamped(to: 0..<point.nC) }
    guard !rows[0].isEmpty else { return nil }
    var x: Variable? = try decoder.embed(tokens, at: rows[0], pass: pass, on: tape)
    try layers.forEach(in: 0..<point.model.layers, on: tape) { layer in
      // Behind a layer whose window reaches no prefix row there is nothing to run.
      guard let input = x else { return }
      let own = try keysAndValues(kv[layer], rows: rows[layer], layer: layer)
      kv[layer] = own
      x = nil
      guard !rows[layer + 1].isEmpty else {
        return try decoder.writeKeysAndValues(
          layer: layer, of: input, into: own, pass: pass, on: tape)
      }
      x = try decoder.apply(
        layer: layer, to: input, rows: rows[layer + 1], kv: own, pass: pass, on: tape)
    }
    let lossRows = point.layout.lossRows.clamped(to: 0..<point.nC)
    guard let x, !lossRows.isEmpty else { return nil }
    return try tape.selectRows(x, at: lossRows)
  }

  /// Room for a layer's keys and values of the prefix, unless it is there, with slots for what
  /// suffixes gather.
  private func keysAndValues(
    _ earlier: KeyValues?, rows: Range<Int>, layer: Int
  ) throws -> KeyValues {
    var kv =
      try earlier
      ?? decoder.makeKeyValues(batch: point.rowBatch, rows: rows, layer: layer, from: tensors)
    if kv.gradients == nil, decoder.learnsFromKeysAndValues(ofLayer: layer) {
      kv.gradients = KeyValueGradients(
        batch: point.rowBatch, rows: rows, width: point.model.keyWidth, dtype: .float32)
    }
    return kv
  }

  /// Runs this suffix, and returns its part of the loss.
  private func runSuffix(
    _ kv: inout [KeyValues?], drops: Bool, _ boundary: Variable?, _ layers: LayerRuns, on tape: Tape
  ) throws -> Tensor {
    let rows = point.recordedRows.map { $0.clamped(to: point.nC..<point.n) }
    var parts = boundary.map { [($0, $0.value.shape[1].rows)] } ?? []
    if !rows[0].isEmpty {
      var x = try decoder.embed(tokens, at: rows[0], pass: pass, on: tape)
      try layers.forEach(in: 0..<point.model.layers, on: tape) { layer in
        let prefix = kv[layer]
        if drops { kv[layer] = nil }
        x = try decoder.apply(
          layer: layer, to: x, rows: rows[layer + 1], kv: prefix, pass: pass, on: tape)
      }
      parts.append((x, point.layout.lossRows.clamped(to: point.nC..<point.n)))
    }
    parts.removeAll { $0.1.isEmpty }
    return try loss(of: tape.selectRows(parts), tokens, on: tape)
  }
}
