package import Ledger
package import Tensors

/// Where the gradient of one variable gathers during backward.
///
/// Contributions are summed in place while nobody else holds the tensor; a gradient that two slots
/// share, as both sides of a residual sum do, is copied before it is written (copy on write).
package final class GradientSlot {
  /// What the gradient is of: `W_Q`, `q`, `hidden` …
  package let name: String
  /// What that is.
  package let role: TensorRole
  package let shape: Shape
  package let dtype: DType
  /// `gradient` for a parameter's, `activation` for any other.
  package let category: Category
  /// The sum so far; nil until the first contribution.
  package private(set) var value: Tensor?

  package init(
    _ name: String, _ role: TensorRole, shape: Shape, dtype: DType,
    category: Category = .activation
  ) {
    self.name = name
    self.role = role
    self.shape = shape
    self.dtype = dtype
    self.category = category
  }

  /// Hands the gradient over and empties the slot; nil if nothing reached it.
  package func take() -> Tensor? {
    let taken = value
    value = nil
    return taken
  }

  /// Hands the gradient over as a tensor that nobody else holds.
  package func takeUnique(from tensors: TensorFactory) throws -> Tensor? {
    try ensureUnique(from: tensors)
    return take()
  }

  /// Adds a gradient that exists already; an empty slot shares it.
  package func add(_ gradient: Tensor, from tensors: TensorFactory) throws {
    if value == nil {
      value = gradient
    } else {
      try accumulate(from: tensors) { sum, _ in tensors.kernels?.add(gradient, to: sum) }
    }
  }

  /// Lets `body` write or add a contribution.
  ///
  /// `body` gets the slot's tensor, and whether it must add to it (`true`) or overwrite it.
  package func accumulate(
    from tensors: TensorFactory, _ body: (_ sum: Tensor, _ accumulates: Bool) throws -> Void
  ) throws {
    let sink = try sink(from: tensors)
    try body(sink.sum, sink.accumulates)
  }

  /// Where the next contribution goes, for a kernel that makes several gradients at once; it must
  /// be written before anybody else looks into the slot.
  func sink(from tensors: TensorFactory) throws -> GradientSink {
    try ensureUnique(from: tensors)
    if let value { return GradientSink(value, accumulates: true) }
    let sum = try make(from: tensors)
    value = sum
    return GradientSink(sum, accumulates: false)
  }

  /// Copies the sum if another slot or step holds it too.
  private func ensureUnique(from tensors: TensorFactory) throws {
    guard value?.isUniquelyReferenced() == false, let shared = value else { return }
    let copy = try make(from: tensors)
    tensors.kernels?.copy(shared, to: copy)
    value = copy
  }

  private func make(from tensors: TensorFactory) throws -> Tensor {
    try tensors.make("d\(name)", role, shape, dtype, for: category, isGradient: true)
  }
}

extension Tape {
  /// Adds, in backward, what a slot has gathered for the rows of another to that one's gradient.
  ///
  /// Both are `[batch, tokens, width]`; the rows of the first contain those of the second. Where
  /// they are the same, the first is emptied.
  package func recordGathered(from gathered: GradientSlot, into slot: GradientSlot) {
    record { [tensors, kernels] in
      let rows = slot.shape[1].rows
      let isAll = gathered.shape[1].rows == rows
      guard let sum = isAll ? gathered.take() : gathered.value else { return }
      try slot.accumulate(from: tensors) { gradient, accumulates in
        if accumulates {
          kernels?.add(sum.at(rows: rows), to: gradient)
        } else {
          kernels?.copy(sum.at(rows: rows), to: gradient)
        }
      }
    }
  }
}
