package import Ledger
package import Tensors

/// A weight as an op sees it: all of a parameter, or a part of it.
///
/// GPT-2 keeps W_Q, W_K and W_V in one `Conv1D` matrix `[in, 3 · out]`; each op takes its columns
/// and adds its gradient to the same columns of the parameter's.
package struct Weight {
  package let parameter: Parameter
  /// What this use of it is: of a joint matrix q's part, of a tied embedding the head.
  package let role: ParameterRole
  private let part: Part

  private enum Part {
    case whole
    /// Columns of an `[in, out]` matrix, seen as `[out, in]`.
    case columns(Range<Int>)
    /// Rows of an `[out, in]` matrix.
    case rows(Range<Int>)
    /// Entries of a vector.
    case entries(Range<Int>)
  }

  /// All of a parameter: a vector, or a matrix `[out, in]`.
  ///
  /// `module` is whose use of it this is, if not the parameter's own: the head of a tied embedding.
  package init(_ parameter: Parameter, of module: Module? = nil) {
    self.parameter = parameter
    role = Self.role(parameter, module)
    part = .whole
  }

  /// Columns `range` of an `[in, out]` matrix, or entries `range` of a vector.
  package init(_ parameter: Parameter, part range: Range<Int>, of module: Module? = nil) {
    self.parameter = parameter
    role = Self.role(parameter, module)
    part = parameter.value.shape.rank == 1 ? .entries(range) : .columns(range)
  }

  /// Rows `range` of an `[out, in]` matrix.
  package init(_ parameter: Parameter, rows range: Range<Int>, of module: Module? = nil) {
    self.parameter = parameter
    role = Self.role(parameter, module)
    part = range == 0..<parameter.value.extent(0) ? .whole : .rows(range)
  }

  private static func role(_ parameter: Parameter, _ module: Module?) -> ParameterRole {
    module.map { ParameterRole($0, parameter.role.kind) } ?? parameter.role
  }

  /// The formula's name: `W_Q`, `b_Q`, `norm` …
  package var symbol: String { role.symbol }

  /// The values: `[out, in]`, or `[out]`.
  package var value: Tensor { view(parameter.value) }
  /// Where the parameter's gradient gathers; nil if it is frozen.
  package var gradient: GradientSlot? { parameter.gradient }

  private func view(_ whole: Tensor) -> Tensor {
    switch part {
    case .whole: whole
    case .columns(let range): whole.sliced(1, range).transposed(0, 1)
    case .rows(let range), .entries(let range): whole.sliced(0, range)
    }
  }

  /// Lets `body` write or add what `rows` give to the gradient: the one way into it.
  ///
  /// `body` gets the rows, the sum that they belong to, and whether it must add to it (`true`) or
  /// overwrite it. It is called once with all rows, or, where the parameter gathers parts, once for
  /// each part that has some of them.
  func accumulate(
    _ rows: Range<Int>, from tensors: TensorFactory,
    _ body: (_ rows: Range<Int>, _ sum: Tensor, _ accumulates: Bool) throws -> Void
  ) throws {
    guard let parts = parameter.parts else {
      return try accumulate(from: tensors) { try body(rows, $0, $1) }
    }
    for piece in parts.pieces(of: rows) {
      try parts.slot(for: self, rows: piece).accumulate(from: tensors) { try body(piece, $0, $1) }
    }
  }

  /// The rows of each call of `accumulate`'s body.
  func pieces(of rows: Range<Int>) -> [Range<Int>] { parameter.parts?.pieces(of: rows) ?? [rows] }

  private func accumulate(
    from tensors: TensorFactory, _ body: (_ sum: Tensor, _ accumulates: Bool) throws -> Void
  ) throws {
    try gradient?.accumulate(from: tensors) { whole, accumulates in
      let sum = view(whole)
      let isPart = sum.count < whole.count
      if isPart && !accumulates { tensors.kernels?.fill(whole, with: 0) }
      try body(sum, accumulates || isPart)
    }
  }
}
