package import Autograd
package import Ledger
package import Tensors

/// What an op of PyTorch keeps of an operand or a result, if one of the gradients is wanted.
package struct PyTorchSave {
  /// The autograd node and its own name for it, `MmBackward0.self`.
  package let name: String
  /// Nil for the op's result.
  package let tensor: Tensor?
  /// The extents that the op sees.
  package let view: [Int]
  /// The gradients whose formulas read it.
  package let gradients: [GradientSlot]

  /// Kept for the gradients that are wanted; for none, not at all.
  package init(_ name: String, _ tensor: Tensor?, _ view: [Int], for gradients: GradientSlot?...) {
    (self.name, self.tensor, self.view) = (name, tensor, view)
    self.gradients = gradients.compactMap(\.self)
  }
}

/// PyTorch's ops as its autograd sees them: what they make, and what they keep for which gradient.
///
/// Nothing is computed. `B` sequences, `T` rows, `S` keys, `W` the model's width, `H` query heads
/// of width `D`, `V` words; torch 2.13 on a CPU (`derivatives.yaml`), which
/// `scripts/compare-pytorch` holds it against. `docs/pytorch.md` quotes the table.
///
/// | op | result | keeps | for the gradient of |
/// |---|---|---|---|
/// | `embedding` | `[B, T, W]` | indices, int64 | table |
/// | `linear` | `[B, T, out]` | input as `[B·T, in]`; weight | weight; input |
/// | `rmsNorm` | as input | float32 input, rsqrt `[…, 1]` (float32) | input |
/// | | | normalised input, in the model's dtype | weight |
/// | `layerNorm` | as input | input; mean and rstd `[B, T, 1]` in the model's dtype | any |
/// | `rotate` | as input | cos, sin `[1, 1, T, D]` | input |
/// | `cat`, `repeat_kv`, `add`, views, casts, `· number`, `+ mask` | | nothing | |
/// | `scores` (bmm) | `[B, H, T, S]` | k as `[B·H, D, S]`; q as `[B·H, T, D]` | q; k |
/// | `softmax` | `[B, H, T, S]` | result, float32 (gpt2: the model's dtype) | scores |
/// | `weighted` (bmm) | `[B, H, T, D]` | v as `[B·H, S, D]`; probabilities in v's dtype | p; v |
/// | `sdpa` | `[B, H, T, D]` | mask, k, q, v, log-sum-exp `[B, H, T]`, result | any of q, k, v |
/// | `dropout` | as input | what it multiplies by, of the input's type | input |
/// | `silu`, `gelu` | as input | input | input |
/// | `gelu_new` | as input | input; tanh; both factors of the last product | input |
/// | `mul` | as input | each factor | the other |
/// | `cross_entropy` | `[]` | log-softmax `[B·T, V]`, float32; labels, int64; `[]` | logits |
extension Tape {
  /// Makes an op's result, keeps what it keeps, and leaves a backward that makes its inputs'
  /// gradients.
  ///
  /// A result of which the op `passes` the gradient on, as a sum does, shares it with its inputs.
  /// A matrix product has `work` multiplications and additions, and as many for the gradient of
  /// each of its two factors, the first inputs.
  package func pytorch(
    _ op: Op, as output: String, _ role: TensorRole, _ shape: Shape, _ dtype: DType,
    from inputs: [Variable], passes: Bool = false, work: Int128 = 0,
    keeping saves: [PyTorchSave] = []
  ) throws -> Variable {
    try self.op(op) {
      let y = try tensors.make(output, role, shape, dtype)
      count(work)
      return pytorch(y, as: output, role, from: inputs, passes: passes, work: work, keeping: saves)
    }
  }

  /// The same for a result that is there already: a view of an input.
  package func pytorch(
    _ y: Tensor, as output: String, _ role: TensorRole, from inputs: [Variable], passes: Bool,
    work: Int128 = 0, keeping saves: [PyTorchSave] = []
  ) -> Variable {
    let slots = inputs.compactMap(\.gradient)
    let products = inputs.prefix(2).count { $0.gradient != nil }
    guard isRecording, !slots.isEmpty else { return Variable(y) }
    let slot = GradientSlot(output, role, shape: y.shape, dtype: y.dtype)
    let kept = saves.filter { !$0.gradients.isEmpty }.map { each in
      save(
        each.tensor ?? y, view: each.view, as: each.name,
        neededFor: each.gradients.map { $0.category == .gradient ? $0.name : "d\($0.name)" })
    }
    record { [tensors] in
      guard let dy = slot.take() else { return }
      self.count(work * Int128(products))
      try withExtendedLifetime(kept) {
        for slot in slots {
          if passes {
            try slot.add(dy, from: tensors)
          } else {
            try slot.accumulate(from: tensors) { _, _ in }
          }
        }
      }
    }
    return Variable(y, gradient: slot)
  }

  /// A parameter as an operand.
  private func operand(_ parameter: Parameter) -> Variable {
    Variable(parameter.value, gradient: parameter.gradient)
  }

  // MARK: Tables, products, norms

  /// `F.embedding`: rows `indices` of a table.
  ///
  /// Where the table is the head's weight too, the head's gradient of it has waited for this one,
  /// and both stand beside their sum for a moment.
  package func pytorchEmbedding(
    _ op: Op, _ table: Parameter, indices: Tensor, view: [Int], _ shape: Shape,
    _ dtype: DType, addsToHead: Bool = false
  ) throws -> Variable {
    func hold(_ names: [String]) {
      guard addsToHead, isRecording, table.gradient != nil else { return }
      self.op(op) {
        record { [tensors] in
          let parts = try names.map {
            try tensors.make(
              $0, .parameter(table.role), table.value.shape, table.value.dtype, isGradient: true)
          }
          withExtendedLifetime(parts) {}
        }
      }
    }
    // Backward comes to the last of these first: the embedding's gradient beside that of its
    // output, then both parts beside their sum.
    hold(["head_gradient", "embedding_gradient"])
    let x = try pytorch(
      op, as: "hidden", .hidden, shape, dtype, from: [operand(table)],
      keeping: [PyTorchSave("EmbeddingBackward0.indices", indices, view, for: table.gradient)])
    hold(["embedding_gradient"])
    return x
  }

  /// `nn.Linear` of `[B, T, in]`, or gpt2's `Conv1D`: `mm` over all rows, `addmm` with a bias.
  package func pytorchLinear(
    _ op: Op, _ x: Variable, _ weight: Parameter, bias: Parameter?, width: Int,
    as role: TensorRole
  ) throws -> Variable {
    let shape = x.value.shape
    let rows = shape[0].extent * shape[1].extent
    let (node, left) = bias == nil ? ("MmBackward0", "self") : ("AddmmBackward0", "mat1")
    return try pytorch(
      op, as: "hidden", role, Shape(shape[0], shape[1], .plain(width)), x.value.dtype,
      from: [x, operand(weight)] + (bias.map { [operand($0)] } ?? []),
      work: 2 * Int128(x.value.count) * Int128(width),
      keeping: [
        PyTorchSave(
          "\(node).\(left)", x.value, [rows, x.value.count / max(rows, 1)], for: weight.gradient),
        PyTorchSave("\(node).mat2", weight.value, weight.value.shape.extents, for: x.gradient),
      ])
  }

  /// Hugging Face's RMSNorm over the last axis: `w · (x₃₂ · rsqrt(mean(x₃₂²) + ε))`, op by op.
  ///
  /// Its input has a role, and so does its result.
  package func pytorchRMSNorm(
    _ op: Op, _ x: Variable, _ weight: Parameter, of input: TensorRole, as result: TensorRole
  ) throws -> Variable {
    let shape = x.value.shape
    let statistic = shape.replacingLast(.plain(1))
    let wide = try pytorchCast(op, x, input, to: .float32)
    let variance = try pytorch(
      op, as: "variance", .normStatistic, statistic, .float32, from: [wide],
      keeping: [PyTorchSave("PowBackward0.self", wide.value, shape.extents, for: wide.gradient)])
    let rstd = try pytorch(
      op, as: "rstd", .normStatistic, statistic, .float32, from: [variance],
      keeping: [
        PyTorchSave("RsqrtBackward0.result", nil, statistic.extents, for: variance.gradient)
      ])
    let normed = try pytorch(
      op, as: "normalized", .normalized, shape, .float32, from: [wide, rstd],
      keeping: [
        PyTorchSave("MulBackward0.other", rstd.value, statistic.extents, for: wide.gradient),
        PyTorchSave("MulBackward0.self", wide.value, shape.extents, for: rstd.gradient),
      ])
    let narrow = try pytorchCast(op, normed, .normalized, to: x.value.dtype)
    return try pytorch(
      op, as: "hidden", result, shape, x.value.dtype, from: [narrow, operand(weight)],
      keeping: [
        PyTorchSave("MulBackward0.other", narrow.value, shape.extents, for: weight.gradient),
        PyTorchSave(
          "MulBackward0.self", weight.value, weight.value.shape.extents, for: narrow.gradient),
      ])
  }

  /// `nn.LayerNorm` of `[B, T, W]`; statistics are in the model's dtype on a CPU.
  package func pytorchLayerNorm(
    _ op: Op, _ x: Variable, _ weight: Parameter, bias: Parameter
  ) throws -> Variable {
    try self.op(op) {
      let shape = x.value.shape
      let statistic = shape.replacingLast(.plain(1))
      let mean = try tensors.make("mean", .normStatistic, statistic, x.value.dtype)
      let rstd = try tensors.make("rstd", .normStatistic, statistic, x.value.dtype)
      func kept(_ name: String, _ tensor: Tensor) -> PyTorchSave {
        PyTorchSave(
          "NativeLayerNormBackward0.\(name)", tensor, tensor.shape.extents,
          for: x.gradient, weight.gradient, bias.gradient)
      }
      return try pytorch(
        op, as: "hidden", .normalized, shape, x.value.dtype,
        from: [x, operand(weight), operand(bias)],
        keeping: [
          kept("input", x.value), kept("weight", weight.value), kept("result1", mean),
          kept("result2", rstd),
        ])
    }
  }

  /// `x.to(dtype)`: nothing where that is its dtype already.
  package func pytorchCast(
    _ op: Op, _ x: Variable, _ role: TensorRole, to dtype: DType
  ) throws -> Variable {
    guard x.value.dtype != dtype else { return x }
    return try pytorch(
      op, as: "\(dtype.rawValue) copy", role, x.value.shape, dtype, from: [x])
  }

  // MARK: Elementwise

  /// `F.dropout` in training: `x · noise`, noise 0 or `1 / (1 − p)`.
  package func pytorchDropout(_ op: Op, _ x: Variable) throws -> Variable {
    let shape = x.value.shape
    let noise = try self.op(op) { try tensors.make("noise", .dropoutMask, shape, x.value.dtype) }
    return try pytorch(
      op, as: "dropped", .adapterInput, shape, x.value.dtype, from: [x],
      keeping: [PyTorchSave("MulBackward0.other", noise, shape.extents, for: x.gradient)])
  }

  /// `a + b`: keeps nothing.
  package func pytorchAdd(
    _ op: Op, _ a: Variable, _ b: Variable, as role: TensorRole
  ) throws -> Variable {
    try pytorch(op, as: "hidden", role, a.value.shape, a.value.dtype, from: [a, b], passes: true)
  }

  /// `a · b`: each factor for the other's gradient.
  package func pytorchMultiply(_ op: Op, _ a: Variable, _ b: Variable) throws -> Variable {
    let view = a.value.shape.extents
    return try pytorch(
      op, as: "product", .inner, a.value.shape, a.value.dtype, from: [a, b],
      keeping: [
        PyTorchSave("MulBackward0.other", b.value, view, for: a.gradient),
        PyTorchSave("MulBackward0.self", a.value, view, for: b.gradient),
      ])
  }

  /// `F.silu`, `F.gelu`: the input.
  package func pytorchActivation(_ op: Op, _ x: Variable, node: String) throws -> Variable {
    try pytorch(
      op, as: "activated", .inner, x.value.shape, x.value.dtype, from: [x],
      keeping: [PyTorchSave("\(node).self", x.value, x.value.shape.extents, for: x.gradient)])
  }

  /// `gelu_new`, written out: `0.5 · x · (1 + tanh(c · (x + 0.044715 · x³)))`.
  package func pytorchNewGELU(_ op: Op, _ x: Variable) throws -> Variable {
    let (shape, dtype) = (x.value.shape, x.value.dtype)
    func scaled(_ x: Variable) throws -> Variable {
      try pytorch(op, as: "scaled", .inner, shape, dtype, from: [x])
    }
    let half = try scaled(x)
    let cube = try pytorch(
      op, as: "cube", .inner, shape, dtype, from: [x],
      keeping: [PyTorchSave("PowBackward0.self", x.value, shape.extents, for: x.gradient)])
    let inner = try scaled(pytorchAdd(op, x, scaled(cube), as: .inner))
    let tanh = try pytorch(
      op, as: "tanh", .inner, shape, dtype, from: [inner],
      keeping: [PyTorchSave("TanhBackward0.result", nil, shape.extents, for: inner.gradient)])
    return try pytorchMultiply(op, half, scaled(tanh))
  }
}
