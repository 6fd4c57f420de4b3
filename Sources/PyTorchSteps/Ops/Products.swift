/// Matrix products.
extension Torch {
  /// `mm`: backward makes the second factor's gradient first, each in its factor's order of axes.
  func mm(_ a: TorchTensor, _ b: TorchTensor) -> TorchTensor {
    let node = node("MmBackward0", [a, b]) { torch, call in
      let second = torch.secondGradient(call, of: b, from: call.wants(1) ? call.saved(1) : nil)
      let first = torch.firstGradient(call, of: a, from: call.wants(0) ? call.saved(0) : nil)
      return [first, second]
    }
    save(b, as: "mat2", in: node, for: [0])
    save(a, as: "self", in: node, for: [1])
    let y = product("mm", [a.shape[0], b.shape[1]], a.dtype)
    attach(y, to: node)
    consume(a, b)
    return y
  }

  /// `addmm`: backward makes gradients in the order of first factor, second factor, bias.
  func addmm(_ bias: TorchTensor, _ a: TorchTensor, _ b: TorchTensor) -> TorchTensor {
    let node = node("AddmmBackward0", [bias, a, b]) { torch, call in
      let first = torch.firstGradient(call, of: a, from: call.wants(1) ? call.saved(1) : nil)
      let second = torch.secondGradient(call, of: b, from: call.wants(2) ? call.saved(0) : nil)
      return [call.wants(0) ? call.gradient : nil, first, second]
    }
    save(a, as: "mat1", in: node, for: [2])
    save(b, as: "mat2", in: node, for: [1])
    let y = product("addmm", [a.shape[0], b.shape[1]], a.dtype)
    attach(y, to: node)
    consume(bias, a, b)
    return y
  }

  /// `mm_mat1_grad`.
  private func firstGradient(
    _ call: BackwardCall, of a: TorchTensor, from b: TorchTensor?
  ) -> TorchTensor? {
    guard let b else { return nil }
    return expression {
      a.strides[0] == 1 && a.strides[1] == a.shape[0]
        ? t(mm(b, t(call.gradient))) : mm(call.gradient, t(b))
    }
  }

  /// `mm_mat2_grad`.
  private func secondGradient(
    _ call: BackwardCall, of b: TorchTensor, from a: TorchTensor?
  ) -> TorchTensor? {
    guard let a else { return nil }
    return expression {
      b.strides[0] == 1 && b.strides[1] == b.shape[0]
        ? t(mm(t(call.gradient), a)) : mm(t(a), call.gradient)
    }
  }

  /// `bmm` of `[N, i, j]` and `[N, j, k]`.
  func bmm(_ a: TorchTensor, _ b: TorchTensor) -> TorchTensor {
    let node = node("BmmBackward0", [a, b]) { torch, call in
      let second: TorchTensor? =
        call.wants(1)
        ? torch.expression { torch.bmm(torch.transpose(call.saved(1), 1, 2), call.gradient) } : nil
      let first: TorchTensor? =
        call.wants(0)
        ? torch.expression { torch.bmm(call.gradient, torch.transpose(call.saved(0), 1, 2)) } : nil
      return [first, second]
    }
    save(b, as: "mat2", in: node, for: [0])
    save(a, as: "self", in: node, for: [1])
    let y = product("bmm", [a.shape[0], a.shape[1], b.shape[2]], a.dtype)
    attach(y, to: node)
    consume(a, b)
    return y
  }

  /// `torch.matmul` of `[B, H, i, j]` and `[B, H, j, k]`.
  func matmul(_ a: TorchTensor, _ b: TorchTensor) -> TorchTensor {
    composite(a, b) {
      let (outer, rows, inner) = (Array(a.shape[..<2]), a.shape[2], a.shape[3])
      let flat = outer.reduce(1, *)
      let first = reshape(expand(a, a.shape), [flat, rows, inner])
      let second = reshape(expand(b, b.shape), [flat, inner, b.shape[3]])
      return view(
        bmm(first, second), outer + [rows, b.shape[3]], node: "UnsafeViewBackward0")
    }
  }

  /// `F.linear` of `[B, T, in]` and a weight `[out, in]`: one product of all rows, unless their
  /// sequences lie apart and the weight's gradient would not make good for a copy (`should_fold`).
  func linear(_ x: TorchTensor, _ weight: TorchTensor, _ bias: TorchTensor?) -> TorchTensor {
    composite(x) {
      let rows = x.shape[0] * x.shape[1]
      let shape = Array(x.shape[..<2]) + [weight.shape[0]]
      if bias == nil, !weight.requiresGradient,
        Strides.view(x.shape, x.strides, as: [rows, x.shape[2]]) == nil
      {
        let factors = expand(t(weight), [x.shape[0], weight.shape[1], weight.shape[0]])
        return view(bmm(expand(x, x.shape), factors), shape, node: "UnsafeViewBackward0")
      }
      guard let bias else {
        let transposed = t(weight)
        return view(
          mm(reshape(x, [rows, x.shape[2]]), transposed), shape, node: "UnsafeViewBackward0")
      }
      let flat = view(x, [rows, x.shape[2]])
      return view(addmm(bias, flat, t(weight)), shape)
    }
  }

  /// `F.embedding`: rows of a table.
  func embedding(_ table: TorchTensor, _ indices: TorchTensor) -> TorchTensor {
    let node = node("EmbeddingBackward0", [table]) { torch, call in
      let dtype = call.gradient.dtype
      return [torch.expression { torch.make("embedding_dense_backward", table.shape, dtype) }]
    }
    save(indices, as: "indices", in: node, for: [0])
    let y = make("embedding", indices.shape + [table.shape[1]], table.dtype)
    attach(y, to: node)
    consume(indices)
    return y
  }
}
