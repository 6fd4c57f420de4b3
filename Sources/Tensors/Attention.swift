/// How the width of queries, keys and values divides into heads.
package struct HeadGeometry: Hashable, Sendable {
  package let heads: Int
  package let kvHeads: Int
  package let dHead: Int

  package init(heads: Int, kvHeads: Int, dHead: Int) {
    self.heads = heads
    self.kvHeads = kvHeads
    self.dHead = dHead
  }

  /// Query heads for each KV head.
  package var groupSize: Int { heads / kvHeads }
  /// Scores are divided by `sqrt(d_head)`.
  package var scale: Float { 1 / Float(dHead).squareRoot() }

  /// `[batch, tokens, kvHeads · groupSize · d_head]` → `[batch, kvHeads, tokens, d_head]`, member
  /// `j` of every group.
  package func queries(_ x: Tensor, member j: Int) -> Tensor {
    x.splitting(2, inner: dHead).splitting(2, inner: groupSize).selecting(3, j).transposed(1, 2)
  }

  /// `[batch, tokens, kvHeads · d_head]` → `[batch, kvHeads, tokens, d_head]`.
  package func keys(_ x: Tensor) -> Tensor {
    x.splitting(2, inner: dHead).transposed(1, 2)
  }

  /// `[batch, heads, tokens, keys]` → `[batch, kvHeads, tokens, keys]`, member `j` of every group.
  package func scores(_ x: Tensor, member j: Int) -> Tensor {
    x.splitting(1, inner: groupSize).selecting(2, j)
  }
}

/// Whether the attention core keeps its probabilities.
package enum AttentionMemory: String, CaseIterable, Sendable {
  /// The probabilities of all rows against all keys are saved.
  case materialized
  /// Output and log-sum-exp are saved, and probabilities made again in backward.
  case fused
}

/// Attention of some rows over what they see: `dropout(softmax(q kᵀ / sqrt(d_head))) v`.
///
/// ```
///            keys              forward:  S = q kᵀ      P = softmax(S)     o = P v
///   rows  │ P   P  not made    backward: dP = do vᵀ    dv += Pᵀ do
///         │ P   P   P                    dS = scale · P (dP − D)     D = Σ_keys P · dP = do · o
///                                        dq = dS k     dk += dSᵀ q
/// ```
///
/// This says what is computed. Blocks, tiles, order and scratch are the kernels' own.
package struct Attention: Sendable {
  package let geometry: HeadGeometry
  package let memory: AttentionMemory
  /// The most keys that a row sees, itself included; nil for all.
  package let window: Int?
  /// What is dropped of the probabilities.
  package let dropout: Dropout?
  package let layout: SequenceLayout

  package init(
    _ geometry: HeadGeometry, memory: AttentionMemory, window: Int? = nil, dropout: Dropout? = nil,
    layout: SequenceLayout
  ) {
    self.geometry = geometry
    self.memory = memory
    self.window = window
    self.dropout = dropout
    self.layout = layout
  }

  /// Multiplications and additions of `products` products over what `rows` of `batch` sequences
  /// see.
  ///
  /// Each is `2 · d_head` a head and a pair of row and visible key; what a kernel computes and
  /// masks away is not counted.
  package func flops(rows: Range<Int>, batch: Int, products: Int) -> Int128 {
    layout.visiblePairs(of: rows, window: window)
      * Int128(2 * products * geometry.heads * geometry.dHead) * Int128(batch)
  }
}

/// Keys and values of neighbouring rows, `[batch, rows, kvHeads · d_head]` each: an earlier block,
/// or the rows' own. A prefix that many suffixes share is one block.
package struct KeyBlock {
  package let k: Tensor
  package let v: Tensor

  package init(k: Tensor, v: Tensor) {
    precondition(k.shape[1].rows == v.shape[1].rows, "a block has keys and values of the same rows")
    self.k = k
    self.v = v
  }

  package var rows: Range<Int> { k.shape[1].rows }

  /// The block's part at these rows.
  package func at(rows: Range<Int>) -> KeyBlock {
    KeyBlock(k: k.at(rows: rows), v: v.at(rows: rows))
  }
}

/// One pass forward, and where its results go; nil is what is not wanted.
package struct AttentionForward {
  package let attention: Attention
  /// `[batch, rows, heads · d_head]`.
  package let q: Tensor
  /// The keys of what the rows see, block by block in ascending order.
  package let k: [Tensor]
  /// Their values; empty where only scores are wanted.
  package let v: [Tensor]
  /// `[batch, rows, heads · d_head]`; nil where only scores are wanted.
  package let output: Tensor?
  package var kept = AttentionTensors()

  package init(_ attention: Attention, q: Tensor, blocks: [KeyBlock], output: Tensor) {
    self.attention = attention
    self.q = q
    k = blocks.map(\.k)
    v = blocks.map(\.v)
    self.output = output
  }

  /// The scores of a pass alone: nothing of its values and its output.
  package init(scoresOf pass: AttentionForward) {
    attention = pass.attention
    q = pass.q
    k = pass.k
    v = []
    output = nil
  }

  package var rows: Range<Int> { q.shape[1].rows }
  /// The rows of each block of keys.
  package var blocks: [Range<Int>] { k.map { $0.shape[1].rows } }
}

/// What one pass over the scores writes down for backward; nil is what it does not.
package struct AttentionTensors {
  /// `[batch, heads, rows, keys]`, before dropout.
  package var probabilities: Tensor?
  /// 1 where dropout keeps, uint8.
  package var mask: Tensor?
  /// The probabilities after dropout.
  package var dropped: Tensor?
  /// `[batch, heads, rows]` float32.
  package var logSumExp: Tensor?

  package init() {}
}

/// Where a gradient goes, and whether it is added to what stands there.
package struct GradientSink {
  package let sum: Tensor
  package let accumulates: Bool

  package init(_ sum: Tensor, accumulates: Bool) {
    self.sum = sum
    self.accumulates = accumulates
  }
}

/// One pass backward: what forward kept, and the gradients that are wanted.
package struct AttentionBackward {
  package let attention: Attention
  /// The gradient of the output, `[batch, rows, heads · d_head]`.
  package let dO: Tensor
  package var q: Tensor?
  package var k: [Tensor]
  package var v: [Tensor]
  /// The rows of each block of `k` and `v`.
  package let blocks: [Range<Int>]
  package var output: Tensor?
  package var kept = AttentionTensors()
  package var dq: GradientSink?
  /// Of the keys and values that are no constants, range by range: the rows' own, and gathered
  /// ones.
  package var dk: [GradientSink] = []
  package var dv: [GradientSink] = []

  package init(_ attention: Attention, dO: Tensor, blocks: [Range<Int>]) {
    self.attention = attention
    self.dO = dO
    self.blocks = blocks
    k = []
    v = []
  }

  package var rows: Range<Int> { dO.shape[1].rows }
  /// Whether the gradient of the scores is wanted.
  package var needsScores: Bool { dq != nil || !dk.isEmpty }
}

/// A pass in either direction, as the kernels are asked how much scratch it takes.
package enum AttentionPass {
  case forward(AttentionForward)
  case backward(AttentionBackward)
}
