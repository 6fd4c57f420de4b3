/// The masks that transformers makes once for all layers (`masking_utils.py`).
extension CausalModel {
  /// Makes the masks that layers need; `py` has embeddings and positions, and gets the masks.
  func masks(_ py: Locals) -> (_ layer: Int) -> TorchTensor? {
    let (batch, tokens) = (py.inputs_embeds.shape[0], py.inputs_embeds.shape[1])
    var made: [Int?: TorchTensor?] = [:]
    for window in kinds {
      let mask = causalMask(batch: batch, tokens: tokens, window: window)
      if let mask { py[dynamicMember: maskName(window)] = mask }
      made.updateValue(mask, forKey: window)
    }
    return { made[model.windows[$0]] ?? nil }
  }

  private func maskName(_ window: Int?) -> String { "causal_mask_\(window ?? 0)" }

  /// The names that masks get.
  var maskNames: [String] { kinds.map(maskName) }

  /// The kinds of layers, those that see all before those with a window.
  private var kinds: [Int?] {
    let windows = Set(model.windows.compactMap(\.self))
    let seesAll: [Int?] = model.family == .mistral && !windows.isEmpty ? [] : [nil]
    return seesAll + windows.sorted().map { $0 }
  }

  private func causalMask(batch: Int, tokens: Int, window: Int?) -> TorchTensor? {
    findPackedSequences(batch: batch, tokens: tokens)
    let isEager = model.attention == .eager
    guard isEager || (window.map { tokens >= $0 } ?? false) else { return nil }
    let mask = allowed(batch: batch, tokens: tokens, window: window)
    guard isEager else { return torch.expand(mask, [batch, 1, tokens, tokens]) }
    let py = Locals(torch, ["mask": torch.expand(mask, [batch, 1, tokens, tokens])])
    let zero = torch.make("zeros", [], model.dtype)
    // A GPU's kernel takes a number as it is.
    let least = torch.device.isCUDA ? nil : torch.make("scalar_tensor", [], model.dtype)
    let numbers = torch.make("where", [batch, 1, tokens, tokens], model.dtype)
    torch.consume(least, zero)
    py.mask = numbers
    return py.leave(py.mask)
  }

  /// `find_packed_sequence_indices`: whether positions begin anew, which they do not.
  private func findPackedSequences(batch: Int, tokens: Int) {
    let py = Locals(torch, [:])
    py.first_dummy_value = torch.make("sub", [batch, 1], .int64)
    let joined = torch.make("cat", [batch, tokens + 1], .int64)
    py.position_diff = torch.make("sub", [batch, tokens], .int64)
    torch.consume(joined)
    let breaks = torch.make("ne", [batch, tokens], .bool)
    py.packed_sequence_mask = torch.make("cumsum", [batch, tokens], .int64)
    torch.consume(breaks)
    let ends = torch.make("eq", [batch], .bool)
    let all = torch.make("all", [], .bool)
    torch.consume(ends)
    torch.consume(all)
    py.leave()
  }

  /// `sdpa_mask`: `[1, 1, T, T]`, true where a row sees a key.
  private func allowed(batch: Int, tokens: Int, window: Int?) -> TorchTensor {
    let py = Locals(torch, [:])
    py.batch_arange = torch.make("arange", [batch], .int64)
    py.head_arange = torch.make("arange", [1], .int64)
    py.q_arange = torch.addNumber(torch.make("arange", [tokens], .int64))
    py.kv_arange = torch.addNumber(torch.make("arange", [tokens], .int64))
    let square = [1, 1, tokens, tokens]
    guard window != nil else { return py.leave(torch.make("le", square, .bool)) }
    let inner = Locals(torch, [:])
    inner.result = torch.make("new_ones", [], .bool)
    let bound = torch.make("sub", [1, 1, tokens, 1], .int64)
    let isInside = torch.make("gt", square, .bool)
    torch.consume(bound)
    let inside = torch.make("bitwise_and", square, .bool)
    torch.consume(isInside)
    inner.result = inside
    let isBefore = torch.make("le", square, .bool)
    let both = torch.make("bitwise_and", square, .bool)
    torch.consume(isBefore)
    inner.result = both
    return py.leave(inner.leave(inner.result))
  }
}
