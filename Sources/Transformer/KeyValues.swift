import Autograd
import Ledger
package import Tensors

/// The keys and values of one layer, `[batch, tokens, kvHeads · d_head]` each.
///
/// Rows are written once, where they stay: nothing is concatenated.
package struct KeyValues {
  package let k: Tensor
  package let v: Tensor
  /// The gradients of rows that run without a graph first and are replayed later; nil if they are
  /// constants.
  package var gradients: KeyValueGradients?
}

extension KeyValues {
  /// Room for the keys and values of these rows of one layer, `shape` `[batch, tokens, kvHeads · d_head]`.
  init(_ shape: Shape, dtype: DType, layer: Int, tensors: TensorFactory) throws {
    let outer = tensors.ledger.scope
    defer { tensors.ledger.scope = outer }
    tensors.ledger.scope = Scope(op: "k_proj", layer: layer)
    k = try tensors.make("k", shape, dtype)
    tensors.ledger.scope = Scope(op: "v_proj", layer: layer)
    v = try tensors.make("v", shape, dtype)
  }
}

/// dK and dV of one layer's rows `0..<cut`, gathered from all rows that attend to them.
package final class KeyValueGradients {
  let k: GradientSlot
  let v: GradientSlot
  /// The rows that gather.
  let rows: Range<Int>

  package init(batch: Int, rows: Range<Int>, width: Int, dtype: DType) {
    let shape = Shape(.plain(batch), .tokens(rows), .plain(width))
    k = GradientSlot("k", shape: shape, dtype: dtype)
    v = GradientSlot("v", shape: shape, dtype: dtype)
    self.rows = rows
  }

  /// The slots of the rows before `position`; nil if there are none.
  func before(_ position: Int) -> EarlierKeys? {
    let earlier = rows.lowerBound..<min(position, rows.upperBound)
    return earlier.isEmpty ? nil : EarlierKeys(k: k, v: v, rows: earlier)
  }
}

extension KeyValueGradients? {
  /// Starts the gradient of replayed rows with what later rows have gathered for them.
  ///
  /// `x` is `[batch, tokens, width]`, the keys or values of these rows in the replay.
  func inject(
    _ side: KeyPath<KeyValueGradients, GradientSlot>, into x: Variable, on tape: Tape
  ) throws -> Variable {
    let rows = x.value.shape[1].positions
    guard let gathered = self, gathered.rows.upperBound >= rows.upperBound,
      let sum = gathered[keyPath: side].value
    else { return x }
    try x.gradient?.accumulate(from: tape.tensors) { gradient, _ in
      tape.backend.copy(sum.at(positions: rows), to: gradient)
    }
    return x
  }
}
