/// Ops of elements, and sums.
extension Torch {
  /// An elementwise result, without a graph.
  func elementwise(_ op: String, _ operands: [TorchTensor], dtype: ElementType? = nil)
    -> TorchTensor
  {
    let (shape, strides) = Strides.elementwise(operands.map { ($0.shape, $0.strides) })
    return make(op, shape, dtype ?? operands[0].dtype, strides: strides)
  }

  /// An op of one operand, with what it keeps of operand and result.
  func unary(
    _ op: String, _ x: TorchTensor, node name: String, keepsOperand: Bool = false,
    keepsResult: Bool = false, backward: @escaping (Torch, BackwardCall) -> TorchTensor
  ) -> TorchTensor {
    let node = node(name, [x]) { torch, call in [torch.expression { backward(torch, call) }] }
    if keepsOperand { save(x, as: "self", in: node, for: [0]) }
    let y = elementwise(op, [x])
    attach(y, to: node)
    if keepsResult { save(y, as: "result", in: node, for: [0]) }
    consume(x)
    return y
  }

  /// `a + b`, whose gradients are the same one.
  func add(_ a: TorchTensor, _ b: TorchTensor) -> TorchTensor {
    let node = node("AddBackward0", [a, b]) { _, call in
      [call.wants(0) ? call.gradient : nil, call.wants(1) ? call.gradient : nil]
    }
    let y = elementwise("add", [a, b], dtype: promoted(a, b))
    attach(y, to: node)
    consume(a, b)
    return y
  }

  /// `x + number`.
  func addNumber(_ x: TorchTensor) -> TorchTensor {
    unary("add", x, node: "AddBackward0") { $1.gradient }
  }

  /// `x * number`.
  func scale(_ x: TorchTensor) -> TorchTensor {
    unary("mul", x, node: "MulBackward0") { $0.elementwise("mul", [$1.gradient]) }
  }

  /// `a * b`; backward makes b's gradient first.
  func multiply(_ a: TorchTensor, _ b: TorchTensor) -> TorchTensor {
    let node = node("MulBackward0", [a, b]) { torch, call in
      let second: TorchTensor? =
        call.wants(1)
        ? torch.expression { torch.elementwise("mul", [call.gradient, call.saved(1)]) } : nil
      let first: TorchTensor? =
        call.wants(0)
        ? torch.expression { torch.elementwise("mul", [call.gradient, call.saved(0)]) } : nil
      return [first, second]
    }
    save(b, as: "other", in: node, for: [0])
    save(a, as: "self", in: node, for: [1])
    let y = elementwise("mul", [a, b], dtype: promoted(a, b))
    attach(y, to: node)
    consume(a, b)
    return y
  }

  private func promoted(_ a: TorchTensor, _ b: TorchTensor) -> ElementType {
    if a.dtype == b.dtype || a.shape.isEmpty != b.shape.isEmpty {
      return a.shape.isEmpty && !b.shape.isEmpty ? b.dtype : a.dtype
    }
    return .float32
  }

  func negate(_ x: TorchTensor) -> TorchTensor {
    unary("neg", x, node: "NegBackward0") { $0.elementwise("neg", [$1.gradient]) }
  }

  /// `x.pow(number)`: backward is `grad * (number * x.pow(number - 1))`.
  func power(_ x: TorchTensor) -> TorchTensor {
    unary("pow", x, node: "PowBackward0", keepsOperand: true) { torch, call in
      let power = torch.elementwise("pow", [call.saved(0)])
      let scaled = torch.elementwise("mul", [power])
      return torch.elementwise("mul", [call.gradient, scaled])
    }
  }

  /// Backward is `-0.5 * grad * result.pow(3)`.
  func reciprocalRoot(_ x: TorchTensor) -> TorchTensor {
    unary("rsqrt", x, node: "RsqrtBackward0", keepsResult: true) { torch, call in
      let power = torch.elementwise("pow", [call.saved(0)])
      let half = torch.elementwise("mul", [call.gradient])
      return torch.elementwise("mul", [half, power])
    }
  }

  func tanh(_ x: TorchTensor) -> TorchTensor {
    unary("tanh", x, node: "TanhBackward0", keepsResult: true) {
      $0.elementwise("tanh_backward", [$1.gradient, $1.saved(0)])
    }
  }

  func silu(_ x: TorchTensor) -> TorchTensor {
    unary("silu", x, node: "SiluBackward0", keepsOperand: true) {
      $0.elementwise("silu_backward", [$1.gradient, $1.saved(0)])
    }
  }

  func gelu(_ x: TorchTensor) -> TorchTensor {
    unary("gelu", x, node: "GeluBackward0", keepsOperand: true) {
      $0.elementwise("gelu_backward", [$1.gradient, $1.saved(0)])
    }
  }

  // MARK: Sums

  /// `at::sum_to`: sums over the axes that were broadcast.
  func sum(_ x: TorchTensor, to shape: [Int]) -> TorchTensor {
    let leading = x.shape.count - shape.count
    let kept = x.shape.indices.map { axis in
      axis < leading || (shape[axis - leading] == 1 && x.shape[axis] != 1) ? 1 : x.shape[axis]
    }
    let sum = kept == x.shape ? x : make("sum", kept, x.dtype)
    return leading > 0 ? view(sum, shape) : sum
  }

  /// `x.mean(-1, keepdim=True)`.
  func mean(_ x: TorchTensor) -> TorchTensor {
    let shape = x.shape
    let node = node("MeanBackward1", [x]) { torch, call in
      [torch.expression { torch.elementwise("div", [torch.expand(call.gradient, shape)]) }]
    }
    let y = make("mean", shape.dropLast() + [1], x.dtype)
    attach(y, to: node)
    consume(x)
    return y
  }

  /// `F.softmax(x, dim=-1, dtype=dtype)`.
  func softmax(_ x: TorchTensor, dtype: ElementType? = nil, isLog: Bool = false) -> TorchTensor {
    composite(x) {
      // A GPU's kernel widens float16 as it goes.
      let isFused = device.isCUDA && dtype == .float32 && x.dtype == .float16
      let wide = isFused ? x : to(x, dtype ?? x.dtype)
      let name = isLog ? "LogSoftmaxBackward0" : "SoftmaxBackward0"
      let op = isLog ? "_log_softmax" : "_softmax"
      let node = node(name, [wide]) { torch, call in
        [torch.expression { torch.make("\(op)_backward_data", x.shape, wide.dtype) }]
      }
      let y = make(op, wide.shape, isFused ? .float32 : wide.dtype)
      attach(y, to: node)
      save(y, as: "result", in: node, for: [0])
      return y
    }
  }
}
