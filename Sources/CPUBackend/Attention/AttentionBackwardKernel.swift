import Tensors
import TiledAttention

/// Backward, tile by tile, rows from the last to the first.
///
/// ```
///   for each block of keys   P = exp(scale · q kᵀ − log-sum-exp), or as it was kept
///                            dv += Pᵀ do    dP = do vᵀ    dS = scale · P (dP − D)
///                            dq += dS k     dk += dSᵀ q
/// ```
struct AttentionBackwardKernel {
  let pass: AttentionBackward
  let plan: AttentionTiles
  let scratch: Tensor?
  let multiply: AttentionProducts

  private var attention: Attention { pass.attention }
  private var geometry: HeadGeometry { attention.geometry }
  private var backend: CPUBackend { multiply.backend }

  func run() throws {
    // The last rows see every key, and write where nothing stands yet; a window hides some from
    // them.
    let isWindowed = attention.window != nil
    for sink in pass.dk + pass.dv where !sink.accumulates && isWindowed {
      backend.fill(sink.sum, with: 0)
    }
    let last = pass.rows.upperBound
    for part in AttentionPart.all(
      geometry, batch: pass.dO.extent(0), rows: pass.rows, plan, isReversed: true)
    {
      let writes = part.rows.upperBound == last && !isWindowed
      try run(part, writes: writes)
    }
  }

  private func run(_ part: AttentionPart, writes: Bool) throws {
    let dots = rowDots(part)
    let dq = pass.dq.map { part.byHead($0.sum) }
    let partial = plan.partial.flatMap { place in scratch.map { part.partial($0, at: place) } }
    var isFirst = true
    for columns in pieces(part) {
      let keys = columns[0].keys.lowerBound..<columns[columns.count - 1].keys.upperBound
      let probabilities = try probabilities(part, columns[0].block, keys)
      for (_, keys) in columns {
        try addValues(part, probabilities?.at(rows: keys, axis: 3), keys, writes: writes)
      }
      guard let dS = try scoreGradient(part, columns, keys, probabilities, dots) else { continue }
      for (index, keys) in columns {
        let dS = dS.at(rows: keys, axis: 3)
        if let sum = partial ?? dq, !pass.k.isEmpty {
          let accumulates = !isFirst || (partial == nil && pass.dq?.accumulates == true)
          let k = part.keys(pass.k[index], keys)
          for j in 0..<geometry.groupSize {
            try multiply(
              part.member(j, of: dS), k,
              into: sum.splitting(1, inner: geometry.groupSize).selecting(2, j),
              accumulates: accumulates)
          }
        }
        if let q = pass.q {
          try addToKeys(part, dS, q, keys, sinks: pass.dk, writes: writes)
        }
        isFirst = false
      }
    }
    if let partial, let dq, let sink = pass.dq {
      if sink.accumulates { backend.add(partial, to: dq) } else { backend.copy(partial, to: dq) }
    }
  }

  /// Keys that are gone through at a time, each with its block: a piece of a block, or, where
  /// probabilities were kept, all that the rows see, over which `D` is summed.
  private func pieces(_ part: AttentionPart) -> [[(block: Int, keys: Range<Int>)]] {
    let blocks = pass.blocks.enumerated()
    guard pass.kept.probabilities != nil else {
      return blocks.flatMap { index, block in
        attention.seen(block, by: part.rows).pieces(of: plan.keys).map { [(index, $0)] }
      }
    }
    let last = part.lastKey(of: pass.blocks, seenBy: attention)
    let seen = blocks.map { ($0, $1.clamped(to: $1.lowerBound..<max(last, $1.lowerBound))) }
    let columns = seen.filter { !$0.1.isEmpty }
    return columns.isEmpty ? [] : [columns]
  }

  /// `D` of each row where only output and log-sum-exp were kept: `Σ do · o` of each head.
  private func rowDots(_ part: AttentionPart) -> Rows<Float>? {
    guard let scratch, let place = plan.maxima, let output = pass.output else { return nil }
    let dots = Rows<Float>(cells: part.statistic(scratch, at: place))
    let (x, y) = (part.byHead(pass.dO), part.byHead(output))
    switch x.dtype {
    case .float32: headDots(Rows<Float>(x), Rows<Float>(y), to: dots)
    case .bfloat16: headDots(Rows<BFloat16>(x), Rows<BFloat16>(y), to: dots)
    case .float16, .uint8, .int64, .bool: refuseType()
    }
    return dots
  }

  /// The probabilities of one block of keys: a part of what was kept, or made again from q and k.
  private func probabilities(
    _ part: AttentionPart, _ index: Int, _ keys: Range<Int>
  ) throws -> Tensor? {
    if let all = pass.kept.probabilities { return part.scores(all, keys) }
    guard let scratch, let place = plan.scores, let q = pass.q, !pass.k.isEmpty,
      let logSumExp = pass.kept.logSumExp
    else { return nil }
    let tile = part.tile(scratch, at: place, keys, .float32)
    let k = part.keys(pass.k[index], keys).transposed(2, 3)
    for j in 0..<geometry.groupSize {
      try multiply(part.queries(q, member: j), k, into: part.member(j, of: tile))
    }
    attention.softmax(of: tile).again(
      Rows<Float>(tile), scale: geometry.scale,
      logSumExp: Rows<Float>(cells: part.statistic(logSumExp)))
    return tile
  }

  /// `dv += Pᵀ do` with the probabilities rounded and dropped as in forward.
  private func addValues(
    _ part: AttentionPart, _ probabilities: Tensor?, _ keys: Range<Int>, writes: Bool
  ) throws {
    guard !pass.dv.isEmpty else { return }
    if let dropped = pass.kept.dropped {
      return try addToKeys(
        part, part.scores(dropped, keys), pass.dO, keys, sinks: pass.dv, writes: writes)
    }
    guard var factors = probabilities else { return }
    if let scratch, let place = plan.factor,
      attention.dropout != nil || factors.dtype != pass.dO.dtype
    {
      let tile = part.tile(scratch, at: place, keys, pass.dO.dtype)
      backend.copy(factors, to: tile)
      drop(tile, part, keys)
      factors = tile
    }
    try addToKeys(part, factors, pass.dO, keys, sinks: pass.dv, writes: writes)
  }

  /// `dS = scale · P (dP − D)` of neighbouring keys, in the dtype of q.
  private func scoreGradient(
    _ part: AttentionPart, _ columns: [(block: Int, keys: Range<Int>)], _ keys: Range<Int>,
    _ probabilities: Tensor?, _ dots: Rows<Float>?
  ) throws -> Tensor? {
    guard let scratch, let place = plan.gradient, let probabilities, !pass.v.isEmpty else {
      return nil
    }
    let gradient = part.tile(scratch, at: place, keys, .float32)
    for (index, keys) in columns {
      let v = part.keys(pass.v[index], keys).transposed(2, 3)
      let target = gradient.at(rows: keys, axis: 3)
      for j in 0..<geometry.groupSize {
        try multiply(part.queries(pass.dO, member: j), v, into: part.member(j, of: target))
      }
    }
    drop(gradient, part, keys)
    let softmax = attention.softmax(of: gradient)
    func run<P: NumberElement>(_: P.Type) {
      softmax.backward(
        Rows<Float>(gradient), probabilities: Rows<P>(probabilities), scale: geometry.scale,
        rowDots: dots)
    }
    switch probabilities.dtype {
    case .float32: run(Float.self)
    case .bfloat16: run(BFloat16.self)
    case .float16, .uint8, .int64, .bool: refuseType()
    }
    guard pass.dO.dtype != .float32, let place = plan.factor else { return gradient }
    let rounded = part.tile(scratch, at: place, keys, pass.dO.dtype)
    backend.copy(gradient, to: rounded)
    return rounded
  }

  /// Drops what forward dropped, in place: of probabilities, or of their gradient.
  private func drop(_ x: Tensor, _ part: AttentionPart, _ keys: Range<Int>) {
    guard let dropout = attention.dropout else { return }
    if let mask = pass.kept.mask {
      backend.applyMask(part.scores(mask, keys), scale: dropout.scale, to: x, into: x)
    } else {
      attention.drop(x, to: x, part)
    }
  }

  /// `d[key] (+)= Σ_rows left[row, key] · right[row]`: dv from P and do, dk from dS and q.
  private func addToKeys(
    _ part: AttentionPart, _ left: Tensor, _ right: Tensor, _ keys: Range<Int>,
    sinks: [GradientSink], writes: Bool
  ) throws {
    for sink in sinks {
      let rows = sink.sum.shape[1].rows.clamped(to: keys)
      guard !rows.isEmpty else { continue }
      let columns = left.at(rows: rows, axis: 3)
      let target = part.keys(sink.sum, rows)
      for j in 0..<geometry.groupSize {
        try multiply(
          part.member(j, of: columns).transposed(2, 3), part.queries(right, member: j),
          into: target, accumulates: sink.accumulates || !writes || j > 0)
      }
    }
  }
}
