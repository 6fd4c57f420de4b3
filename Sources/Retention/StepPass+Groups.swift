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
    let boundary = try runPrefix(&kv, on: prefix)
    let count = suffixes.count
    let atATime = atATime == 0 ? count : min(atATime, count)
    var losses: [Tensor] = []
    for (index, suffix) in suffixes.enumerated() {
      // Nobody reads the prefix's keys after the last suffix but what has saved them.
      let loss = try suffix.runSuffix(
        &kv, drops: index == count - 1, boundary, on: tapes.next(suffix.tensors))
      losses.append(loss)
      let alive = index % atATime + 1
      if index < count - 1, alive == atATime { try tapes.backward(last: alive) }
    }
    return losses
  }

  /// Runs the prefix rows that stay in the graph; returns those that carry loss.
  ///
  /// `kv` has the keys and values of the others, and gets theirs.
  private func runPrefix(_ kv: inout [KeyValues?], on tape: Tape) throws -> Variable? {
    let rows = point.recordedRows.map { $0.clamped(to: 0..<point.nC) }
    guard !rows[0].isEmpty else { return nil }
    var x: Variable? = try decoder.embed(tokens, at: rows[0], pass: pass, on: tape)
    try layerRuns(over: rows).forEach(in: 0..<point.model.layers, on: tape) { layer in
      guard let input = x else { preconditionFailure("a layer without rows") }
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
    _ kv: inout [KeyValues?], drops: Bool, _ boundary: Variable?, on tape: Tape
  ) throws -> Tensor {
    let rows = point.recordedRows.map { $0.clamped(to: point.nC..<point.n) }
    var parts = boundary.map { [($0, $0.value.shape[1].rows)] } ?? []
    if !rows[0].isEmpty {
      var x = try decoder.embed(tokens, at: rows[0], pass: pass, on: tape)
      try layerRuns(over: rows).forEach(in: 0..<point.model.layers, on: tape) { layer in
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
