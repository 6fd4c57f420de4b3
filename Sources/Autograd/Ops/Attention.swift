import Ledger
package import Tensors

/// The keys and values that attention sees, and where their gradients gather.
///
/// Rows that ran without a graph are constants, unless `earlier` takes their gradients.
package struct AttentionKeys {
  /// Ascending; together all that the rows see.
  package let blocks: [KeyBlock]
  /// The slots of the recorded rows, which end where the blocks do; nil for what is frozen.
  package let k: GradientSlot?
  package let v: GradientSlot?
  package let earlier: EarlierKeys?

  package init(
    _ blocks: [KeyBlock], k: GradientSlot?, v: GradientSlot?, earlier: EarlierKeys? = nil
  ) {
    self.blocks = blocks
    self.k = k
    self.v = v
    self.earlier = earlier
  }

  /// The rows from the first key to the last.
  var rows: Range<Int> {
    guard let first = blocks.first, let last = blocks.last else { return 0..<0 }
    return first.rows.lowerBound..<last.rows.upperBound
  }
}

/// The keys and values of rows that ran without a graph, and whose gradients gather all the same.
package struct EarlierKeys {
  /// Slots over rows `0…`, `[batch, rows, kvHeads · d_head]`.
  package let k: GradientSlot
  package let v: GradientSlot
  /// The rows of them that come before the recorded ones.
  package let rows: Range<Int>

  package init(k: GradientSlot, v: GradientSlot, rows: Range<Int>) {
    self.k = k
    self.v = v
    self.rows = rows
  }
}

extension Tape {
  /// `attention` of the rows of `q`, `[batch, rows, heads · d_head]` both.
  ///
  /// What is saved says `AttentionSaves`.
  package func attention(
    q: Variable, keys: AttentionKeys, _ attention: Attention
  ) throws -> Variable {
    try op(.attention) {
      let o = try tensors.make("attention_output", .attentionOutput, q.value.shape, q.value.dtype)
      var forward = AttentionForward(attention, q: q.value, blocks: keys.blocks, output: o)
      guard records(q.gradient, keys.k, keys.v, keys.earlier?.k) else {
        try run(forward)
        return Variable(o)
      }
      let slot = GradientSlot(
        "attention_output", .attentionOutput, shape: o.shape, dtype: o.dtype)
      let wanted = WantedGradients(q: q.gradient, keys: keys)
      forward.kept = try makeKept(for: forward, wanted)
      try run(forward)
      let saves = AttentionSaves(of: forward, wanted, on: self)
      let blocks = keys.blocks.map(\.rows)
      let (qSlot, kSlot, vSlot, earlier) = (q.gradient, keys.k, keys.v, keys.earlier)
      record {
        guard let dO = slot.take() else { return }
        var backward = AttentionBackward(attention, dO: dO, blocks: blocks)
        try saves.restore(into: &backward)
        let sinks = try self.sinks(v: vSlot, earlier, q: qSlot, k: kSlot)
        (backward.dq, backward.dk, backward.dv) = (sinks.q, sinks.k, sinks.v)
        try self.run(backward)
      }
      return Variable(o, gradient: slot)
    }
  }

  private func run(_ pass: AttentionForward) throws {
    let products = pass.output == nil ? 1 : 2
    count(pass.attention, rows: pass.rows, batch: pass.q.extent(0), products: products)
    let tiles = try scratch(
      "attention_tiles", bytes: tensors.memory.tileBytes(for: .forward(pass)))
    try kernels?.attention(pass, tiles: tiles, scratchpad: makeScratchpad())
  }

  private func run(_ pass: AttentionBackward) throws {
    let remade = pass.kept.probabilities == nil ? 1 : 0
    let wanted = [pass.needsScores, pass.dq != nil, !pass.dk.isEmpty, !pass.dv.isEmpty]
    count(
      pass.attention, rows: pass.rows, batch: pass.dO.extent(0),
      products: remade + wanted.count { $0 })
    let tiles = try scratch(
      "attention_tiles", bytes: tensors.memory.tileBytes(for: .backward(pass)))
    try kernels?.attentionBackward(pass, tiles: tiles, scratchpad: makeScratchpad())
  }

  /// Gives the products of a kernel their scratch: the largest so far, again and again.
  private func makeScratchpad() -> (Int) throws -> Tensor? {
    var largest: Tensor?
    var room = 0
    return { bytes in
      guard bytes > 0 else { return nil }
      if bytes > room {
        largest = nil
        largest = try self.scratch("scratchpad", bytes: bytes)
        room = bytes
      }
      return largest
    }
  }

  /// The places of all wanted gradients.
  private func sinks(
    v: GradientSlot?, _ earlier: EarlierKeys?, q: GradientSlot?, k: GradientSlot?
  ) throws -> (q: GradientSink?, k: [GradientSink], v: [GradientSink]) {
    func gathered(_ slot: GradientSlot?) throws -> GradientSink? {
      guard let slot, let rows = earlier?.rows else { return nil }
      let sink = try slot.sink(from: tensors)
      guard !sink.accumulates, rows != slot.shape[1].rows else {
        return GradientSink(sink.sum.at(rows: rows), accumulates: sink.accumulates)
      }
      // Other passes gather in the rows that this one does not reach.
      kernels?.fill(sink.sum, with: 0)
      return GradientSink(sink.sum.at(rows: rows), accumulates: true)
    }
    let dv = [try v?.sink(from: tensors), try gathered(earlier?.v)].compactMap(\.self)
    let dq = try q?.sink(from: tensors)
    let dk = [try k?.sink(from: tensors), try gathered(earlier?.k)].compactMap(\.self)
    return (dq, dk, dv)
  }

  // MARK: What forward writes down

  /// Room for what backward reads of the scores; none where the policy has it computed again.
  private func makeKept(
    for pass: AttentionForward, _ wanted: WantedGradients
  ) throws -> AttentionTensors {
    guard !policy.contains(.attention) else { return AttentionTensors() }
    var kept = try makeScored(for: pass)
    guard pass.attention.dropout != nil, let probabilities = kept.probabilities else { return kept }
    kept.mask = try tensors.make("mask", .probabilityMask, probabilities.shape, .uint8)
    // The mask and the probabilities give these back, element by element.
    if wanted.values, !policy.contains(.elementwise) {
      kept.dropped = try tensors.make(
        "dropped_probabilities", .probabilities, probabilities.shape, probabilities.dtype)
    }
    return kept
  }

  /// Room for the probabilities, or the log-sum-exp in their place (`fused`).
  private func makeScored(for pass: AttentionForward) throws -> AttentionTensors {
    let heads = Axis.plain(pass.attention.geometry.heads)
    let (batch, rows) = (pass.q.shape[0], pass.q.shape[1])
    var kept = AttentionTensors()
    switch pass.attention.memory {
    case .materialized:
      let first = pass.blocks.first?.lowerBound ?? 0
      let end = pass.blocks.last?.upperBound ?? 0
      kept.probabilities = try tensors.make(
        "probabilities", .probabilities, Shape(batch, heads, rows, .keys(first..<end)),
        pass.q.dtype)
    case .fused:
      kept.logSumExp = try tensors.make("log_sum_exp", .logSumExp, Shape(batch, heads, rows))
    }
    return kept
  }

  /// The scored tensor made again from q and k, if the policy has it so.
  fileprivate func remadeScores(of pass: AttentionForward) -> Recomputed? {
    // Neither values nor output may stay for this.
    let scored = AttentionForward(scoresOf: pass)
    let again = recomputed(.attention, from: [("q", pass.q)] + pass.k.map { ("k", $0) }) {
      var once = scored
      once.kept = try self.makeScored(for: once)
      try self.run(once)
      return [once.kept.probabilities ?? once.kept.logSumExp].compactMap(\.self)
    }
    return again?[0]
  }
}

/// Which gradients of attention's operands are wanted.
struct WantedGradients {
  let queries: Bool
  /// dk, or dv, of any row.
  let keys: Bool
  let values: Bool

  init(q: GradientSlot?, keys: AttentionKeys) {
    queries = q != nil
    self.keys = keys.k != nil || keys.earlier != nil
    values = keys.v != nil || keys.earlier != nil
  }

  /// Those of the listed ones that are wanted.
  func among(_ gradients: [AttentionGradient]) -> [String] {
    gradients.filter { gradient in
      switch gradient {
      case .dq: queries
      case .dk: keys
      case .dv: values
      }
    }.map(\.rawValue)
  }
}

/// The gradients that attention's backward makes.
enum AttentionGradient: String {
  case dq, dk, dv
}

/// What attention keeps: an operand only if the formula of a wanted gradient reads it.
///
/// |                      | materialized | remade (`recompute: attention`) | fused       |
/// |----------------------|--------------|---------------------------------|-------------|
/// | q                    | dk           | dq dk dv                        | dq dk dv    |
/// | k                    | dq           | dq dk dv                        | dq dk dv    |
/// | v                    | dq dk        | dq dk                           | dq dk       |
/// | probabilities        | dq dk dv (¹) | from q and k (²)                | –           |
/// | mask (dropout)       | dq dk dv (¹) | –                               | –           |
/// | dropped              | dv           | –                               | –           |
/// | output               | –            | –                               | dq dk       |
/// | log-sum-exp          | –            | –                               | dq dk dv (²) |
///
/// (¹) dq dk where the dropped probabilities are kept for dv. (²) Where the policy recomputes
/// attention, what is saved in its place is q and k.
struct AttentionSaves {
  /// The rules above, by operand: the gradients that read it under each way of remembering scores.
  private enum Rule {
    static let all: [AttentionGradient] = [.dq, .dk, .dv]
    static let scores: [AttentionGradient] = [.dq, .dk]
  }

  private let q: SavedTensor?
  private let k: [SavedTensor]
  private let v: [SavedTensor]
  private let probabilities: SavedTensor?
  private let mask: SavedTensor?
  private let dropped: SavedTensor?
  private let output: SavedTensor?
  private let logSumExp: SavedTensor?

  /// Saves what the wanted gradients read of a pass that has run.
  init(of pass: AttentionForward, _ wanted: WantedGradients, on tape: Tape) {
    let isFused = pass.attention.memory == .fused
    let again = tape.remadeScores(of: pass)
    let hasScores = !isFused && again == nil
    func keep(
      _ tensor: Tensor?, _ name: String, for gradients: [AttentionGradient],
      remade: Recomputed? = nil
    ) -> SavedTensor? {
      let names = wanted.among(gradients)
      guard !names.isEmpty else { return nil }
      if let remade { return tape.save(remade, neededFor: names) }
      return tensor.map { tape.save($0, as: name, neededFor: names) }
    }
    let readers = pass.kept.dropped == nil ? Rule.all : Rule.scores
    q = keep(pass.q, "q", for: hasScores ? [.dk] : Rule.all)
    k = pass.k.compactMap { keep($0, "k", for: hasScores ? [.dq] : Rule.all) }
    v = pass.v.compactMap { keep($0, "v", for: Rule.scores) }
    probabilities =
      isFused ? nil : keep(pass.kept.probabilities, "probabilities", for: readers, remade: again)
    mask = keep(pass.kept.mask, "mask", for: readers)
    dropped = keep(pass.kept.dropped, "dropped_probabilities", for: [.dv])
    output = isFused ? keep(pass.output, "output", for: Rule.scores) : nil
    logSumExp =
      isFused ? keep(pass.kept.logSumExp, "log_sum_exp", for: Rule.all, remade: again) : nil
  }

  /// Hands what was kept, or is made again, to backward.
  func restore(into pass: inout AttentionBackward) throws {
    pass.kept.probabilities = try probabilities?.tensor
    pass.kept.mask = try mask?.tensor
    pass.kept.dropped = try dropped?.tensor
    pass.kept.logSumExp = try logSumExp?.tensor
    pass.output = try output?.tensor
    pass.q = try q?.tensor
    pass.k = try k.map { try $0.tensor }
    pass.v = try v.map { try $0.tensor }
  }
}
