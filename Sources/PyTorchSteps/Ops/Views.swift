/// Ops whose results lie on their operands' memory, unless that cannot be.
extension Torch {
  /// Enters a view, whose gradient is another one.
  private func viewed(
    _ x: TorchTensor, _ shape: [Int], _ strides: [Int], node name: String,
    backward: @escaping (Torch, TorchTensor) -> TorchTensor
  ) -> TorchTensor {
    let node = node(name, [x]) { torch, call in
      [torch.expression { backward(torch, call.gradient) }]
    }
    let y = alias(x, shape, strides)
    attach(y, to: node)
    consume(x)
    return y
  }

  func view(_ x: TorchTensor, _ shape: [Int], node: String = "ViewBackward0") -> TorchTensor {
    guard let strides = Strides.view(x.shape, x.strides, as: shape) else {
      preconditionFailure("\(x.shape) cannot be seen as \(shape)")
    }
    let old = x.shape
    return viewed(x, shape, strides, node: node) { $0.reshape($1, old) }
  }

  func reshape(_ x: TorchTensor, _ shape: [Int]) -> TorchTensor {
    if Strides.view(x.shape, x.strides, as: shape) != nil { return view(x, shape) }
    return composite(x) {
      view(clone(x, isContiguous: true), shape, node: "UnsafeViewBackward0")
    }
  }

  func transpose(_ x: TorchTensor, _ a: Int, _ b: Int) -> TorchTensor {
    var (shape, strides) = (x.shape, x.strides)
    shape.swapAt(a, b)
    strides.swapAt(a, b)
    return viewed(x, shape, strides, node: "TransposeBackward0") { $0.transpose($1, a, b) }
  }

  /// `x.t()` of a matrix.
  func t(_ x: TorchTensor) -> TorchTensor {
    viewed(x, x.shape.reversed(), x.strides.reversed(), node: "TBackward0") { $0.t($1) }
  }

  func unsqueeze(_ x: TorchTensor, _ axis: Int) -> TorchTensor {
    var (shape, strides) = (x.shape, x.strides)
    strides.insert(axis < shape.count ? shape[axis] * strides[axis] : 1, at: axis)
    shape.insert(1, at: axis)
    return viewed(x, shape, strides, node: "UnsqueezeBackward0") { $0.squeeze($1, axis) }
  }

  func squeeze(_ x: TorchTensor, _ axis: Int) -> TorchTensor {
    var (shape, strides) = (x.shape, x.strides)
    shape.remove(at: axis)
    strides.remove(at: axis)
    return viewed(x, shape, strides, node: "SqueezeBackward1") { $0.unsqueeze($1, axis) }
  }

  func expand(_ x: TorchTensor, _ shape: [Int]) -> TorchTensor {
    let added = shape.count - x.shape.count
    let old = x.shape
    let strides = shape.indices.map { axis in
      guard axis >= added, !(old[axis - added] == 1 && shape[axis] != 1) else { return 0 }
      return x.strides[axis - added]
    }
    return viewed(x, shape, strides, node: "ExpandBackward0") { $0.sum($1, to: old) }
  }

  /// `x[..., start:end]` of an axis.
  func slice(_ x: TorchTensor, _ axis: Int, _ range: Range<Int>) -> TorchTensor {
    var shape = x.shape
    let old = shape
    shape[axis] = range.count
    return viewed(x, shape, x.strides, node: "SliceBackward0") { torch, gradient in
      torch.make("slice_backward", old, gradient.dtype)
    }
  }

  /// A part of an axis in backward, where nothing is recorded.
  func narrow(_ x: TorchTensor, _ axis: Int, _ range: Range<Int>) -> TorchTensor {
    var shape = x.shape
    shape[axis] = range.count
    return alias(x, shape, x.strides)
  }

  /// `x.split(size, dim)`: equal parts of an axis.
  func split(_ x: TorchTensor, _ axis: Int, into count: Int) -> [TorchTensor] {
    let old = x.shape
    let size = old[axis] / count
    let node = node("SplitBackward0", [x]) { torch, call in
      [torch.expression { torch.make("cat", old, call.node.results[0].dtype) }]
    }
    let parts = (0..<count).map { _ in
      var shape = old
      shape[axis] = size
      let part = alias(x, shape, x.strides)
      attach(part, to: node)
      return part
    }
    consume(x)
    return parts
  }

  // MARK: Copies

  /// `x.clone()`, or `x.contiguous()` where that copies.
  func clone(_ x: TorchTensor, isContiguous: Bool) -> TorchTensor {
    let node = node("CloneBackward0", [x]) { _, call in [call.gradient] }
    let strides =
      isContiguous ? nil : Strides.elementwise([(x.shape, x.strides)]).strides
    let y = make("clone", x.shape, x.dtype, strides: strides)
    attach(y, to: node)
    consume(x)
    return y
  }

  func contiguous(_ x: TorchTensor) -> TorchTensor {
    x.isContiguous ? x : clone(x, isContiguous: true)
  }

  /// `x.to(dtype)`: `x` itself where that is its type.
  func to(_ x: TorchTensor, _ dtype: ElementType) -> TorchTensor {
    guard x.dtype != dtype else { return x }
    let old = x.dtype
    let node = node("ToCopyBackward0", [x]) { torch, call in
      [torch.expression { torch.to(call.gradient, old) }]
    }
    let y = make(
      "_to_copy", x.shape, dtype, strides: Strides.elementwise([(x.shape, x.strides)]).strides)
    attach(y, to: node)
    consume(x)
    return y
  }

  /// `torch.cat` along an axis.
  func cat(_ parts: [TorchTensor], _ axis: Int) -> TorchTensor {
    let extents = parts.map { $0.shape[axis] }
    let node = node("CatBackward0", parts) { torch, call in
      var start = 0
      return extents.indices.map { part in
        let range = start..<start + extents[part]
        start += extents[part]
        guard call.wants(part) else { return nil }
        return torch.expression { torch.narrow(call.gradient, axis, range) }
      }
    }
    var shape = parts[0].shape
    shape[axis] = extents.reduce(0, +)
    let y = make("cat", shape, parts[0].dtype)
    attach(y, to: node)
    consume(parts)
    return y
  }
}
