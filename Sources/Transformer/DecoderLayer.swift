import Autograd
import Ledger
import Tensors

/// A linear map: a matrix `[out, in]`, a bias `[out]` if the model has one, and perhaps an adapter.
struct Projection {
  let weight: Weight
  let bias: Weight?
  let adapter: Adapter?

  var isTrained: Bool {
    weight.gradient != nil || bias?.gradient != nil || adapter?.isTrained == true
  }
}

/// What stands before a branch.
enum Norm {
  case rms(Parameter)
  case layer(Parameter, bias: Parameter)

  var isTrained: Bool {
    switch self {
    case .rms(let weight): weight.gradient != nil
    case .layer(let weight, let bias): weight.gradient != nil || bias.gradient != nil
    }
  }
}

/// One pre-norm layer: `x + W_O attention(norm x)`, then `x + mlp(norm x)`.
struct DecoderLayer {
  /// The MLP's weights.
  enum MLP {
    /// `W_down (silu(W_gate x) · W_up x)`.
    case swiGLU(gate: Projection, up: Projection, down: Projection)
    /// `W_down gelu(W_up x)`.
    case gelu(GELU, up: Projection, down: Projection)
  }

  let configuration: DecoderConfiguration
  let index: Int
  let attentionNorm: Norm
  let q: Projection
  let k: Projection
  let v: Projection
  /// RMSNorms of every head of q and k (Qwen3), `[d_head]`.
  let qNorm: Parameter?
  let kNorm: Parameter?
  let o: Projection
  let mlpNorm: Norm
  let mlp: MLP

  /// Whether any of its parameters is trained.
  var isTrained: Bool { weights.contains { $0.gradient != nil } }
  /// Whether any is that makes keys and values.
  var trainsKeysAndValues: Bool {
    attentionNorm.isTrained || k.isTrained || v.isTrained || kNorm?.gradient != nil
  }

  /// The rows of `x` `[batch, tokens, d_model]` at `rows` through the layer; `kv` holds earlier
  /// rows and receives those of `x`, all of them. Without it the layer's keys are those of `x`
  /// alone.
  ///
  /// Where the tape recomputes layers, `x` is kept, and `kv` with the rows that nobody can make
  /// again.
  func callAsFunction(
    _ x: Variable, rows: Range<Int>, kv: KeyValues?, pass: PassOptions, on tape: Tape
  ) throws -> Variable {
    tape.layer = index
    defer { tape.layer = nil }
    let (gradients, isWritten) = (kv?.gradients, kv?.isWritten ?? false)
    return try tape.checkpoint(
      x, constants: kv?.tensors ?? [],
      isTrained: isTrained || gradients != nil,
      isReached: { gradients?.hasGathered(for: rows) ?? false }
    ) { x, constants, isFirst in
      let outer = tape.layer
      tape.layer = index
      defer { tape.layer = outer }
      let shape = x.value.shape.replacingLast(.plain(configuration.keyWidth))
      let kv =
        constants.isEmpty
        ? try KeyValues(shape, dtype: x.value.dtype, layer: index, tensors: tape.tensors)
        : try KeyValues(
          tensors: constants, gradients: gradients, isWritten: isWritten || !isFirst
        ).withRoom(for: shape, dtype: x.value.dtype, layer: index, tensors: tape.tensors)
      return try forward(x, rows: rows, kv: kv, isRead: isFirst, pass: pass, on: tape)
    }
  }

  /// Where nobody reads the result, the last product and sum are recorded and not computed.
  private func forward(
    _ x: Variable, rows: Range<Int>, kv: KeyValues, isRead: Bool, pass: PassOptions, on tape: Tape
  ) throws -> Variable {
    let branch = try attentionBranch(x, rows: rows, kv: kv, pass: pass, on: tape)
    let y = try tape.add(tape.rows(x, at: rows), branch)
    return try tape.add(y, mlpBranch(y, isRead: isRead, pass: pass, on: tape), isComputed: isRead)
  }

  /// What the rows of `x` leave to later rows: their keys and values, and nothing else. Those that
  /// `kv` has already are recorded alone.
  func writeKeysAndValues(
    _ x: Variable, into kv: KeyValues, pass: PassOptions, on tape: Tape
  ) throws {
    tape.layer = index
    defer { tape.layer = nil }
    let normed = try tape.normalize(x, attentionNorm, configuration, at: .attentionNorm)
    let hidden = try sharedHidden(normed, pass: pass, on: tape)
    _ = try keys(normed, hidden, into: kv, pass: pass, on: tape)
    _ = try values(normed, hidden, into: kv, pass: pass, on: tape)
  }

  // MARK: Attention

  /// `dropout(W_O attention(norm x))`.
  private func attentionBranch(
    _ x: Variable, rows: Range<Int>, kv: KeyValues, pass: PassOptions, on tape: Tape
  ) throws -> Variable {
    // [batch, tokens, heads · d_head]
    let heads = try attention(x, rows: rows, kv: kv, pass: pass, on: tape)
    return try tape.dropout(
      tape.project(heads, o, pass: pass, at: .attentionOutput, as: "hidden", .hidden),
      pass.dropout("layers.\(index).attention_branch"), of: .attentionOutput)
  }

  private func attention(
    _ x: Variable, rows: Range<Int>, kv: KeyValues, pass: PassOptions, on tape: Tape
  ) throws -> Variable {
    let normed = try tape.normalize(x, attentionNorm, configuration, at: .attentionNorm)
    let hidden = try sharedHidden(normed, pass: pass, on: tape)
    let q = try queries(
      tape.rows(normed, at: rows), hidden.map { tape.rows($0, at: rows) }, pass: pass, on: tape)
    let k = try keys(normed, hidden, into: kv, pass: pass, on: tape)
    let v = try values(normed, hidden, into: kv, pass: pass, on: tape)
    let recorded = x.value.shape[1].rows
    return try tape.attention(
      q: q,
      keys: AttentionKeys(
        kv.before(recorded.upperBound), k: k.gradient, v: v.gradient,
        earlier: kv.gradients?.before(recorded.lowerBound)),
      Attention(
        HeadGeometry(
          heads: configuration.heads, kvHeads: configuration.kvHeads,
          dHead: configuration.dHead),
        memory: pass.memory, window: configuration.slidingWindow(ofLayer: index),
        dropout: pass.dropout("layers.\(index).probabilities"), layout: tape.tensors.layout))
  }

  /// What q, k and v have in common of their adapters, where they are parts of one matrix (GPT-2).
  private func sharedHidden(
    _ normed: Variable, pass: PassOptions, on tape: Tape
  ) throws -> Variable? {
    guard let adapter = q.adapter, adapter.a.parameter === k.adapter?.a.parameter else {
      return nil
    }
    return try tape.adapterHidden(normed, adapter, pass: pass, on: .queryKeyValue)
  }

  private func queries(
    _ normed: Variable, _ hidden: Variable?, pass: PassOptions, on tape: Tape
  ) throws -> Variable {
    var q = try tape.project(
      normed, self.q, hidden: hidden, pass: pass, at: .query, as: "q", .query)
    if let qNorm {
      q = try tape.rmsNorm(
        q, qNorm, epsilon: configuration.normEpsilon, at: .queryNorm, as: "q", .query)
    }
    return try rotate(q, at: .queryRotation, pass: pass, on: tape)
  }

  private func keys(
    _ normed: Variable, _ hidden: Variable?, into kv: KeyValues, pass: PassOptions, on tape: Tape
  ) throws -> Variable {
    let destination = kv.own(normed.value.shape[1].rows).k
    guard let kNorm else {
      let k = try tape.project(
        normed, k, hidden: hidden, pass: pass, at: .key, as: "k", .key, into: destination,
        isComputed: !kv.isWritten)
      return try kv.gradients.inject(
        \.k, into: rotate(k, at: .keyRotation, isComputed: !kv.isWritten, pass: pass, on: tape),
        on: tape)
    }
    // Backward reads what is normed, and its norms.
    let raw = try tape.project(
      normed, k, hidden: hidden, pass: pass, at: .key, as: "k_raw", .key)
    let k = try tape.rmsNorm(
      raw, kNorm, epsilon: configuration.normEpsilon, at: .keyNorm, as: "k", .key,
      into: destination)
    return try kv.gradients.inject(
      \.k, into: rotate(k, at: .keyRotation, pass: pass, on: tape), on: tape)
  }

  private func values(
    _ normed: Variable, _ hidden: Variable?, into kv: KeyValues, pass: PassOptions, on tape: Tape
  ) throws -> Variable {
    let destination = kv.own(normed.value.shape[1].rows).v
    let v = try tape.project(
      normed, v, hidden: hidden, pass: pass, at: .value, as: "v", .value, into: destination,
      isComputed: !kv.isWritten)
    return try kv.gradients.inject(\.v, into: v, on: tape)
  }

  private func rotate(
    _ x: Variable, at place: Place, isComputed: Bool = true, pass: PassOptions, on tape: Tape
  ) throws -> Variable {
    guard let rotation = pass.rotation else { return x }
    return try tape.rotate(
      x, dHead: configuration.dHead, by: rotation, at: place, isComputed: isComputed)
  }

  // MARK: MLP

  /// `dropout(mlp(norm y))`.
  private func mlpBranch(
    _ y: Variable, isRead: Bool, pass: PassOptions, on tape: Tape
  ) throws -> Variable {
    let (inner, down) = try activation(y, pass: pass, on: tape)  // [batch, tokens, d_ff]
    return try tape.dropout(
      tape.project(
        inner, down, pass: pass, at: .down, as: "hidden", .hidden, isComputed: isRead),
      pass.dropout("layers.\(index).mlp_branch"), of: .down)
  }

  /// What the last projection of the MLP takes, and that projection.
  private func activation(
    _ y: Variable, pass: PassOptions, on tape: Tape
  ) throws -> (Variable, down: Projection) {
    let normed = try tape.normalize(y, mlpNorm, configuration, at: .mlpNorm)
    switch mlp {
    case .swiGLU(let gate, let up, let down):
      let gated = try tape.project(normed, gate, pass: pass, at: .gate, as: "gate", .inner)
      let factor = try tape.project(normed, up, pass: pass, at: .up, as: "up", .inner)
      return (try tape.swiGLU(gate: gated, up: factor), down)
    case .gelu(let form, let up, let down):
      return (
        try tape.gelu(
          tape.project(normed, up, pass: pass, at: .up, as: "up", .inner), form: form), down
      )
    }
  }
}

extension Tape {
  /// The model's kind of norm.
  func normalize(
    _ x: Variable, _ norm: Norm, _ configuration: DecoderConfiguration, at module: Module
  ) throws -> Variable {
    switch norm {
    case .rms(let weight):
      try rmsNorm(x, weight, epsilon: configuration.normEpsilon, at: module)
    case .layer(let weight, let bias):
      try layerNorm(x, weight, bias: bias, epsilon: configuration.normEpsilon, at: module)
    }
  }
}
