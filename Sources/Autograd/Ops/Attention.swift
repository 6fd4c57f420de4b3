import Ledger
package import Tensors

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

/// Everything that decides what an attention core computes and saves.
package struct AttentionOptions: Sendable {
  package let geometry: HeadGeometry
  package let memory: AttentionMemory
  /// The most keys that a row sees, itself included; nil for all.
  package let window: Int?
  /// What is dropped of the probabilities.
  package let dropout: Dropout?

  package init(
    geometry: HeadGeometry, memory: AttentionMemory, window: Int? = nil, dropout: Dropout? = nil
  ) {
    self.geometry = geometry
    self.memory = memory
    self.window = window
    self.dropout = dropout
  }
}

/// Causal attention with grouped KV heads, in blocks of query rows.
///
/// A block of rows meets only the keys up to its own last row, so that about half of the products
/// are never made. Keys may start after position 0, where rows see a window of them alone. Scores of one block live in a tile: a part of the saved probabilities, or
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
  let options: AttentionOptions
  /// Positions of the queries.
  let rows: Range<Int>
  /// Keys that a tile has room for.
  let capacity: Range<Int>
  var geometry: HeadGeometry { options.geometry }

  /// Query rows of one block: the tile should stay in the cache, the products large.
  static let blockRows = 256

  /// The blocks of the query rows, as positions.
  var blocks: [Range<Int>] {
    stride(from: rows.lowerBound, to: rows.upperBound, by: Self.blockRows).map {
      $0..<min($0 + Self.blockRows, rows.upperBound)
    }
  }

  /// A tile for the scores of any one block of `rows`, `[batch, heads, rows, keys]`.
  func makeTile(
    batch: Axis, rows: Range<Int>, keys: Range<Int>, dtype: DType
  ) throws -> Tensor {
    try tape.tensors.make(
      "attention_tile",
      Shape(
        batch, .plain(geometry.heads),
        .tokens(rows.lowerBound..<min(rows.upperBound, rows.lowerBound + Self.blockRows)),
        .keys(keys)),
      dtype, for: .workspace)
  }

  /// The part of a tile that `block` needs, with the block's own positions.
  func part(of tile: Tensor, block: Range<Int>) -> Tensor {
    seen(tile, by: block).sliced(2, 0..<block.count).shifted(axis: 2, to: block.lowerBound)
  }

  /// The part of a tensor over all rows and keys that `block` needs.
  func part(ofAll tensor: Tensor, block: Range<Int>) -> Tensor {
    seen(tensor, by: block).at(positions: block, axis: 2)
  }

  /// The keys that some row of `block` may see, of a tile or of probabilities.
  private func seen(_ tensor: Tensor, by block: Range<Int>) -> Tensor {
    tensor.at(positions: tensor.shape[3].start..<block.upperBound, axis: 3)
  }

  /// The keys or values that some row of `block` may see, `[batch, kvHeads, keys, d_head]`.
  private func seenKeys(_ k: Tensor, by block: Range<Int>) -> Tensor {
    geometry.keys(k.at(positions: k.shape[1].start..<block.upperBound))
  }

  /// `S = q kᵀ` of one block into `scores`.
  func scores(_ q: Tensor, _ k: Tensor, block: Range<Int>, into scores: Tensor) throws {
    let keys = seenKeys(k, by: block).transposed(2, 3)
    for j in 0..<geometry.groupSize {
      try tape.multiply(
        geometry.queries(q.at(positions: block), member: j), keys,
        into: geometry.scores(scores, member: j))
    }
  }

  /// `o = P v` of one block.
  func output(_ probabilities: Tensor, _ v: Tensor, block: Range<Int>, into o: Tensor) throws {
    let values = seenKeys(v, by: block)
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
    let keys = left.shape[3].positions
    let positions = sum.shape[1].positions.clamped(to: keys)
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
