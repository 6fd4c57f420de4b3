import Tensors
import TiledAttention

/// Forward, tile by tile.
///
/// ```
///   online: for each block of keys   S = q kᵀ  P = exp(scale · S − max)   o = o · correction + P v
///   whole:  for each block of rows   S = q kᵀ  P = softmax(S)             o = P v
/// ```
struct AttentionForwardKernel {
  let pass: AttentionForward
  let plan: AttentionTiles
  let scratch: Tensor?
  let multiply: AttentionProducts

  private var attention: Attention { pass.attention }
  private var geometry: HeadGeometry { attention.geometry }

  /// `S = q kᵀ` of one block of keys into `scores` `[sequences, heads, rows, keys]`.
  private func score(_ part: AttentionPart, _ k: Tensor, into scores: Tensor) throws {
    let keys = part.keys(k, scores.shape[3].rows).transposed(2, 3)
    for j in 0..<geometry.groupSize {
      try multiply(part.queries(pass.q, member: j), keys, into: part.member(j, of: scores))
    }
  }

  /// `o (+)= P v` of one block of keys; `output` is `[sequences, heads, rows, d_head]`.
  private func add(
    _ part: AttentionPart, _ factors: Tensor, _ v: Tensor, to output: Tensor, accumulates: Bool
  ) throws {
    let values = part.keys(v, factors.shape[3].rows)
    for j in 0..<geometry.groupSize {
      try multiply(
        part.member(j, of: factors), values,
        into: output.splitting(1, inner: geometry.groupSize).selecting(2, j),
        accumulates: accumulates)
    }
  }

  // MARK: Online

  /// One part without its probabilities: they exist for one block of keys at a time.
  func runOnline(_ part: AttentionPart) throws {
    guard let scratch, let scorePlace = plan.scores, let maximumPlace = plan.maxima,
      let sumPlace = plan.sums
    else { preconditionFailure("an online softmax has scratch") }
    let maxima = Rows<Float>(cells: part.statistic(scratch, at: maximumPlace))
    let sums = Rows<Float>(cells: part.statistic(scratch, at: sumPlace))
    let output = pass.output.map { part.byHead($0) }
    let partial = plan.partial.map { part.partial(scratch, at: $0) } ?? output
    var isFirst = true
    for (index, block) in pass.blocks.enumerated() {
      for keys in attention.seen(block, by: part.rows).pieces(of: plan.keys) {
        let scores = part.tile(scratch, at: scorePlace, keys, .float32)
        let factors = plan.factor.map { part.tile(scratch, at: $0, keys, pass.q.dtype) } ?? scores
        try score(part, pass.k[index], into: scores)
        exponentiate(scores, to: factors, maxima, sums, output: partial, isFirst: isFirst)
        if let partial {
          attention.drop(factors, to: factors, part)
          try add(part, factors, pass.v[index], to: partial, accumulates: !isFirst)
        }
        isFirst = false
      }
    }
    if let partial, let output { finish(partial, to: output, maxima, sums) }
    if let result = pass.kept.logSumExp {
      logSumExp(maxima: maxima, sums: sums, to: Rows<Float>(cells: part.statistic(result)))
    }
  }

  private func exponentiate(
    _ scores: Tensor, to factors: Tensor, _ maxima: Rows<Float>, _ sums: Rows<Float>,
    output: Tensor?, isFirst: Bool
  ) {
    let softmax = attention.softmax(of: scores)
    func run<P: NumberElement>(_: P.Type) {
      softmax.online(
        Rows<Float>(scores), to: Rows<P>(factors), scale: geometry.scale, maxima: maxima,
        sums: sums, output: output.map { Rows<Float>($0) }, isFirst: isFirst)
    }
    switch factors.dtype {
    case .float32: run(Float.self)
    case .bfloat16: run(BFloat16.self)
    case .float16, .uint8, .int64, .bool: refuseType()
    }
  }

  private func finish(
    _ partial: Tensor, to output: Tensor, _ maxima: Rows<Float>, _ sums: Rows<Float>
  ) {
    let x = Rows<Float>(partial)
    switch output.dtype {
    case .float32: finishSoftmax(x, to: Rows<Float>(output), maxima: maxima, sums: sums)
    case .bfloat16: finishSoftmax(x, to: Rows<BFloat16>(output), maxima: maxima, sums: sums)
    case .float16, .uint8, .int64, .bool: refuseType()
    }
  }

  // MARK: Whole rows

  /// One part with the probabilities of whole rows, kept or in a tile.
  func runWhole(_ part: AttentionPart) throws {
    guard let first = pass.blocks.first?.lowerBound else { return }
    let keys = first..<part.lastKey(of: pass.blocks, seenBy: attention)
    func tile(_ place: Int?, _ dtype: DType) -> Tensor? {
      guard let scratch, let place else { return nil }
      return part.tile(scratch, at: place, keys, dtype)
    }
    let kept = pass.kept.probabilities.map { part.scores($0, keys) }
    guard let scores = tile(plan.scores, .float32) ?? kept else {
      preconditionFailure("scores stand in a tile, or where the probabilities will")
    }
    for (index, block) in pass.blocks.enumerated() {
      let columns = block.clamped(to: keys)
      if !columns.isEmpty {
        try score(part, pass.k[index], into: scores.at(rows: columns, axis: 3))
      }
    }
    attention.softmax(of: scores).forward(
      Rows<Float>(scores), scale: geometry.scale,
      logSumExp: pass.kept.logSumExp.map { Rows<Float>(cells: part.statistic($0)) })
    if plan.scores != nil, let kept { multiply.backend.copy(scores, to: kept) }
    guard let output = pass.output.map({ part.byHead($0) }) else { return }
    let probabilities = kept ?? scores
    let factors =
      pass.kept.dropped.map { part.scores($0, keys) } ?? tile(plan.factor, pass.q.dtype)
      ?? probabilities
    if kept == nil, plan.factor != nil {
      // Rounded, and dropped in place.
      multiply.backend.copy(scores, to: factors)
      attention.drop(factors, to: factors, part)
    } else {
      attention.drop(
        probabilities, to: factors, mask: pass.kept.mask.map { part.scores($0, keys) }, part)
    }
    var isFirst = true
    for (index, block) in pass.blocks.enumerated() {
      let columns = block.clamped(to: keys)
      guard !columns.isEmpty else { continue }
      try add(
        part, factors.at(rows: columns, axis: 3), pass.v[index], to: output,
        accumulates: !isFirst)
      isFirst = false
    }
  }
}

extension AttentionPart {
  /// Where the keys end that the part's rows see.
  func lastKey(of blocks: [Range<Int>], seenBy attention: Attention) -> Int {
    let end = attention.layout.keys(seenBy: rows).last?.upperBound ?? 0
    return min(end, blocks.last?.upperBound ?? 0)
  }
}
