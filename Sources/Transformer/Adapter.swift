import Autograd
import Tensors

/// What is added to a linear map: `s · B (A dropout(x))`, A `[r, in]`, B `[out, r]`.
struct Adapter {
  let a: Weight
  let b: Weight
  let scale: Float
  /// The probability that A misses an element of its input (PEFT's `lora_dropout`).
  let dropout: Double
  /// The linear map, by its full name.
  let module: String

  var isTrained: Bool { a.gradient != nil || b.gradient != nil }
}

extension Tape {
  /// `x · Wᵀ + b`, and `s · (dropout(x) · Aᵀ) · Bᵀ` if there is an adapter.
  ///
  /// `hidden` is `s · dropout(x) · Aᵀ` where that is there already.
  func project(
    _ x: Variable, _ projection: Projection, hidden: Variable? = nil, pass: PassOptions,
    op: String, as output: String, into destination: Tensor? = nil, isComputed: Bool = true
  ) throws -> Variable {
    let y = try linear(
      x, projection.weight, bias: projection.bias, op: op, as: output, into: destination,
      isComputed: isComputed)
    guard let adapter = projection.adapter else { return y }
    return try addProduct(
      hidden ?? adapterHidden(x, adapter, pass: pass, op: op), adapter.b, to: y,
      op: "\(op).lora_B", isComputed: isComputed)
  }

  /// `s · dropout(x) · Aᵀ`, `[batch, tokens, r]`.
  ///
  /// The scale stands here, where it costs the fewest products.
  func adapterHidden(
    _ x: Variable, _ adapter: Adapter, pass: PassOptions, op: String
  ) throws -> Variable {
    let dropped = try droppedCopy(
      of: x, pass.dropout(of: adapter), op: "\(op).lora_dropout")
    return try linear(
      dropped, adapter.a, op: "\(op).lora_A", as: "lora", scale: adapter.scale)
  }
}
