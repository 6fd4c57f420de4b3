package import Ledger
package import Tensors

/// What gathers the gradient of one parameter in parts, by the rows that they come from.
///
/// ```
///   rows 0 ………… n_c−2 │ n_c−1 │ n_c ………… n−1
///   part 0            │ 1     │ 2                each a sum over its rows and the batch
/// ```
///
/// A parameter that has it gathers these sums in place of its gradient, which is their sum. Parts
/// belong to a use of the parameter: of GPT-2's joint matrix W_Q, W_K and W_V each have theirs, and
/// so have the lookup E and the head U of a tied embedding.
package final class GradientParts {
  /// The rows of each part: ranges that follow on one another.
  package let rows: [Range<Int>]
  /// Whether the norm of each single row's part is taken too.
  package let measuresRows: Bool
  private var slots: [ParameterRole: [GradientSlot]] = [:]
  private var norms: [ParameterRole: [Int: Double]] = [:]

  /// Creates empty parts.
  ///
  /// - Parameters:
  ///   - rows: Ranges that follow on one another and cover every row that gives a gradient.
  ///   - measuresRows: Whether to take the norm of each single row's part.
  package init(rows: [Range<Int>], measuresRows: Bool = false) {
    for (range, next) in zip(rows, rows.dropFirst()) {
      precondition(range.upperBound == next.lowerBound, "parts follow on one another")
    }
    self.rows = rows
    self.measuresRows = measuresRows
  }

  /// The sums of one use, by part: `[out, in]` or `[out]`, float32; nil where no row gave anything.
  package func sums(of use: ParameterRole) -> [Tensor?] {
    slots[use]?.map(\.value) ?? rows.map { _ in nil }
  }

  /// The Frobenius norm of the part from a single row; nil where the row gave nothing.
  package func norm(ofRow row: Int, of use: ParameterRole) -> Double? { norms[use]?[row] }

  // MARK: Gathering

  /// The parts of `rows`, those that are empty left out.
  func pieces(of rows: Range<Int>) -> [Range<Int>] {
    let pieces = self.rows.map { $0.clamped(to: rows) }.filter { !$0.isEmpty }
    precondition(
      rows.isEmpty
        || pieces.first?.lowerBound == rows.lowerBound
          && pieces.last?.upperBound == rows.upperBound,
      "a row belongs to no part")
    return pieces
  }

  /// Where the part with these rows gathers.
  func slot(for weight: Weight, rows piece: Range<Int>) -> GradientSlot {
    let own =
      slots[weight.role]
      ?? rows.map { _ in
        GradientSlot(
          weight.symbol, .parameter(weight.role), shape: weight.value.shape, dtype: .float32,
          category: .gradient)
      }
    slots[weight.role] = own
    guard let index = rows.firstIndex(where: { $0.contains(piece.lowerBound) }) else {
      preconditionFailure("a row belongs to no part")
    }
    return own[index]
  }

  /// Enters the norm of one row's part; a step goes through each row of a weight once.
  func enter(_ norm: Double, row: Int, of use: ParameterRole) {
    let earlier = norms[use, default: [:]].updateValue(norm, forKey: row)
    precondition(earlier == nil, "row \(row) gave to \(use.symbol) twice")
  }
}
