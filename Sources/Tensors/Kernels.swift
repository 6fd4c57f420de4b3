/// What computes on tensors.
///
/// Kernels write into tensors that the caller made; they allocate nothing. Shapes are the caller's
/// duty (`precondition`). Tensors named `[rows…, width]` may be any views whose last axis is
/// contiguous; `dtype` may differ from `float32` where nothing else is said.
package protocol Kernels: AnyObject {
  /// Computes products, in any order or at the same time: each writes a tensor that no other reads
  /// or writes. `workspace` holds at least `Memory.workspaceBytes(for:)` bytes.
  func multiply(_ products: [Product], workspace: Tensor?) throws

  /// Sets every element of a tensor whose last axis is contiguous.
  func fill(_ tensor: Tensor, with value: Float)
  /// Draws normal numbers of this deviation: the sums of four uniform ones of 16 bits each, a
  /// function of the stream and the element's row-major index alone.
  func draw(_ tensor: Tensor, from random: CounterRandom, deviation: Float)
  /// Writes given values into a contiguous tensor, rounding to its dtype.
  func write(_ values: [Float], to tensor: Tensor)
  /// Reads a tensor whose last axis is contiguous, as float32, row-major.
  func read(_ tensor: Tensor) -> [Float]
  /// Whether every value of a tensor whose last axis is contiguous is a number, and not infinite.
  func isFinite(_ tensor: Tensor) -> Bool
  /// `y = x`, converting between dtypes; equal extents, last axes contiguous.
  func copy(_ x: Tensor, to y: Tensor)
  /// `y += x`; equal extents, last axes contiguous.
  func add(_ x: Tensor, to y: Tensor)
  /// `x *= factor`; the last axis contiguous.
  func scale(_ x: Tensor, by factor: Float)

  /// `y[b, t, :] = table[ids[b · stride + t], :]`, for `y` `[batch, tokens, width]`.
  ///
  /// `ids` holds `batch · stride` entries; column `t` is the absolute position of the row.
  func gatherRows(of table: Tensor, ids: [Int32], idStride: Int, to y: Tensor)
  /// `table[ids[b · stride + t], :] += dy[b, t, :]`, in an order that no thread count changes.
  ///
  /// Rows with a negative id are left out.
  func scatterAddRows(_ dy: Tensor, ids: [Int32], idStride: Int, to table: Tensor)

  /// `y = x · rstd · weight` with `rstd = 1 / sqrt(mean(x²) + eps)` over the last axis.
  ///
  /// `x`, `y` are `[batch, tokens, width]`, `weight` `[width]`, `rstd` `[batch, tokens]` float32
  /// (Zhang and Sennrich, arXiv 1910.07467, eq. 4).
  func rmsNorm(_ x: Tensor, weight: Tensor, epsilon: Float, to y: Tensor, rstd: Tensor)
  /// The gradients of `rmsNorm`.
  ///
  /// With `g = dy · weight` and `x̂ = x · rstd`: `dx = rstd · (g − x̂ · mean(g · x̂))`, added to
  /// what `dx` holds if `accumulates`. `partials` is nil for a frozen weight, else float32
  /// `[⌈rows / RowBlock.size⌉, width]`: row block `i` writes its sum of `dy · x̂` into row `i`.
  func rmsNormBackward(
    _ dy: Tensor, x: Tensor, rstd: Tensor, weight: Tensor, to dx: Tensor?, accumulates: Bool,
    partials: Tensor?)
  /// `y[j] = Σ_i x[i, j]` in the order of `i`, added to what `y` holds if `accumulates`.
  func sumRows(_ x: Tensor, to y: Tensor, accumulates: Bool)

  /// `y = (x − mean) · rstd · weight + bias` over the last axis, with the biased variance.
  ///
  /// `x`, `y` are `[batch, tokens, width]`, `weight`, `bias` `[width]`, `mean`, `rstd` `[batch,
  /// tokens]` float32 (Ba et al., arXiv 1607.06450).
  func layerNorm(
    _ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Float, to y: Tensor, mean: Tensor,
    rstd: Tensor)
  /// The gradients of `layerNorm`.
  ///
  /// With `g = dy · weight` and `x̂ = (x − mean) · rstd`: `dx = rstd · (g − mean(g) − x̂ · mean(g ·
  /// x̂))`. `partials` as in `rmsNormBackward`; that of the bias is `partialSums` of `dy`.
  func layerNormBackward(
    _ dy: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor, to dx: Tensor?,
    accumulates: Bool, partials: Tensor?)
  /// `y[…, j] += bias[j]`; `bias` `[width]`.
  func addBias(_ bias: Tensor, to y: Tensor)
  /// Row block `i` of `x` `[batch, tokens, width]` writes its sum over rows into row `i` of
  /// `partials`, float32 `[⌈rows / RowBlock.size⌉, width]`.
  func partialSums(_ x: Tensor, to partials: Tensor)

  /// `y = gelu(x)`; equal shapes.
  func gelu(_ x: Tensor, form: GELU, to y: Tensor)
  /// `dx = dy · gelu′(x)`; equal shapes; `dx` may be `dy`.
  func geluBackward(_ dy: Tensor, x: Tensor, form: GELU, to dx: Tensor)

  /// `y = x · scale` where `dropout` keeps an element, else 0; `y` may be `x`.
  ///
  /// `x` is `[batch, tokens, width]` or `[batch, heads, tokens, keys]`; the axes' positions say
  /// which element is which. `mask`, of the same shape and uint8, receives 1 and 0.
  func dropout(_ x: Tensor, _ dropout: Dropout, to y: Tensor, mask: Tensor?)
  /// `y = x · mask · scale`; equal shapes; `y` may be `x`. Forward and backward are the same.
  func applyMask(_ mask: Tensor, scale: Float, to x: Tensor, into y: Tensor)

  /// Rotates pairs `(i, i + d_head/2)` of every head by `position · frequencies[i]`, in place, and
  /// multiplies them by the rotation's factor.
  ///
  /// `x` is `[batch, tokens, heads, d_head]`; its first token stands at position `first`, the next
  /// one at the next. The angle is the float32 product that Hugging Face's `LlamaRotaryEmbedding`
  /// takes. The gradient turns back and is multiplied too (Su et al., arXiv 2104.09864, eq. 34).
  func rotate(_ x: Tensor, first: Int, by rotation: HeadRotation, isGradient: Bool)

  /// Attention of some rows over the keys that they see.
  ///
  /// `tiles` holds `Memory.tileBytes(for:)` bytes; `scratchpad` gives as many bytes as a product
  /// asks for, again and again the same ones.
  func attention(
    _ pass: AttentionForward, tiles: Tensor?, scratchpad: (Int) throws -> Tensor?) throws
  /// The gradients of `attention`, as far as they are wanted.
  func attentionBackward(
    _ pass: AttentionBackward, tiles: Tensor?, scratchpad: (Int) throws -> Tensor?) throws

  /// `y = silu(gate) · up` with `silu(g) = g · sigmoid(g)`; equal shapes (arXiv 2002.05202).
  func swiGLU(gate: Tensor, up: Tensor, to y: Tensor)
  /// `dgate = dy · up · σ(g) · (1 + g · (1 − σ(g)))` and `dup = dy · silu(g)`.
  func swiGLUBackward(_ dy: Tensor, gate: Tensor, up: Tensor, dgate: Tensor, dup: Tensor)

  /// The sum of `−log softmax(logits)[label]` over all rows, in the order of rows.
  ///
  /// `logits` is `[batch, rows, vocab]`, `labels` has `batch · rows` entries, −1 where a row
  /// carries no loss, `logSumExp` is
  /// `[batch, rows]` float32 and keeps what backward needs.
  func crossEntropy(_ logits: Tensor, labels: [Int32], logSumExp: Tensor) -> Double
  /// Turns logits into their gradient, in place: `(softmax(logits) − onehot) / rows`.
  ///
  /// `rows` is the number of rows that the mean loss is over, of which these may be a few.
  func crossEntropyBackward(_ logits: Tensor, labels: [Int32], logSumExp: Tensor, rows: Int)
}

/// How many rows share one partial sum: fixed, so that no thread count changes a result.
package enum RowBlock {
  package static let size = 64

  /// The number of blocks that cover `rows`.
  package static func count(for rows: Int) -> Int { (rows + size - 1) / size }
}

/// The two forms of GELU (Hendrycks and Gimpel, arXiv 1606.08415).
package enum GELU: Hashable, Sendable {
  /// `x · Φ(x)`.
  case exact
  /// `x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`.
  case tanh
}
