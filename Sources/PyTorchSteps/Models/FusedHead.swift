/// TRL's fused head (`trl/trainer/utils.py`, `trl/kernels/chunked_logprob.py`, 1.16): the loss of a
/// few rows and words at a time, without logits.
///
/// ```
///   rows of hidden states ─▶ [4096, 32768] tile of logits ─▶ folded into a few numbers a row
///   backward                 the tile again, and in its place the gradient, added up in float32
/// ```
extension CausalModel {
  private static let (rowsAtATime, wordsAtATime) = (4096, 32768)

  /// Pieces of rows or words.
  private static func pieces(_ count: Int, _ size: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
  }

  /// `_fused_forward`: the loss, log-probabilities, entropy, whether a label is likeliest, and
  /// which rows have one; on a GPU `rows` of each sequence, which alone are scored there.
  func fused(_ ids: TorchTensor, labels: TorchTensor, rows: Int) -> [TorchTensor] {
    let py = Locals(torch, ["labels": labels, "input_ids": ids])
    py.backbone = body(ids)
    let (batch, last) = (ids.shape[0], ids.shape[1] - 1)
    py.hidden_states = torch.slice(py.backbone, 1, 0..<last)
    py.labels = torch.slice(py.labels, 1, 1..<last + 1)
    py.mask = made("ne", [batch, last], .bool)
    let isCompact = torch.device.isCUDA
    let results: [TorchTensor]
    if isCompact {
      let hidden = taken(py.hidden_states, at: py.mask, batch * rows)
      results = scored(hidden, made("index", [batch * rows], .int64))
    } else {
      let hidden = torch.reshape(py.hidden_states, [batch * last, model.width])
      let targets = made("clamp", [batch, last], .int64)
      results = scored(hidden, torch.view(targets, [batch * last]))
    }
    for each in results { torch.hold(each) }
    py.log_probs = spread(results[0], py.mask, isCompact)
    py.entropy = spread(results[1], py.mask, isCompact)
    py.is_top1 = spread(results[2], py.mask, isCompact)
    for each in results { torch.drop(each) }
    let sum = torch.negate(torch.total(py.log_probs))
    let count = made("clamp", [], .int64, of: made("sum", [], .int64))
    py.loss = torch.divide(sum, count)
    return py.leave([py.loss, py.log_probs, py.entropy, py.is_top1, py.mask])
  }

  /// Drops what a call returned beside its loss.
  func drop(_ outputs: [TorchTensor]) {
    for (place, each) in outputs.enumerated().dropFirst() {
      // An entropy that nobody reads takes its own graph with it.
      if place == 2, let node = each.edge?.node { torch.release(node) }
      torch.consume(each)
    }
  }

  private func made(
    _ op: String, _ shape: [Int], _ dtype: ElementType = .float32, of operands: TorchTensor...
  ) -> TorchTensor {
    let y = torch.make(op, shape, dtype)
    torch.consume(operands)
    return y
  }

  /// `x[mask]`, whose backward adds rows up in zeros.
  private func taken(_ x: TorchTensor, at mask: TorchTensor, _ rows: Int) -> TorchTensor {
    let node = torch.node("IndexBackward0", [x]) { torch, call in
      [torch.make("new_zeros", x.shape, x.dtype)]
    }
    torch.save(mask, as: "indices", in: node, for: [0])
    let y = torch.make("index", [rows, x.shape[2]], x.dtype)
    torch.attach(y, to: node)
    return y
  }

  /// A number of each scored row as one of each row.
  private func spread(_ x: TorchTensor, _ mask: TorchTensor, _ isCompact: Bool) -> TorchTensor {
    guard isCompact else { return torch.maskedFill(torch.view(x, mask.shape)) }
    let zeros = made("new_zeros", mask.shape, x.dtype)
    let count = x.count
    let node = torch.node("MaskedScatterBackward0", [zeros, x]) { torch, call in
      let gradient = torch.make("masked_scatter_backward", [count], call.gradient.dtype)
      return [nil, gradient]
    }
    torch.save(mask, as: "mask", in: node, for: [1])
    let y = made("masked_scatter", mask.shape, x.dtype, of: zeros)
    torch.attach(y, to: node)
    return y
  }

  // MARK: ChunkedLogProbFunction

  /// Log-probabilities and entropies of rows, and whether each label is likeliest.
  private func scored(_ hidden: TorchTensor, _ targets: TorchTensor) -> [TorchTensor] {
    let (weight, rows) = (modules.head.weight, hidden.shape[0])
    let mine = self
    let node = torch.node("ChunkedLogProbFunctionBackward", [hidden, weight]) { torch, call in
      torch.python { mine.gradients(call, of: hidden) }
    }
    for each in [hidden, targets] { torch.hold(each) }
    let results: [TorchTensor] = torch.recording(false) {
      let py = Locals(torch, [:])
      let starts = ["running_max", "sum_exp", "x_sum_exp", "sq_sum_exp", "z_sum", "max_before"]
      for name in starts + ["target_logit"] {
        let isLeast = name == "running_max" || name == "max_before"
        py[dynamicMember: name] = made(isLeast ? "full" : "zeros", [rows])
      }
      py.mm_buf = tile(rows, hidden.dtype)
      torch.takeWorkspace("mm")
      if !torch.device.isCUDA {
        for part in Self.pieces(rows, Self.rowsAtATime) {
          for words in Self.pieces(model.vocab, Self.wordsAtATime) {
            fold(part.count, words.count, hidden.dtype)
          }
        }
      }
      py.log_z = made("add", [rows], of: made("log", [rows]))
      py.logprobs = made("sub", [rows])
      py.entropy = made("sub", [rows], of: made("div", [rows]))
      py.is_top1 = made(
        "bitwise_and", [rows], .bool, of: made("ge", [rows], .bool), made("gt", [rows], .bool))
      return py.leave([py.logprobs, py.entropy, py.is_top1, py.log_z])
    }
    torch.attach(results[0], to: node)
    torch.attach(results[1], to: node)
    for kept in [hidden, weight, targets, results[3], results[1]] {
      torch.save(kept, as: "tensors", in: node, for: [0, 1])
    }
    torch.consume(results[3])
    for each in [hidden, targets] { torch.drop(each) }
    return Array(results.prefix(3))
  }

  private func tile(_ rows: Int, _ dtype: ElementType) -> TorchTensor {
    made("empty", [min(rows, Self.rowsAtATime), Self.wordsAtATime], dtype)
  }

  /// `_forward_tile`: on a GPU a kernel of Triton's, which takes nothing.
  private func fold(_ rows: Int, _ words: Int, _ dtype: ElementType) {
    let all = [rows, words]
    let py = Locals(torch, [:])
    py.z = transformed(all, dtype)
    py.local = made("sub", [rows], .int64)
    py.before_target = made("lt", all, .bool, of: made("arange", [words], .int64))
    let others = made("masked_fill", all, of: made("bitwise_not", all, .bool))
    torch.consume(made("maximum", [rows], of: made("amax", [rows], of: others)))
    py.new_m = made("maximum", [rows], of: made("amax", [rows]))
    py.rescale = made("exp", [rows], of: made("sub", [rows]))
    py.e = made("exp", all, of: made("sub", all))
    torch.consume(made("sum", [rows]))
    torch.consume(made("sum", [rows], of: made("mul", all)))
    py.in_tile = made(
      "bitwise_and", [rows], .bool, of: made("ge", [rows], .bool), made("lt", [rows], .bool))
    py.target_z = made("gather", [rows, 1], of: made("clamp", [rows], .int64))
    torch.consume(made("where", [rows]))
    py.leave()
  }

  /// A tile in float32, times two numbers.
  private func transformed(_ shape: [Int], _ dtype: ElementType) -> TorchTensor {
    let scaled =
      dtype == .float32
      ? made("mul", shape) : made("mul", shape, of: made("_to_copy", shape))
    return made("mul", shape, of: scaled)
  }

  /// `_backward_tile`.
  private func turn(_ rows: Int, _ words: Int, _ dtype: ElementType) {
    let all = [rows, words]
    let py = Locals(torch, [:])
    py.y = dtype == .float32 ? made("mul", all) : made("mul", all, of: made("_to_copy", all))
    py.z = made("mul", all)
    py.log_p = made("sub", all)
    py.p = made("exp", all)
    py.grad = made("zeros_like", all)
    py.is_target = made("eq", all, .bool, of: made("arange", [words], .int64))
    let share = made("sub", all, of: made("_to_copy", all))
    torch.consume(made("mul", all, of: share))
    py.grad = made("mul", all)
    torch.consume(made("mul", all))
    py.leave()
  }

  /// Its `backward`.
  private func gradients(_ call: BackwardCall, of hidden: TorchTensor) -> [TorchTensor?] {
    let (weight, dtype, rows) = (modules.head.weight, hidden.dtype, hidden.shape[0])
    let py = Locals(torch, [:])
    if call.wants(0) { py.grad_hidden = made("zeros", hidden.shape) }
    if call.wants(1) { py.grad_weight = made("zeros", weight.shape) }
    py.mm_buf = tile(rows, dtype)
    torch.takeWorkspace("mm")
    for part in torch.device.isCUDA ? [] : Self.pieces(rows, Self.rowsAtATime) {
      for words in Self.pieces(model.vocab, Self.wordsAtATime) {
        turn(part.count, words.count, dtype)
        guard dtype != .float32 else { continue }
        if call.wants(0) { add([part.count, words.count], [words.count, model.width]) }
        if call.wants(1) { add([words.count, part.count], [part.count, model.width]) }
      }
    }
    var results: [TorchTensor?] = [nil, nil]
    if call.wants(0) { results[0] = torch.to(py.grad_hidden, dtype) }
    if call.wants(1) { results[1] = torch.to(py.grad_weight, weight.dtype) }
    _ = py.leave(results.compactMap(\.self))
    return results
  }

  /// `acc.addmm_(a.float(), b.float())` of narrower factors.
  private func add(_ a: [Int], _ b: [Int]) {
    let first = made("_to_copy", a)
    torch.consume(first, made("_to_copy", b))
  }
}

extension Torch {
  /// `x.masked_fill(~mask, 0)`.
  func maskedFill(_ x: TorchTensor) -> TorchTensor {
    let mask = make("bitwise_not", x.shape, .bool)
    let node = node("MaskedFillBackward0", [x]) { torch, call in
      [torch.make("masked_fill", call.gradient.shape, call.gradient.dtype)]
    }
    save(mask, as: "mask", in: node, for: [0])
    let y = make("masked_fill", x.shape, x.dtype)
    attach(y, to: node)
    consume(x, mask)
    return y
  }

  /// `x.sum()`.
  func total(_ x: TorchTensor) -> TorchTensor {
    let shape = x.shape
    let node = node("SumBackward0", [x]) { torch, call in
      [torch.expression { torch.expand(call.gradient, shape) }]
    }
    let y = make("sum", [], x.dtype)
    attach(y, to: node)
    consume(x)
    return y
  }

  /// `x / number`, of a tensor of one number.
  func divide(_ x: TorchTensor, _ number: TorchTensor) -> TorchTensor {
    let node = node("DivBackward0", [x]) { torch, call in
      [torch.expression { torch.elementwise("div", [call.gradient]) }]
    }
    save(number, as: "other", in: node, for: [0])
    let y = make("div", [], x.dtype)
    attach(y, to: node)
    consume(x, number)
    return y
  }
}
