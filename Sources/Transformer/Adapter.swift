import Autograd
import Ledger
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
    at module: Module, as output: String, _ role: TensorRole, into destination: Tensor? = nil,
    isComputed: Bool = true
  ) throws -> Variable {
    let y = try linear(
      x, projection.weight, bias: projection.bias, at: .module(module), as: output, role,
      into: destination, isComputed: isComputed)
    guard let adapter = projection.adapter else { return y }
    return try addProduct(
      hidden ?? adapterHidden(x, adapter, pass: pass, on: module), adapter.b, to: y, role,
      at: .adapter(.b, on: module), isComputed: isComputed)
  }

  /// `s · dropout(x) · Aᵀ`, `[batch, tokens, r]`.
  ///
  /// The scale stands here, where it costs the fewest products.
  func adapterHidden(
    _ x: Variable, _ adapter: Adapter, pass: PassOptions, on module: Module
  ) throws -> Variable {
    let dropped = try droppedCopy(of: x, pass.dropout(of: adapter), on: module)
    return try linear(
      dropped, adapter.a, at: .adapter(.a, on: module), as: "lora", .adapterHidden,
      scale: adapter.scale)
  }
}
