internal import CKernels
import Tensors

/// Forward, tile by tile, with a softmax that goes along the keys (Milakov and Gimelshein, arXiv
/// 1805.02867; Dao et al., arXiv 2205.14135).
///
/// ```
///   for each span of rows, for each run of keys   pack k, v
///     for each query head, for each tile of rows  S = scale · q kᵀ   m, l, o as in CKernels
///   o / l, and the log-sum-exp m + log l
/// ```
struct TiledForward {
  let pass: AttentionForward
  let kernel: TiledKernel

  init(_ pass: AttentionForward, _ plan: TiledPlan, scratch: Tensor?) {
    self.pass = pass
    kernel = TiledKernel(
      pass.attention, plan, rows: pass.rows,
      runs: KeyRun.all(of: pass.blocks, atMost: plan.keys), dtype: pass.q.dtype, scratch: scratch)
  }

  private var plan: TiledPlan { kernel.plan }
  private var geometry: HeadGeometry { kernel.geometry }

  func run() { kernel.forEachSpan(run) }

  private func run(_ unit: TiledKernel.Unit, _ span: Range<Int>) {
    let blocks = span.pieces(of: plan.rows)
    let tiles = blocks.count * geometry.groupSize
    let visible = kernel.seen(by: span)
    let lowest = kernel.runs.first?.rows.lowerBound ?? 0
    let firstKeys = blocks.map { max(kernel.seen(by: $0).lowerBound, lowest) }
    let lastKeys = blocks.map { kernel.seen(by: $0).upperBound }
    for run in kernel.runs where run.rows.overlaps(visible) {
      let keys = run.rows
      kernel.pack(
        kernel.view(pass.k[run.block], unit, head: unit.kvHead, keys), unit, wide: plan.wideKeys,
        transposed: plan.kPanels)
      if pass.output != nil {
        kernel.pack(
          kernel.view(pass.v[run.block], unit, head: unit.kvHead, keys), unit, wide: plan.wideKeys,
          columns: plan.vColumns)
      }
      unit.each(of: tiles) { slot, index in
        let (member, number) = index.quotientAndRemainder(dividingBy: blocks.count)
        guard keys.lowerBound < lastKeys[number], firstKeys[number] < keys.upperBound else {
          return
        }
        let isFirst = keys.contains(firstKeys[number])
        var tile = unsafe tile(unit, member, blocks[number], keys, span, slot: slot)
        unsafe tile.is_first = isFirst ? 1 : 0
        unsafe kernel.tiles.forward(&tile)
      }
    }
    unit.each(of: tiles) { slot, index in
      let (member, number) = index.quotientAndRemainder(dividingBy: blocks.count)
      finish(unit, member, blocks[number], span, slot: slot)
    }
  }

  /// Where a tile's output is summed: in the output itself where that is float32.
  private func output(
    _ unit: TiledKernel.Unit, _ member: Int, _ rows: Range<Int>, _ span: Range<Int>
  ) -> ballast_rows {
    guard let output = pass.output else { return unsafe ballast_rows(start: nil, stride: 0) }
    let view = kernel.view(output, unit, head: kernel.head(unit, member), rows)
    if view.isFloat { return unsafe view.floats }
    return unsafe kernel.rowSums(unit, member, rows, span)
  }

  private func tile(
    _ unit: TiledKernel.Unit, _ member: Int, _ rows: Range<Int>, _ keys: Range<Int>,
    _ span: Range<Int>, slot: Int
  ) -> ballast_forward {
    let head = kernel.head(unit, member)
    let q = kernel.view(pass.q, unit, head: head, rows)
    let first = kernel.row(member, rows, span)
    return unsafe ballast_forward(
      tile: kernel.tile(rows, keys, unit, head: head),
      q: kernel.rows(of: q, kernel.place(plan.wideQ, slot: slot)),
      q_room: kernel.place(plan.wideQ, slot: slot),
      k_panels: kernel.place(plan.kPanels, slot: unit.slot),
      v_columns: pass.output == nil ? nil : kernel.place(plan.vColumns, slot: unit.slot),
      scores: kernel.place(plan.scores, slot: slot), output: output(unit, member, rows, span),
      maxima: kernel.place(plan.maxima, slot: unit.slot) + first,
      sums: kernel.place(plan.sums, slot: unit.slot) + first, is_first: 0)
  }

  private func finish(
    _ unit: TiledKernel.Unit, _ member: Int, _ rows: Range<Int>, _ span: Range<Int>, slot: Int
  ) {
    var tile = unsafe tile(unit, member, rows, rows, span, slot: slot)
    let statistic = unsafe pass.kept.logSumExp.map {
      unsafe kernel.statistic($0, unit, head: kernel.head(unit, member), rows)
    }
    unsafe kernel.tiles.finish(&tile, statistic)
    guard let output = pass.output else { return }
    let view = kernel.view(output, unit, head: kernel.head(unit, member), rows)
    if !view.isFloat { unsafe view.take(tile.output, accumulates: false) }
  }
}
