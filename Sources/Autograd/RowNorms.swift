import Tensors

/// The norm of each row's part of a weight's gradient, where a parameter's parts ask for it.
///
/// The part of row `t` is its sum over the batch. Products of float32 numbers are summed in double
/// precision, so that a norm is 0 only if every term is.
extension Tape {
  /// For a matrix: `‖Σ_b dy[b, t] x[b, t]ᵀ‖`, without forming it.
  ///
  /// `dy` is `[batch, tokens, out]`, `x` `[batch, tokens, in]`.
  func measureRows(of weight: Weight, dy: Tensor, x: Tensor) {
    enterRows(of: weight, at: dy.shape[1].rows) { row in
      outerNorm(vectors(dy, at: row), vectors(x, at: row))
    }
  }

  /// For a table: `‖Σ_b e[b, t] dy[b, t]ᵀ‖`, where `e` has its 1 at the row's token number.
  ///
  /// Rows with a negative number give nothing.
  func measureRows(of weight: Weight, dy: Tensor, ids: [Int32], stride: Int) {
    enterRows(of: weight, at: dy.shape[1].rows) { row in
      var sums: [Int32: [Double]] = [:]
      for (sequence, vector) in vectors(dy, at: row).enumerated() {
        let id = ids[sequence * stride + row]
        guard id >= 0 else { continue }
        sums[id] =
          sums[id].map { zip($0, vector).map { $0 + Double($1) } } ?? vector.map(Double.init)
      }
      return sums.values.reduce(0) { $0 + squares($1) }.squareRoot()
    }
  }

  /// For a vector: the norm of the sum of what `partials` gives for the row, `[blocks, width]`.
  func measureRows(
    of weight: Weight, at rows: Range<Int>, partials: (Range<Int>) throws -> Tensor
  ) rethrows {
    try enterRows(of: weight, at: rows) { row in
      let partials = try partials(row..<row + 1)
      let values = kernels?.read(partials) ?? []
      let width = partials.extent(1)
      return squares(
        (0..<width).map { column in
          stride(from: column, to: values.count, by: width).reduce(0) { $0 + Double(values[$1]) }
        }
      ).squareRoot()
    }
  }

  private func enterRows(
    of weight: Weight, at rows: Range<Int>, norm: (_ row: Int) throws -> Double
  ) rethrows {
    guard let parts = weight.parameter.parts, parts.measuresRows, kernels != nil else { return }
    for row in rows { parts.enter(try norm(row), row: row, of: weight.role) }
  }

  /// One row of every sequence.
  private func vectors(_ x: Tensor, at row: Int) -> [[Float]] {
    (0..<x.extent(0)).map { sequence in
      kernels?.read(x.sliced(0, sequence..<sequence + 1).at(rows: row..<row + 1)) ?? []
    }
  }
}

/// `‖Σ_b y_b x_bᵀ‖`, from `Σ_{b, b'} (y_b · y_b') (x_b · x_b')`.
///
/// Where these terms cancel to less than double precision carries, from the matrix, row by row.
package func outerNorm(_ y: [[Float]], _ x: [[Float]]) -> Double {
  var (total, magnitude) = (0.0, 0.0)
  for (b, (yb, xb)) in zip(y, x).enumerated() {
    for c in 0...b {
      let term = dot(yb, y[c]) * dot(xb, x[c])
      total += b == c ? term : 2 * term
      magnitude += abs(term)
    }
  }
  guard y.count > 1, total < 1e-6 * magnitude else { return total.squareRoot() }
  return y[0].indices.reduce(0) { sum, out in
    sum
      + squares(
        x[0].indices.map { column in
          zip(y, x).reduce(0) { $0 + Double($1.0[out]) * Double($1.1[column]) }
        })
  }.squareRoot()
}

private func dot(_ a: [Float], _ b: [Float]) -> Double {
  precondition(a.count == b.count)
  return zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}

private func squares(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 } }
