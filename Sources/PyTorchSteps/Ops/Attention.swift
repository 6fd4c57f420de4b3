/// Scaled dot products, norms of layers and losses: ops of several results.
extension Torch {
  /// `F.scaled_dot_product_attention` of `[B, H, T, D]`.
  ///
  /// A mask `[B, 1, T, T]` of booleans becomes one of numbers first.
  func scaledDotProduct(
    _ q: TorchTensor, _ k: TorchTensor, _ v: TorchTensor, mask: TorchTensor?
  ) -> TorchTensor {
    composite(q, k, v) {
      let numbers = mask.map { additive($0, q.dtype) }
      let kernel = AttentionKernel(device, q, k, isMasked: mask != nil)
      let bias = kernel.alignsMask ? numbers.map(aligned) : numbers
      let node = node(kernel.node, [q, k, v]) { torch, call in
        let all = [q, k, v].map { operand in
          torch.byRows("\(kernel.op)_backward", operand.shape, q.dtype)
        }
        return all.enumerated().map { number, gradient in
          if call.wants(number) { return gradient }
          torch.discard(gradient)
          return nil
        }
      }
      if let bias { save(bias, as: kernel.mask, in: node, for: [0, 1, 2]) }
      save(k, as: "key", in: node, for: [0, 1, 2])
      save(q, as: "query", in: node, for: [0, 1, 2])
      save(v, as: "value", in: node, for: [0, 1, 2])
      let seeds = kernel.hasSeeds ? (0..<2).map { _ in make(kernel.op, [], .int64) } : []
      let output = byRows(kernel.op, q.shape, q.dtype)
      let isNeeded = kernel.alwaysSums || node != nil
      let sums = isNeeded ? make(kernel.op, kernel.sums(q.shape), .float32) : nil
      attach(output, to: node)
      if let sums { save(sums, as: "logsumexp", in: node, for: [0, 1, 2]) }
      save(output, as: "output", in: node, for: [0, 1, 2])
      for (seed, name) in zip(seeds.reversed(), ["philox_offset", "philox_seed"]) {
        save(seed, as: name, in: node, for: [0, 1, 2])
        discard(seed)
      }
      return output
    }
  }

  /// A mask of booleans as one of numbers.
  private func additive(_ mask: TorchTensor, _ dtype: ElementType) -> TorchTensor {
    expression {
      let op = device.isCUDA ? "new_full" : "scalar_tensor"
      let ends = [make(op, [], dtype), make(op, [], dtype)]
      let numbers = elementwise("where", [mask], dtype: dtype)
      if device.isCUDA { for end in ends { discard(end) } }
      return numbers
    }
  }

  /// A mask whose rows begin at multiples of 8 numbers.
  private func aligned(_ mask: TorchTensor) -> TorchTensor {
    guard let columns = mask.shape.last, columns % 8 != 0 else { return mask }
    let padded = make(
      "constant_pad_nd", mask.shape.dropLast() + [columns + 8 - columns % 8], mask.dtype)
    discard(mask)
    return padded
  }

  /// A tensor `[B, H, T, D]` that lies as `[B, T, H, D]`.
  private func byRows(_ op: String, _ shape: [Int], _ dtype: ElementType) -> TorchTensor {
    let lying = Strides.contiguous([shape[0], shape[2], shape[1], shape[3]])
    return make(op, shape, dtype, strides: [lying[0], lying[2], lying[1], lying[3]])
  }

  /// `F.layer_norm` over the last axis; statistics are in the operand's type on a CPU,
  /// in float32 on a GPU.
  func layerNorm(_ x: TorchTensor, _ weight: TorchTensor, _ bias: TorchTensor) -> TorchTensor {
    composite(x) {
      let name = "native_layer_norm"
      let node = node("NativeLayerNormBackward0", [x, weight, bias]) { torch, call in
        [x, weight, bias].enumerated().map { number, operand in
          guard call.wants(number) else { return nil }
          return torch.make("\(name)_backward", operand.shape, operand.dtype)
        }
      }
      save(x, as: "input", in: node, for: [0, 1, 2])
      save(weight, as: "weight", in: node, for: [0, 1, 2])
      let y = make(name, x.shape, x.dtype)
      let statistic = Array(x.shape.dropLast() + [1])
      let wide = device.isCUDA ? .float32 : x.dtype
      let (mean, rstd) = (make(name, statistic, wide), make(name, statistic, wide))
      attach(y, to: node)
      save(mean, as: "result1", in: node, for: [0, 1, 2])
      save(rstd, as: "result2", in: node, for: [0, 1, 2])
      discard(mean)
      discard(rstd)
      return y
    }
  }

  /// `F.cross_entropy` of rows of logits `[R, V]` and targets `[R]`.
  func crossEntropy(_ logits: TorchTensor, _ target: TorchTensor) -> TorchTensor {
    composite(logits, target) {
      let rows = softmax(logits, isLog: true)
      let node = node("NllLossBackward0", [rows]) { torch, call in
        [torch.make("nll_loss_backward", call.saved(0).shape, call.gradient.dtype)]
      }
      save(rows, as: "self", in: node, for: [0])
      save(target, as: "target", in: node, for: [0])
      let loss = make("nll_loss_forward", [], rows.dtype)
      let weight = make("nll_loss_forward", [], rows.dtype)
      attach(loss, to: node)
      save(weight, as: "total_weight", in: node, for: [0])
      return loss
    }
  }
}

/// A kernel of scaled dot products, by what it makes and keeps.
private struct AttentionKernel {
  private let kind: StepDevice.Kernel

  init(_ device: StepDevice, _ q: TorchTensor, _ k: TorchTensor, isMasked: Bool) {
    guard
      let kind = device.kernel(
        q.dtype, width: q.shape[3], isMasked: isMasked, isGrouped: q.shape[1] != k.shape[1])
    else { preconditionFailure("such steps are refused before they run") }
    self.kind = kind
  }

  var op: String { "_scaled_dot_product_\(kind.rawValue)" }

  var node: String {
    let name =
      switch kind {
      case .cpuFlash: "FlashAttentionForCpu"
      case .flash: "FlashAttention"
      case .cudnn: "CudnnAttention"
      case .efficient: "EfficientAttention"
      }
    return "ScaledDotProduct\(name)Backward0"
  }

  /// Its own name for a mask.
  var mask: String { kind == .cpuFlash ? "attn_mask" : "attn_bias" }
  var alignsMask: Bool { kind == .efficient }
  /// Whether the states of random numbers lie on the device.
  var hasSeeds: Bool { kind == .cudnn }
  /// Whether the log-sum-exp is made where no gradient is wanted.
  var alwaysSums: Bool { kind == .cpuFlash || kind == .flash }

  /// The shape of the log-sum-exp of queries `[B, H, T, D]`.
  func sums(_ q: [Int]) -> [Int] {
    switch kind {
    case .cpuFlash, .flash: [q[0], q[1], q[2]]
    case .cudnn: [q[0], q[1], q[2], 1]
    case .efficient: [q[0], q[1], (q[2] + 31) / 32 * 32]
    }
  }
}
