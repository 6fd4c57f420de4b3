package import Ledger
package import Tensors

extension Tape {
  /// `y = x / sqrt(mean(x²) + ε) · weight` over the last axis, or over each head of it.
  ///
  /// `x` is `[batch, tokens, width]`, `weight` `[width]`, or `[d_head]` where heads are normed one
  /// by one; `y` goes to `destination` or a new tensor. Saves `x` and the float32 `rstd`
  /// `[batch, tokens]` (`[batch, tokens, heads]`); `rstd`, and `y` for its readers, may be computed
  /// again, unless heads are normed.
  package func rmsNorm(
    _ x: Variable, _ weight: Parameter, epsilon: Float, at module: Module,
    as output: String = "normalized", _ role: TensorRole = .normalized,
    into destination: Tensor? = nil
  ) throws -> Variable {
    try op(.module(module)) {
      let input = x.value
      let shape = input.shape
      let width = weight.value.count
      let forward = { [tensors, kernels] in
        let y = try destination ?? tensors.make(output, role, shape, input.dtype)
        let rstd = try tensors.make(
          "rstd", .normStatistic, self.statisticShape(of: shape, width: width))
        kernels?.rmsNorm(
          self.rows(input, width), weight: weight.value, epsilon: epsilon,
          to: self.rows(y, width), rstd: rstd)
        return [y, rstd]
      }
      let made = try forward()
      let (y, rstd) = (made[0], made[1])
      guard records(x.gradient, weight.gradient) else { return Variable(y) }

      let slot = GradientSlot(output, role, shape: y.shape, dtype: y.dtype)
      let inputSlot = x.gradient
      let gradients = gradientNames(weight.gradient, inputSlot)
      let isWhole = destination == nil && width == shape[2].extent
      let again =
        isWhole
        ? recomputed(.elementwise, from: [("input", input)], results: 2, forward) : nil
      let savedInput = save(input, as: "input", neededFor: gradients)
      let savedRstd = save(rstd, as: "rstd", neededFor: gradients, recomputed: again?[1])
      record { [kernels] in
        guard let dy = slot.take().map({ self.rows($0, width) }) else { return }
        let x = self.rows(try savedInput.tensor, width)
        let rstd = try savedRstd.tensor
        try self.normBackward(x, weight: Weight(weight), input: inputSlot) {
          rows, dx, accumulates, partials in
          kernels?.rmsNormBackward(
            dy.at(rows: rows), x: x.at(rows: rows), rstd: rstd.at(rows: rows),
            weight: weight.value, to: dx, accumulates: accumulates, partials: partials)
        }
      }
      return Variable(y, gradient: slot, recomputed: again?[0])
    }
  }

  /// `y = (x − mean) / sqrt(var + ε) · weight + bias` over the last axis.
  ///
  /// `x` is `[batch, tokens, width]`. Saves `x` and the float32 `mean` and `rstd`
  /// `[batch, tokens]`; these, and `y` for its readers, may be computed again.
  package func layerNorm(
    _ x: Variable, _ weight: Parameter, bias: Parameter, epsilon: Float, at module: Module
  ) throws -> Variable {
    try op(.module(module)) {
      let input = x.value
      let shape = input.shape
      let forward = { [tensors, kernels] in
        let y = try tensors.make("normalized", .normalized, shape, input.dtype)
        let mean = try tensors.make("mean", .normStatistic, Shape(shape[0], shape[1]))
        let rstd = try tensors.make("rstd", .normStatistic, Shape(shape[0], shape[1]))
        kernels?.layerNorm(
          input, weight: weight.value, bias: bias.value, epsilon: epsilon, to: y, mean: mean,
          rstd: rstd)
        return [y, mean, rstd]
      }
      let made = try forward()
      let y = made[0]
      guard records(x.gradient, weight.gradient, bias.gradient) else { return Variable(y) }

      let slot = GradientSlot("normalized", .normalized, shape: shape, dtype: y.dtype)
      let inputSlot = x.gradient
      let gradients = gradientNames(weight.gradient, inputSlot)
      let again = recomputed(.elementwise, from: [("input", input)], results: 3, forward)
      let saved =
        gradients.isEmpty
        ? nil
        : (
          input: save(input, as: "input", neededFor: gradients),
          mean: save(made[1], as: "mean", neededFor: gradients, recomputed: again?[1]),
          rstd: save(made[2], as: "rstd", neededFor: gradients, recomputed: again?[2])
        )
      record { [kernels] in
        guard let dy = slot.take() else { return }
        if let saved {
          let (x, mean, rstd) = try (saved.input.tensor, saved.mean.tensor, saved.rstd.tensor)
          try self.normBackward(x, weight: Weight(weight), input: inputSlot) {
            rows, dx, accumulates, partials in
            kernels?.layerNormBackward(
              dy.at(rows: rows), x: x.at(rows: rows), mean: mean.at(rows: rows),
              rstd: rstd.at(rows: rows), weight: weight.value,
              to: dx, accumulates: accumulates, partials: partials)
          }
        }
        if bias.gradient != nil { try self.addColumnSums(of: dy, to: Weight(bias)) }
      }
      return Variable(y, gradient: slot, recomputed: again?[0])
    }
  }

  // MARK: What both share

  /// Runs a norm's backward kernel with a place for `dx` and for the weight's partial sums: once
  /// for all rows, or once for the rows of each part of the weight's gradient.
  private func normBackward(
    _ x: Tensor, weight: Weight, input: GradientSlot?,
    _ kernel: (_ rows: Range<Int>, _ dx: Tensor?, _ accumulates: Bool, _ partials: Tensor?) -> Void
  ) throws {
    let width = weight.value.count
    let all = x.shape[1].rows
    let pieces = weight.pieces(of: all)
    func room(_ rows: Range<Int>) throws -> Tensor {
      try makePartials(rows: x.at(rows: rows).count / width, width: width)
    }
    let partials = try pieces.map { weight.gradient == nil ? nil : try room($0) }
    if let input {
      try input.accumulate(from: tensors) { dx, accumulates in
        for (piece, partials) in zip(pieces, partials) {
          kernel(piece, rows(dx, width).at(rows: piece), accumulates, partials)
        }
      }
    } else {
      for (piece, partials) in zip(pieces, partials) { kernel(piece, nil, false, partials) }
    }
    for case (let piece, let partials?) in zip(pieces, partials) {
      try weight.accumulate(piece, from: tensors) { _, sum, accumulates in
        kernels?.sumRows(partials, to: sum, accumulates: accumulates)
      }
    }
    try measureRows(of: weight, at: all) { row in
      let partials = try room(row)
      kernel(row, nil, false, partials)
      return partials
    }
  }

  /// `[batch, tokens, width]` as it is, or `[batch, tokens, heads, d_head]` if `width` is a head's.
  private func rows(_ x: Tensor, _ width: Int) -> Tensor {
    x.extent(2) == width ? x : x.splitting(2, inner: width)
  }

  private func statisticShape(of shape: Shape, width: Int) -> Shape {
    shape[2].extent == width
      ? Shape(shape[0], shape[1])
      : Shape(shape[0], shape[1], .plain(shape[2].extent / width))
  }

  private func gradientNames(_ weight: GradientSlot?, _ input: GradientSlot?) -> [String] {
    [weight.map(\.name), input.map { "d\($0.name)" }].compactMap(\.self)
  }
}
