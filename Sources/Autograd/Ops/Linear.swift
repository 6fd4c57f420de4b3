package import Ledger
package import Tensors

extension Tape {
  /// `y = s · x · Wᵀ + b`.
  ///
  /// `x` is `[batch, tokens, in]`, `weight` `[out, in]`, `bias` `[out]`; `y` `[batch, tokens, out]`
  /// goes to `destination` or a new tensor, of `x`'s dtype unless another is given. Sums are
  /// float32 and rounded once. Saves `x` if the weight is trained, and the weight if `x` needs a
  /// gradient; a bias never needs anything saved. Where the numbers of `y` are not read, or are
  /// there already, they are not computed.
  package func linear(
    _ x: Variable, _ weight: Weight, bias: Weight? = nil, at place: Place, as output: String,
    _ role: TensorRole, into destination: Tensor? = nil, dtype: DType? = nil, scale: Float = 1,
    isComputed: Bool = true
  ) throws -> Variable {
    precondition(scale == 1 || bias == nil, "a scaled product has no bias")
    return try op(place) {
      let width = Axis.plain(weight.value.extent(0))
      let y =
        try destination
        ?? tensors.make(
          output, role, x.value.shape.replacingLast(width), dtype ?? x.value.dtype)
      if isComputed {
        try multiplyRows(x.value, weight.value.transposed(0, 1), bias: bias?.value, into: y)
        if scale != 1 { kernels?.scale(y, by: scale) }
      }
      guard records(x.gradient, weight.gradient, bias?.gradient) else { return Variable(y) }

      let slot = GradientSlot(output, role, shape: y.shape, dtype: y.dtype)
      let operands = ProductOperands(x, weight, on: self)
      record { [tensors] in
        guard var dy = try scale == 1 ? slot.take() : slot.takeUnique(from: tensors) else {
          return
        }
        if scale != 1 { self.kernels?.scale(dy, by: scale) }
        if dy.dtype != weight.value.dtype {
          dy = try self.converted(dy, role, to: weight.value.dtype)
        }
        if let bias, bias.gradient != nil { try self.addColumnSums(of: dy, to: bias) }
        try operands.backward(dy, on: self)
      }
      return Variable(y, gradient: slot)
    }
  }

  /// `y += x · Wᵀ`, in place; nobody may have saved `y` before.
  ///
  /// `x` is `[batch, tokens, in]`, `weight` `[out, in]`, `y` `[batch, tokens, out]`. Saves `x` if
  /// the weight is trained, and the weight if `x` needs a gradient.
  package func addProduct(
    _ x: Variable, _ weight: Weight, to y: Variable, _ role: TensorRole, at place: Place,
    isComputed: Bool = true
  ) throws -> Variable {
    try op(place) {
      if isComputed {
        try multiplyRows(
          x.value, weight.value.transposed(0, 1), into: y.value, accumulates: true)
      }
      guard records(x.gradient, weight.gradient, y.gradient) else { return Variable(y.value) }
      let slot = GradientSlot(
        y.gradient?.name ?? "hidden", y.gradient?.role ?? role, shape: y.value.shape,
        dtype: y.value.dtype)
      let (operands, sumSlot) = (ProductOperands(x, weight, on: self), y.gradient)
      record { [tensors] in
        guard let dy = slot.take() else { return }
        try operands.backward(dy, on: self)
        try sumSlot?.add(dy, from: tensors)
      }
      return Variable(y.value, gradient: slot)
    }
  }

  /// `y = x · w + b`, the sum rounded once: oneDNN rounds a product before a bias could be added.
  private func multiplyRows(_ x: Tensor, _ w: Tensor, bias: Tensor?, into y: Tensor) throws {
    guard let bias else { return try multiplyRows(x, w, into: y) }
    let isRounded = y.dtype != .float32
    let sum = isRounded ? try tensors.make("unrounded", .scratch, y.shape, for: .workspace) : y
    try multiplyRows(x, w, into: sum)
    kernels?.addBias(bias, to: sum)
    if isRounded { kernels?.copy(sum, to: y) }
  }

  /// The same gradient, of a tensor of that role, in another dtype, in workspace.
  func converted(_ x: Tensor, _ role: TensorRole, to dtype: DType) throws -> Tensor {
    let y = try tensors.make(
      "converted", role, x.shape, dtype, for: .workspace, isGradient: true)
    kernels?.copy(x, to: y)
    return y
  }

  /// Adds `Σ_{b, t} dy[b, t, :]` to a bias's gradient, in an order that no thread count changes.
  func addColumnSums(of dy: Tensor, to bias: Weight) throws {
    func partials(_ rows: Range<Int>) throws -> Tensor {
      let dy = dy.at(rows: rows)
      let partials = try makePartials(rows: dy.extent(0) * dy.extent(1), width: dy.extent(2))
      kernels?.partialSums(dy, to: partials)
      return partials
    }
    let rows = dy.shape[1].rows
    try bias.accumulate(rows, from: tensors) { rows, sum, accumulates in
      let partials = try partials(rows)
      kernels?.sumRows(partials, to: sum, accumulates: accumulates)
    }
    try measureRows(of: bias, at: rows, partials: partials)
  }

  /// Room for the sums of row blocks, `[⌈rows / RowBlock.size⌉, width]`.
  func makePartials(rows: Int, width: Int) throws -> Tensor {
    try tensors.make(
      "partial_sums", .scratch, Shape(.plain(RowBlock.count(for: rows)), .plain(width)),
      for: .workspace)
  }

  /// `y[b, t, :] = x[b, t, :] · w` for `w` `[in, out]`.
  func multiplyRows(
    _ x: Tensor, _ w: Tensor, into y: Tensor, accumulates: Bool = false
  ) throws {
    try multiply([rowProduct(x, w, into: y, accumulates: accumulates)])
  }

  /// `y[b, t, :] = x[b, t, :] · w`: a product of matrices where rows are evenly spaced.
  private func rowProduct(
    _ x: Tensor, _ w: Tensor, into y: Tensor, accumulates: Bool
  ) -> Product {
    if let rows = x.merging(0), let result = y.merging(0) {
      Product(rows, w, into: result, accumulates: accumulates)
    } else {
      Product(x, w.addingUnitAxis(), into: y, accumulates: accumulates)
    }
  }

  /// `c = Σ_{b, t} dy[b, t, :]ᵀ · x[b, t, :]`, `[out, in]`: products to be computed one after
  /// another.
  private func columnProducts(
    _ dy: Tensor, _ x: Tensor, into c: Tensor, accumulates: Bool
  ) -> [Product] {
    if let dyRows = dy.merging(0), let xRows = x.merging(0) {
      return [Product(dyRows.transposed(0, 1), xRows, into: c, accumulates: accumulates)]
    }
    return (0..<x.extent(0)).map { sequence in
      Product(
        dy.selecting(0, sequence).transposed(0, 1), x.selecting(0, sequence), into: c,
        accumulates: accumulates || sequence > 0)
    }
  }

  /// The gradients of `y = x · Wᵀ` for `dy` `[batch, tokens, out]`.
  ///
  /// Adds `Σ_{b, t} dy[b, t, :]ᵀ · x[b, t, :]` to the gradient of `weight`, for `x`
  /// `[batch, tokens, in]`, or nil if that is frozen; and gives `dx` `dy · W`, for `values` `W`
  /// `[out, in]`, if anybody asks for it.
  func backward(
    _ dy: Tensor, x: Tensor?, of weight: Weight, values: Tensor?, to dx: GradientSink?
  ) throws {
    // The last product of the weight's gradient runs beside that of `dx`.
    var products: [Product] = []
    if let x {
      try weight.accumulate(dy.shape[1].rows, from: tensors) { rows, sum, accumulates in
        for product in columnProducts(
          dy.at(rows: rows), x.at(rows: rows), into: sum, accumulates: accumulates)
        {
          try multiply(products)
          products = [product]
        }
      }
    }
    if let values, let dx {
      products.append(rowProduct(dy, values, into: dx.sum, accumulates: dx.accumulates))
    }
    try multiply(products)
    if let x { measureRows(of: weight, dy: dy, x: x) }
  }
}

/// What `x · Wᵀ` keeps for backward: `x` `[batch, tokens, in]` if the weight is trained, and the
/// weight `[out, in]` if `x` needs a gradient.
private struct ProductOperands {
  private let input: SavedTensor?
  private let weight: SavedTensor?
  /// Where the gradients gather.
  private let parameter: Weight
  private let inputSlot: GradientSlot?

  init(_ x: Variable, _ weight: Weight, on tape: Tape) {
    (parameter, inputSlot) = (weight, x.gradient)
    input = weight.gradient.map { _ in
      tape.save(x.value, as: "input", neededFor: [weight.symbol], recomputed: x.recomputed)
    }
    self.weight = inputSlot.map {
      tape.save(weight.value, as: "weight", neededFor: ["d\($0.name)"])
    }
  }

  /// `dW += Σ_{b, t} dy[b, t, :]ᵀ · x[b, t, :]`, `dx += dy · W`, for `dy` `[batch, tokens, out]`.
  func backward(_ dy: Tensor, on tape: Tape) throws {
    try tape.backward(
      dy, x: input?.tensor, of: parameter, values: weight?.tensor,
      to: inputSlot?.sink(from: tape.tensors))
  }
}
