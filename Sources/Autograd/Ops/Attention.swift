import Ledger
import Tensors

/// How the width of queries, keys and values divides into heads.
package struct HeadGeometry: Sendable {
  package let heads: Int
  package let kvHeads: Int
  package let dHead: Int

  package init(heads: Int, kvHeads: Int, dHead: Int) {
    self.heads = heads
    self.kvHeads = kvHeads
    self.dHead = dHead
  }

  /// Query heads for each KV head.
  var groupSize: Int { heads / kvHeads }
  /// Scores are divided by `sqrt(d_head)`.
  var scale: Float { 1 / Float(dHead).squareRoot() }

  /// `[batch, tokens, kvHeads · groupSize · d_head]` → `[batch, kvHeads, tokens, d_head]`, member
  /// `j` of every group.
  func queries(_ x: Tensor, member j: Int) -> Tensor {
    x.splitting(2, inner: dHead).splitting(2, inner: groupSize).selecting(3, j).transposed(1, 2)
  }

  /// `[batch, tokens, kvHeads · d_head]` → `[batch, kvHeads, tokens, d_head]`.
  func keys(_ x: Tensor) -> Tensor {
    x.splitting(2, inner: dHead).transposed(1, 2)
  }

  /// `[batch, heads, tokens, keys]` → `[batch, kvHeads, tokens, keys]`, member `j` of every group.
  func scores(_ x: Tensor, member j: Int) -> Tensor {
    x.splitting(1, inner: groupSize).selecting(2, j)
  }
}

/// Whether the attention core keeps its probabilities.
package enum AttentionMemory: Sendable {
  /// The probabilities of all rows against all keys are saved.
  case materialized
  /// Output and log-sum-exp are saved, and probabilities made again in backward.
  case fused
}

/// Causal attention with grouped KV heads, in blocks of query rows.
///
/// A block of rows meets only the keys up to its own last row, so that about half of the products
/// are never made. Scores of one block live in a tile: a part of the saved probabilities, or
/// workspace of `block · keys · heads` elements.
///
/// ```
///            keys 0 … n-1
///   rows  ┌────┬────┬────┐      forward:  S = q kᵀ      P = softmax(S)     o = P v
///   block │ P  │  not    │      backward: dP = do vᵀ    dv += Pᵀ do
///   block │ P  │ P  │made│                dS = scale · P (dP − D)
///   block │ P  │ P  │ P  │                dq = dS k     dk += dSᵀ q
///         └────┴────┴────┘
/// ```
struct CausalAttention {
  let tape: Tape
  let geometry: HeadGeometry

  /// Query rows of one block: the tile should stay in the cache, the products large.
  static let blockRows = 256

  /// The blocks of the query rows of `q`, as positions.
  static func blocks(of positions: Range<Int>) -> [Range<Int>] {
    stride(from: positions.lowerBound, to: positions.upperBound, by: blockRows).map {
      $0..<min($0 + blockRows, positions.upperBound)
    }
  }

  /// A tile for the scores of one block, `[batch, heads, rows, keys]`.
  func makeTile(batch: Axis, rows: Range<Int>, dtype: DType) throws -> Tensor {
    try tape.tensors.make(
      "attention_tile",
      Shape(
        batch, .plain(geometry.heads),
        .tokens(rows.lowerBound..<min(rows.upperBound, rows.lowerBound + Self.blockRows)),
        .keys(0..<rows.upperBound)),
      dtype, for: .workspace)
  }

  /// The part of a tile that `block` needs, with the block's own positions.
  func part(of tile: Tensor, block: Range<Int>) -> Tensor {
    tile.sliced(2, 0..<block.count).sliced(3, 0..<block.upperBound)
      .shifted(axis: 2, to: block.lowerBound)
  }

  /// `S = q kᵀ` of one block into `scores`.
  func scores(_ q: Tensor, _ k: Tensor, block: Range<Int>, into scores: Tensor) throws {
    let keys = geometry.keys(k.at(positions: 0..<block.upperBound)).transposed(2, 3)
    for j in 0..<geometry.groupSize {
      try tape.multiply(
        geometry.queries(q.at(positions: block), member: j), keys,
        into: geometry.scores(scores, member: j))
    }
  }

  /// `o = P v` of one block.
  func output(_ probabilities: Tensor, _ v: Tensor, block: Range<Int>, into o: Tensor) throws {
    let values = geometry.keys(v.at(positions: 0..<block.upperBound))
    for j in 0..<geometry.groupSize {
      try tape.multiply(
        geometry.scores(probabilities, member: j), values,
        into: geometry.queries(o.at(positions: block), member: j))
    }
  }

  /// `d[key] (+)= Σ_rows left[row, key] · right[row]` of one block: dv from P and do, dk from dS
  /// and q.
  func addToKeys(
    _ left: Tensor, _ right: Tensor, block: Range<Int>, into sum: Tensor, accumulates: Bool
  ) throws {
    let positions = sum.shape[1].positions.clamped(to: 0..<block.upperBound)
    guard !positions.isEmpty else { return }
    let columns = left.at(positions: positions, axis: 3)
    for j in 0..<geometry.groupSize {
      try tape.multiply(
        geometry.scores(columns, member: j).transposed(2, 3),
        geometry.queries(right.at(positions: block), member: j),
        into: geometry.keys(sum.at(positions: positions)),
        accumulates: accumulates || j > 0)
    }
  }
}

extension Tape {
  /// Causal attention: `softmax(q kᵀ / sqrt(d_head)) v`, `[batch, tokens, heads · d_head]`.
  ///
  /// `q` is `[batch, tokens, heads · d_head]`, `k` and `v` are `[batch, keys 0…, kvHeads · d_head]`;
  /// their slots cover the recorded keys alone, and rows before those are constants.
  package func attention(
    q: Variable, k: Variable, v: Variable, geometry: HeadGeometry, memory: AttentionMemory
  ) throws -> Variable {
    try op("attention") {
      let core = CausalAttention(tape: self, geometry: geometry)
      let shape = q.value.shape
      let rows = shape[1].positions
      let blocks = CausalAttention.blocks(of: rows)
      let isRecorded = records(q.gradient, k.gradient, v.gradient)
      let o = try tensors.make("attention_output", shape, q.value.dtype)

      let heads = Axis.plain(geometry.heads)
      let probabilities =
        isRecorded && memory == .materialized
        ? try tensors.make(
          "probabilities", Shape(shape[0], heads, shape[1], .keys(0..<rows.upperBound)),
          q.value.dtype) : nil
      let logSumExp =
        isRecorded && memory == .fused
        ? try tensors.make("log_sum_exp", Shape(shape[0], heads, shape[1])) : nil
      let tile =
        try probabilities
        ?? core.makeTile(batch: shape[0], rows: rows, dtype: q.value.dtype)
      for block in blocks {
        let part =
          probabilities?.at(positions: block, axis: 2).sliced(3, 0..<block.upperBound)
          ?? core.part(of: tile, block: block)
        try core.scores(q.value, k.value, block: block, into: part)
        backend.causalSoftmax(
          part, scale: geometry.scale, logSumExp: logSumExp?.at(positions: block, axis: 2))
        try core.output(part, v.value, block: block, into: o)
      }
      guard isRecorded else { return Variable(o) }

      let slot = GradientSlot("attention_output", shape: shape, dtype: o.dtype)
      let saved = AttentionSaves(
        q: save(q.value, as: "q", neededFor: probabilities == nil ? ["dq", "dk", "dv"] : ["dk"]),
        k: save(k.value, as: "k", neededFor: probabilities == nil ? ["dq", "dk", "dv"] : ["dq"]),
        v: save(v.value, as: "v", neededFor: ["dq", "dk"]),
        probabilities: probabilities.map {
          save($0, as: "probabilities", neededFor: ["dq", "dk", "dv"])
        },
        output: logSumExp.map { _ in save(o, as: "output", neededFor: ["dq", "dk"]) },
        logSumExp: logSumExp.map { save($0, as: "log_sum_exp", neededFor: ["dq", "dk", "dv"]) })
      let slots = (q: q.gradient, k: k.gradient, v: v.gradient)
      record {
        guard let dO = slot.take() else { return }
        try core.backward(dO, saved: saved, slots: slots, blocks: blocks)
      }
      return Variable(o, gradient: slot)
    }
  }
}

/// What attention keeps: `probabilities` if materialized, else `output` and `logSumExp`.
private struct AttentionSaves {
  let q: SavedTensor
  let k: SavedTensor
  let v: SavedTensor
  let probabilities: SavedTensor?
  let output: SavedTensor?
  let logSumExp: SavedTensor?
}

extension CausalAttention {
  /// Adds dq, dk and dv to their slots, block by block from the last, which meets every key.
  fileprivate func backward(
    _ dO: Tensor, saved: AttentionSaves,
    slots: (q: GradientSlot?, k: GradientSlot?, v: GradientSlot?), blocks: [Range<Int>]
  ) throws {
    let tensors = tape.tensors
    let rows = dO.shape[1].positions
    let tile = try makeTile(batch: dO.shape[0], rows: rows, dtype: dO.dtype)
    let remade =
      saved.probabilities == nil
      ? try makeTile(batch: dO.shape[0], rows: rows, dtype: dO.dtype) : nil
    let rowDots = try saved.output.map { output in
      let dots = try tensors.make(
        "row_dots", Shape(dO.shape[0], .plain(geometry.heads), dO.shape[1]), for: .workspace)
      tape.backend.headDots(
        dO.splitting(2, inner: geometry.dHead),
        output.tensor.splitting(2, inner: geometry.dHead), to: dots)
      return dots
    }

    for (index, block) in blocks.enumerated().reversed() {
      let probabilities = try probabilities(saved, remade: remade, block: block)
      let isFirst = index == blocks.count - 1
      func accumulate(
        _ slot: GradientSlot?, _ body: (Tensor, Bool) throws -> Void
      ) throws {
        try slot?.accumulate(from: tensors) { sum, accumulates in
          try body(sum, accumulates || !isFirst)
        }
      }
      try accumulate(slots.v) {
        try addToKeys(probabilities, dO, block: block, into: $0, accumulates: $1)
      }
      let gradient = part(of: tile, block: block)
      try scores(dO, saved.v.tensor, block: block, into: gradient)
      tape.backend.causalSoftmaxBackward(
        gradient, probabilities: probabilities, scale: geometry.scale,
        rowDots: rowDots?.at(positions: block, axis: 2))
      try slots.q?.accumulate(from: tensors) { sum, _ in
        try output(gradient, saved.k.tensor, block: block, into: sum)
      }
      try accumulate(slots.k) {
        try addToKeys(gradient, saved.q.tensor, block: block, into: $0, accumulates: $1)
      }
    }
  }

  /// The probabilities of one block: a part of what was saved, or made again from q and k.
  private func probabilities(
    _ saved: AttentionSaves, remade: Tensor?, block: Range<Int>
  ) throws -> Tensor {
    if let all = saved.probabilities?.tensor {
      return all.at(positions: block, axis: 2).sliced(3, 0..<block.upperBound)
    }
    guard let remade, let logSumExp = saved.logSumExp?.tensor else {
      preconditionFailure("fused attention saves its log-sum-exp")
    }
    let part = part(of: remade, block: block)
    try scores(saved.q.tensor, saved.k.tensor, block: block, into: part)
    tape.backend.causalProbabilities(
      part, scale: geometry.scale, logSumExp: logSumExp.at(positions: block, axis: 2))
    return part
  }
}
