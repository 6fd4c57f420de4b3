package import Ledger

/// A matrix product `c = a · b`, or `c += a · b`, over equal or broadcast leading axes.
///
/// `a` is `[…, m, k]`, `b` is `[…, k, n]`, `c` is `[…, m, n]`; any strides, so a transposed view
/// costs no copy. A leading axis of extent 1 is broadcast. All three have the same rank, 2 to 4.
package struct Product {
  package let a: Tensor
  package let b: Tensor
  package let c: Tensor
  /// Whether the product is added to what `c` holds.
  package let accumulates: Bool

  package init(_ a: Tensor, _ b: Tensor, into c: Tensor, accumulates: Bool = false) {
    let last = c.shape.rank - 1
    precondition(a.shape.rank == c.shape.rank && b.shape.rank == c.shape.rank)
    precondition(a.extent(last - 1) == c.extent(last - 1), "rows of a and c differ")
    precondition(b.extent(last) == c.extent(last), "columns of b and c differ")
    precondition(a.extent(last) == b.extent(last - 1), "inner extents differ")
    self.a = a
    self.b = b
    self.c = c
    self.accumulates = accumulates
  }

  /// Multiplications and additions: `2 · batch · m · n · k`.
  package var flops: Int { 2 * c.count * a.extent(a.shape.rank - 1) }
}

/// What computes on tensors: real kernels, or nothing at all but the same accounting.
///
/// Kernels write into tensors that the caller made; they allocate nothing. Shapes are the caller's
/// duty (`precondition`). Tensors named `[rows…, width]` may be any views whose last axis is
/// contiguous; `dtype` may differ from `float32` where nothing else is said.
package protocol Backend: AnyObject {
  /// The name that results carry: `cpu` or `shape`.
  var name: String { get }
  /// Whether tensors have contents; false where only their bytes are counted.
  var computes: Bool { get }

  /// Takes a block from the arena of `category`; nil when the system has no more.
  func allocate(bytes: Int, for category: Category) -> Allocation?
  /// Gives a block back.
  func deallocate(_ allocation: Allocation)

  /// The scratch bytes that `multiply` wants for this product.
  func workspaceBytes(for product: Product) throws -> Int
  /// Computes a product; `workspace` holds at least `workspaceBytes(for:)` bytes.
  func multiply(_ product: Product, workspace: Tensor?) throws

  /// Sets every element of a tensor whose last axis is contiguous.
  func fill(_ tensor: Tensor, with value: Float)
  /// Writes given values into a contiguous tensor, rounding to its dtype.
  func write(_ values: [Float], to tensor: Tensor)
  /// Reads a tensor whose last axis is contiguous, as float32, row-major; zeros on `shape`.
  func read(_ tensor: Tensor) -> [Float]
  /// `y = x`, converting between dtypes; equal extents, last axes contiguous.
  func copy(_ x: Tensor, to y: Tensor)
  /// `y += x`; equal extents, last axes contiguous.
  func add(_ x: Tensor, to y: Tensor)

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
  /// `x` is `[batch, tokens, width]` or `[batch, heads, tokens, keys]`; the axes' positions say which
  /// element is which. `mask`, of the same shape and uint8, receives 1 and 0.
  func dropout(_ x: Tensor, _ dropout: Dropout, to y: Tensor, mask: Tensor?)
  /// `y = x · mask · scale`; equal shapes; `y` may be `x`. Forward and backward are the same.
  func applyMask(_ mask: Tensor, scale: Float, to x: Tensor, into y: Tensor)

  /// Rotates pairs `(i, i + d_head/2)` of every head by `position · frequencies[i]`, in place.
  ///
  /// `x` is `[batch, tokens, heads, d_head]`; positions come from its token axis. The angle is the
  /// float32 product that Hugging Face's `LlamaRotaryEmbedding` takes. `inverse` turns back, which
  /// is the gradient (Su et al., arXiv 2104.09864, eq. 34).
  func rotate(_ x: Tensor, frequencies: [Float], inverse: Bool)

  /// Turns scores into probabilities, in place: `softmax(scale · s)` over keys ≤ the row's position.
  ///
  /// With a `window`, keys at `position − window` and before are masked too. `scores` is `[batch, heads, tokens, keys]`; later keys in the view become 0; `logSumExp`
  /// `[batch, heads, tokens]` float32, if given, receives `log Σ exp(scale · s)` of each row.
  func causalSoftmax(_ scores: Tensor, scale: Float, window: Int?, logSumExp: Tensor?)
  /// Makes the probabilities again, in place: `P = exp(scale · s − logSumExp)`; 0 for later keys.
  func causalProbabilities(_ scores: Tensor, scale: Float, window: Int?, logSumExp: Tensor)
  /// Turns `dP` into `dS`, in place: `dS = scale · P · (dP − D)`; 0 for later keys.
  ///
  /// `D` is `Σ_keys P · dP`, or `rowDots` `[batch, heads, tokens]` float32 where that is given.
  func causalSoftmaxBackward(
    _ gradient: Tensor, probabilities: Tensor, scale: Float, rowDots: Tensor?)
  /// `dots[b, h, t] = Σ_i x[b, t, h, i] · y[b, t, h, i]`, float32: with `x = dO` and `y = O` the
  /// `D` of `causalSoftmaxBackward` (Dao et al., arXiv 2205.14135, appendix B.4).
  func headDots(_ x: Tensor, _ y: Tensor, to dots: Tensor)

  /// `y = silu(gate) · up` with `silu(g) = g · sigmoid(g)`; equal shapes (arXiv 2002.05202).
  func swiGLU(gate: Tensor, up: Tensor, to y: Tensor)
  /// `dgate = dy · up · σ(g) · (1 + g · (1 − σ(g)))` and `dup = dy · silu(g)`.
  func swiGLUBackward(_ dy: Tensor, gate: Tensor, up: Tensor, dgate: Tensor, dup: Tensor)

  /// The sum of `−log softmax(logits)[label]` over all rows, in the order of rows; 0 on `shape`.
  ///
  /// `logits` is `[batch, rows, vocab]`, `labels` has `batch · rows` entries, `logSumExp` is
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
