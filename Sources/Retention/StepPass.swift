import Autograd
import Ledger
import Tensors
import Transformer

/// The passes of a step over sequences of one layout.
///
/// The step is one of these, or, where lengths differ or a prefix is shared, one for each sequence.
struct StepPass {
  /// What is run: equal lengths, and so one layout.
  let point: Point
  let decoder: Decoder
  let tokens: TokenIDs
  /// Tensors of its layout.
  let tensors: TensorFactory
  /// The loss rows of the whole step, over which the loss is the mean.
  let lossRows: Int
  /// What its forward pass chooses beyond the model.
  let pass: PassOptions
  /// The rows among which those with loss are, and what each is to predict; nil for the layout's.
  var padded: (rows: Range<Int>, labels: [Int32])?
  /// What each layer's part depends on; empty where all run.
  let layerKinds: [LayerKind]
  /// What is counted and not run where the ledger has proven that it repeats another.
  let skipsChunks: Bool
  let skipsLayers: Bool

  /// The layers that run; of a prefix and of its suffixes the same, whose gradients are one.
  var layerRuns: LayerRuns {
    guard skipsLayers else { return LayerRuns(all: point.model.layers) }
    let rows = point.recordedRows
    return LayerRuns(
      kinds: (0..<point.model.layers).map { layer in
        LayerPart(kind: layerKinds[layer], rows: [rows[layer], rows[layer + 1]])
      })
  }

  /// What a layer's part of the step depends on.
  private struct LayerPart: Equatable {
    let kind: LayerKind
    let rows: [Range<Int>]
  }

  /// Runs the model forward and returns its part of the loss, `[1]`; leaves in `replay` what must
  /// run again.
  func forward(on tapes: StepTapes, replay: PrefixReplay) throws -> Tensor {
    let tape = tapes.next(tensors)
    if let attention = point.recipe.attention { return try forward(as: attention, on: tape) }
    var prefix = try prefill(on: tape, replay: replay)
    let rows = point.recordedRows
    var x = try decoder.embed(tokens, at: rows[0], pass: pass, on: tape)
    try layerRuns.forEach(in: 0..<point.model.layers, on: tape) { layer in
      let kv = prefix[layer]
      prefix[layer] = nil
      x = try decoder.apply(
        layer: layer, to: x, rows: rows[layer + 1], kv: kv, pass: pass, on: tape)
    }
    if point.head != .allRows {
      x = try tape.selectRows(x, at: padded?.rows ?? point.layout.lossRows)
    }
    return try loss(of: x, tokens, on: tape)
  }

  /// The part that rows `x` with loss, or all rows, have in the mean over the loss rows of all
  /// sequences, `[1]`.
  func loss(of x: consuming Variable, _ tokens: TokenIDs, on tape: Tape) throws -> Tensor {
    let rows = padded?.rows ?? point.layout.lossRows
    let labels = padded?.labels ?? tokens.labels(of: point.layout.lossRuns)
    if point.head == .chunked {
      return try decoder.chunkedLoss(
        x, labels: labels, rowsAtATime: point.chunk, of: lossRows, on: tape)
    }
    return try tape.crossEntropy(
      decoder.logits(x, on: tape), at: rows, labels: labels, of: lossRows)
  }

  /// The same of Hugging Face's model code; the rows before the cut go into its cache at once.
  private func forward(as attention: HuggingFacePass.Attention, on tape: Tape) throws -> Tensor {
    let head: HuggingFacePass.Head =
      switch point.head {
      case .allRows: .allRows
      case .lossRows: point.nC > 0 ? .lastRows(point.nG + 1) : .allRows
      case .chunked: .pieces
      }
    let pass = try HuggingFacePass(
      decoder, attention: attention, head: head, checkpointsLayers: point.recompute == .layer,
      batch: point.sequences, tokens: point.n, on: tape)
    let runs = layerRuns
    let caches = try pass.prefill(0..<point.cut, runs: runs)
    return try pass.loss(point.cut..<point.n, caches: caches, runs: runs)
  }

  /// Runs rows before the cut without a graph, `chunk` at a time: only their K and V stay.
  func prefill(on tape: Tape, replay: PrefixReplay) throws -> [KeyValues?] {
    let isShared = point.sharing == .prefix
    let isReplayed = point.mode.name == .replayedPrefix && decoder.learnsFromKeysAndValues
    var kv: [KeyValues?] = Array(repeating: nil, count: point.model.layers)
    guard point.cut > 0 else { return kv }
    let runs = layerRuns
    try tape.withoutRecording {
      try runs.forEach(in: kv.indices, on: tape) { layer in
        kv[layer] = try decoder.makeKeyValues(
          batch: point.rowBatch, rows: isShared ? 0..<point.nC : point.layout.rows, layer: layer,
          from: tensors)
        guard isReplayed else { return }
        kv[layer]?.gradients = KeyValueGradients(
          batch: point.rowBatch, rows: 0..<(isShared ? point.nC : point.cut),
          width: point.model.keyWidth,
          dtype: point.mode.kvGradients == .float32 ? .float32 : point.dtype)
      }
    }
    let chunks = RowChunks(rows: 0..<point.cut, atATime: point.chunk)
    let repeats = Repetition(
      on: tape, skips: skipsChunks,
      growsWithKeys: point.attention == .materialized)
    try tape.withoutRecording {
      try repeats.forEach(of: chunks) { chunk in
        try decoder.prefill(tokens, at: chunk, kv: kv, runs: runs, pass: pass, on: tape)
      }
    }
    if isReplayed {
      let written = kv.map { $0?.written }
      replay.keep(kv, on: tape) { [decoder, pass] in
        try repeats.forEach(of: chunks.reversed) { chunk in
          try decoder.prefill(tokens, at: chunk, kv: written, runs: runs, pass: pass, on: tape)
          try tape.backward()
        }
      }
    }
    return kv
  }
}

/// What `replayed-prefix` has left to do when the suffix's graph is gone.
final class PrefixReplay {
  private var saved: [SavedTensor] = []
  private var pass: (() throws -> Void)?

  /// Saves keys and values for the replay, which reads them in every layer.
  func keep(_ kv: [KeyValues?], on tape: Tape, _ pass: @escaping () throws -> Void) {
    for (layer, kv) in kv.enumerated() {
      guard let kv else { continue }
      tape.layer = layer
      tape.op(Op(.replay)) {
        for (name, tensor) in kv.tensors {
          saved.append(tape.save(tensor, as: name, neededFor: ["dk", "dv"]))
        }
      }
    }
    tape.layer = nil
    self.pass = pass
  }

  /// Runs the prefix again, and drops what was kept for that.
  func run() throws {
    defer {
      saved = []
      pass = nil
    }
    try pass?()
  }
}
