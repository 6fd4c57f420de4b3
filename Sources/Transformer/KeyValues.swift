import Autograd
import Ledger
package import Tensors

/// The keys and values of one layer: blocks of earlier rows, and last the one that takes the rows'
/// own.
///
/// Rows are written once, where they stay: nothing is concatenated. A prefix that many suffixes
/// share is a block that stands before theirs.
package struct KeyValues {
  /// Ascending.
  let blocks: [KeyBlock]
  /// The gradients of rows that run without a graph first and are replayed later; nil if they are
  /// constants.
  package var gradients: KeyValueGradients?
  /// Whether the rows' own are there, since the rows run again.
  let isWritten: Bool

  init(_ blocks: [KeyBlock], gradients: KeyValueGradients? = nil, isWritten: Bool = false) {
    precondition(!blocks.isEmpty, "a layer has keys and values")
    self.blocks = blocks
    self.gradients = gradients
    self.isWritten = isWritten
  }

  /// Room for the keys and values of these rows of one layer, `shape`
  /// `[batch, tokens, kvHeads · d_head]`.
  init(_ shape: Shape, dtype: DType, layer: Int, tensors: TensorFactory) throws {
    func make(_ name: String, _ role: TensorRole, at module: Module) throws -> Tensor {
      try tensors.ledger.perform(Scope(Op(.module(module)), layer: layer)) {
        try tensors.make(name, role, shape, dtype)
      }
    }
    self.init([
      KeyBlock(k: try make("k", .key, at: .key), v: try make("v", .value, at: .value))
    ])
  }

  /// The keys of all blocks and their values, as tensors with names.
  package var tensors: [(name: String, tensor: Tensor)] {
    blocks.flatMap { [("k", $0.k), ("v", $0.v)] }
  }

  /// The same keys and values in the order of `tensors`.
  init(tensors: [Tensor], gradients: KeyValueGradients?, isWritten: Bool) {
    self.init(
      stride(from: 0, to: tensors.count, by: 2).map {
        KeyBlock(k: tensors[$0], v: tensors[$0 + 1])
      }, gradients: gradients, isWritten: isWritten)
  }

  /// The same with room for the keys and values of rows `shape` `[batch, tokens, width]` that have
  /// none yet.
  func withRoom(
    for shape: Shape, dtype: DType, layer: Int, tensors: TensorFactory
  ) throws -> KeyValues {
    if let last = blocks.last, last.rows.contains(shape[1].rows.lowerBound) { return self }
    let own = try KeyValues(shape, dtype: dtype, layer: layer, tensors: tensors)
    return KeyValues(blocks + own.blocks, gradients: gradients)
  }

  /// The same for rows that run again.
  package var written: KeyValues { KeyValues(blocks, gradients: gradients, isWritten: true) }

  /// Where the rows' own keys and values go.
  func own(_ rows: Range<Int>) -> KeyBlock { blocks[blocks.count - 1].at(rows: rows) }

  /// What rows up to `end` may see.
  func before(_ end: Int) -> [KeyBlock] {
    blocks.filter { $0.rows.lowerBound < end }.map {
      $0.at(rows: $0.rows.lowerBound..<min($0.rows.upperBound, end))
    }
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
    k = GradientSlot("k", .key, shape: shape, dtype: dtype)
    v = GradientSlot("v", .value, shape: shape, dtype: dtype)
    self.rows = rows
  }

  /// Whether later rows have given these some.
  func hasGathered(for other: Range<Int>) -> Bool {
    rows.upperBound >= other.upperBound && (k.value != nil || v.value != nil)
  }

  /// The slots of the rows before `row`; nil if there are none.
  func before(_ row: Int) -> EarlierKeys? {
    let earlier = rows.lowerBound..<min(row, rows.upperBound)
    return earlier.isEmpty ? nil : EarlierKeys(k: k, v: v, rows: earlier)
  }
}

extension KeyValueGradients? {
  /// Adds what later rows gather for these to their gradient.
  ///
  /// `x` is `[batch, tokens, width]`, the keys or values of these rows: in a replay, which begins
  /// with what was gathered, or in their own pass, whose backward comes after that of later rows.
  func inject(
    _ side: KeyPath<KeyValueGradients, GradientSlot>, into x: Variable, on tape: Tape
  ) throws -> Variable {
    let rows = x.value.shape[1].rows
    guard let slot = self?[keyPath: side], slot.shape[1].rows.upperBound >= rows.upperBound,
      let gradient = x.gradient
    else { return x }
    guard let sum = slot.value else {
      tape.recordGathered(from: slot, into: gradient)
      return x
    }
    try gradient.accumulate(from: tape.tensors) { gradient, _ in
      tape.kernels?.copy(sum.at(rows: rows), to: gradient)
    }
    return x
  }
}
