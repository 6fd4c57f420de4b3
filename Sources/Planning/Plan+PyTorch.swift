package import Retention

extension Plan {
  /// The call of the Python package `ballast` that runs the recommended row in PyTorch; nil where
  /// nothing is recommended, or where it needs none: the whole graph is PyTorch's own.
  package var callInPyTorch: String? {
    guard let best = rows.last(where: \.isRecommended) else { return nil }
    return Self.call(of: best.combination.point)
  }

  /// The same of a point.
  package static func call(of point: Point) -> String? {
    var options: [String]
    switch point.mode {
    case .fullGraph: return nil
    case .prunedGraph: options = [#"mode="pruned""#]
    case .detachedPrefix(let keep):
      options = [#"mode="detached""#] + (keep > 0 ? ["keep=\(keep)"] : [])
      options.append("chunk=\(point.chunk)")
    case .replayedPrefix(let gradients):
      options = [#"mode="replayed""#, "chunk=\(point.chunk)"]
      if gradients == .activations { options.append("kv_gradients=None") }
    }
    if point.head == .chunked { options.append("loss_chunk=\(point.chunk)") }
    if point.recompute == .layer { options.append("recompute=True") }
    let isGroup = point.sharing == .prefix && point.suffixes > 1
    if isGroup, point.suffixesAtATime > 0 {
      options.append("at_a_time=\(point.suffixesAtATime)")
    }
    let given =
      isGroup
      ? "group_step(model, prompt_ids, completions, " : "prefix_step(model, input_ids, n_c, "
    return given + options.joined(separator: ", ") + ")"
  }

  /// What the reader does with it, in a sentence.
  var inPyTorch: String? {
    guard let call = callInPyTorch, let best = rows.last(where: \.isRecommended) else { return nil }
    let again = best.combination.point.recompute
    let rest =
      switch again {
      case .elementwise, .attention:
        "; it computes whole layers again (recompute=True) or nothing, not \(again.rawValue) alone"
      case .none, .layer: ""
      }
    return "In PyTorch: \(call), of the Python package ballast\(rest)."
  }
}
