/// Scaled dot products, norms of layers and losses: ops of several results.
extension Torch {
  /// `F.scaled_dot_product_attention` of `[B, H, T, D]`, by the flash kernel of a CPU.
  ///
  /// A mask `[B, 1, T, T]` of booleans becomes one of numbers first.
  func scaledDotProduct(
    _ q: TorchTensor, _ k: TorchTensor, _ v: TorchTensor, mask: TorchTensor?
  ) -> TorchTensor {
    composite(q, k, v) {
      let numbers = mask.map { mask in
        expression {
          _ = make("scalar_tensor", [], q.dtype)
          _ = make("scalar_tensor", [], q.dtype)
          return elementwise("where", [mask], dtype: q.dtype)
        }
      }
      let name = "_scaled_dot_product_flash_attention_for_cpu"
      let node = node("ScaledDotProductFlashAttentionForCpuBackward0", [q, k, v]) { torch, call in
        let all = [q, k, v].map { operand in
          torch.byRows("\(name)_backward", operand.shape, q.dtype)
        }
        return all.enumerated().map { number, gradient in
          if call.wants(number) { return gradient }
          torch.discard(gradient)
          return nil
        }
      }
      if let numbers { save(numbers, as: "attn_mask", in: node, for: [0, 1, 2]) }
      save(k, as: "key", in: node, for: [0, 1, 2])
      save(q, as: "query", in: node, for: [0, 1, 2])
      save(v, as: "value", in: node, for: [0, 1, 2])
      let output = byRows(name, q.shape, q.dtype)
      let sums = make(name, Array(q.shape[..<3]), .float32)
      attach(output, to: node)
      save(sums, as: "logsumexp", in: node, for: [0, 1, 2])
      save(output, as: "output", in: node, for: [0, 1, 2])
      return output
    }
  }

  /// A tensor `[B, H, T, D]` that lies as `[B, T, H, D]`.
  private func byRows(_ op: String, _ shape: [Int], _ dtype: ElementType) -> TorchTensor {
    let lying = Strides.contiguous([shape[0], shape[2], shape[1], shape[3]])
    return make(op, shape, dtype, strides: [lying[0], lying[2], lying[1], lying[3]])
  }

  /// `F.layer_norm` over the last axis; statistics are in the operand's type on a CPU.
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
      let (mean, rstd) = (
        make(name, statistic, x.dtype), make(name, statistic, x.dtype)
      )
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
