package import Autograd
package import Ledger
package import Tensors

/// The constants of a rotation, `[1, T, D]`, which all layers share.
package struct PyTorchRotation {
  package let cos: Tensor
  package let sin: Tensor

  package init(cos: Tensor, sin: Tensor) { (self.cos, self.sin) = (cos, sin) }
}

/// A head-wise operand of attention, `[B, heads, tokens, D]` as PyTorch sees it.
package struct PyTorchHeads {
  package var x: Variable
  /// Queries, keys or values, repeated or not.
  package let role: TensorRole
  package let heads: Int
  package let tokens: Int
  /// Whether it is a part of a wider tensor, as gpt2's q, k and v are, or one head seen as many.
  package var isPart = false

  package init(
    x: Variable, _ role: TensorRole, heads: Int, tokens: Int, isPart: Bool = false
  ) {
    (self.x, self.role, self.heads, self.tokens) = (x, role, heads, tokens)
    self.isPart = isPart
  }
}

/// Attention of Hugging Face's models: `eager_attention_forward` and
/// `scaled_dot_product_attention`; the table stands in `PyTorchOps.swift`.
extension Tape {
  /// `x · cos + rotate_half(x) · sin`: keeps cos and sin, as `[1, 1, T, D]`.
  package func pytorchRotate(
    _ op: Op, _ x: Variable, as role: TensorRole, _ rotation: PyTorchRotation
  ) throws -> Variable {
    let (shape, dtype) = (x.value.shape, x.value.dtype)
    let extents = rotation.cos.shape.extents
    let view = [1, 1, extents[1], extents[2]]
    func product(_ x: Variable, _ factor: Tensor) throws -> Variable {
      try pytorch(
        op, as: "rotated", role, shape, dtype, from: [x],
        keeping: [PyTorchSave("MulBackward0.other", factor, view, for: x.gradient)])
    }
    let direct = try product(x, rotation.cos)
    let half = try pytorch(op, as: "rotate_half", role, shape, dtype, from: [x])
    return try pytorchAdd(op, direct, product(half, rotation.sin), as: role)
  }

  /// `DynamicCache.update`: earlier keys or values and these, in a new tensor.
  package func pytorchConcatenate(
    _ op: Op, _ earlier: Tensor?, _ x: PyTorchHeads
  ) throws -> PyTorchHeads {
    let shape = x.x.value.shape
    let own = shape[1].rows
    let all = (earlier?.shape[1].start ?? own.lowerBound)..<own.upperBound
    let y = try pytorch(
      op, as: "states", x.role, Shape(shape[0], .tokens(all), shape[2]), x.x.value.dtype,
      from: [x.x])
    return PyTorchHeads(x: y, x.role, heads: x.heads, tokens: all.count)
  }

  /// `repeat_kv`: every key head copied for each query head that it serves; a single one is only
  /// seen so many times.
  package func pytorchRepeat(_ op: Op, _ x: PyTorchHeads, to heads: Int) throws
    -> PyTorchHeads
  {
    guard x.heads < heads else { return x }
    if x.heads == 1 {
      return PyTorchHeads(x: x.x, x.role, heads: heads, tokens: x.tokens, isPart: true)
    }
    let shape = x.x.value.shape
    let width = shape[2].extent * (heads / x.heads)
    let y = try pytorch(
      op, as: "repeated", .repeatedKeyValue, Shape(shape[0], shape[1], .plain(width)),
      x.x.value.dtype,
      from: [x.x])
    return PyTorchHeads(x: y, .repeatedKeyValue, heads: heads, tokens: x.tokens)
  }

  /// What `matmul` makes of `[B, H, …]` before it calls `bmm`: a view `[B·H, …]`, or a copy where
  /// the two axes of a part do not lie evenly.
  private func flattened(_ op: Op, _ x: PyTorchHeads, dHead: Int) throws -> Variable {
    let shape = x.x.value.shape
    guard x.isPart, shape[0].extent > 1, x.heads > 1 else { return x.x }
    return try pytorch(
      op, as: "copy", x.role, Shape(shape[0], shape[1], .plain(x.heads * dHead)), x.x.value.dtype,
      from: [x.x])
  }

  /// `softmax(scale · q kᵀ + mask) v`, op by op: `[B, T, H · D]`.
  ///
  /// Probabilities are float32, but for gpt2, which leaves them in the model's dtype.
  package func pytorchEagerAttention(
    _ op: Op, q: PyTorchHeads, k: PyTorchHeads, v: PyTorchHeads, dHead: Int,
    probabilities: DType
  ) throws -> Variable {
    let (batch, dtype) = (q.x.value.shape[0], q.x.value.dtype)
    let rows = q.x.value.shape[1]
    let flat = batch.extent * q.heads
    let scoreShape = Shape(
      batch, .plain(q.heads), rows, .keys(k.x.value.shape[1].rows))
    let query = try flattened(op, q, dHead: dHead)
    let key = try flattened(op, k, dHead: dHead)
    let scores = try pytorch(
      op, as: "scores", .scores, scoreShape, dtype, from: [query, key],
      work: 2 * Int128(scoreShape.count) * Int128(dHead),
      keeping: [
        PyTorchSave("BmmBackward0.mat2", key.value, [flat, dHead, k.tokens], for: query.gradient),
        PyTorchSave("BmmBackward0.self", query.value, [flat, q.tokens, dHead], for: key.gradient),
      ])
    let scaled = try pytorch(op, as: "scores", .scores, scoreShape, dtype, from: [scores])
    let masked = try pytorch(
      op, as: "scores", .scores, scoreShape, dtype, from: [scaled], passes: true)
    let softmax = try pytorch(
      op, as: "probabilities", .probabilities, scoreShape, probabilities, from: [masked],
      keeping: [
        PyTorchSave("SoftmaxBackward0.result", nil, scoreShape.extents, for: masked.gradient)
      ])
    let factor = try pytorchCast(op, softmax, .probabilities, to: dtype)
    let value = try flattened(op, v, dHead: dHead)
    let shape = Shape(batch, rows, .plain(q.heads * dHead))
    let heads = try pytorch(
      op, as: "attention", .attentionOutput, shape, dtype, from: [factor, value],
      work: 2 * Int128(scoreShape.count) * Int128(dHead),
      keeping: [
        PyTorchSave(
          "BmmBackward0.mat2", value.value, [flat, v.tokens, dHead], for: factor.gradient),
        PyTorchSave(
          "BmmBackward0.self", factor.value, [flat, q.tokens, k.tokens], for: value.gradient),
      ])
    return try pytorch(op, as: "attention", .attentionOutput, shape, dtype, from: [heads])
  }

  /// The flash kernel of a CPU: `[B, T, H · D]`. All operands are kept, constants too.
  ///
  /// A mask is made from the boolean one in the model's dtype, `[B, 1, T, S]`, anew in every layer.
  package func pytorchFlashAttention(
    _ op: Op, q: PyTorchHeads, k: PyTorchHeads, v: PyTorchHeads, dHead: Int,
    isMasked: Bool
  ) throws -> Variable {
    try self.op(op) {
      let (batch, rows) = (q.x.value.shape[0], q.x.value.shape[1])
      let dtype = q.x.value.dtype
      let slots = (q.x.gradient, k.x.gradient, v.x.gradient)
      func kept(_ name: String, _ tensor: Tensor?, _ view: [Int]) -> PyTorchSave {
        PyTorchSave(
          "ScaledDotProductFlashAttentionForCpuBackward0.\(name)", tensor, view,
          for: slots.0, slots.1, slots.2)
      }
      func view(_ x: PyTorchHeads) -> [Int] { [batch.extent, x.heads, x.tokens, dHead] }
      let mask =
        isMasked
        ? try tensors.make(
          "mask", .attentionMask,
          Shape(batch, .plain(1), rows, .keys(k.x.value.shape[1].rows)), dtype) : nil
      let statistic = Shape(batch, .plain(q.heads), rows)
      let logSumExp = try tensors.make("logsumexp", .logSumExp, statistic, .float32)
      // q kᵀ and P v; backward makes q kᵀ again, and dP, dv, dq, dk.
      let pairs = Int128(isMasked ? q.tokens * k.tokens : q.tokens * (q.tokens + 1) / 2)
      let work = 2 * Int128(batch.extent * q.heads * dHead) * pairs
      count(2 * work)
      if isRecording, slots.0 != nil || slots.1 != nil || slots.2 != nil {
        record { self.count(5 * work) }
      }
      return try pytorch(
        op, as: "attention", .attentionOutput, Shape(batch, rows, .plain(q.heads * dHead)), dtype,
        from: [q.x, k.x, v.x],
        keeping: (mask.map { [kept("attn_mask", $0, $0.shape.extents)] } ?? []) + [
          kept("key", k.x.value, view(k)), kept("query", q.x.value, view(q)),
          kept("value", v.x.value, view(v)), kept("logsumexp", logSumExp, statistic.extents),
          kept("output", nil, view(q)),
        ])
    }
  }
}
