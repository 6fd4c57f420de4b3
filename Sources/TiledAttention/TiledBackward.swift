internal import CKernels
import Tensors

/// Backward, tile by tile.
///
/// ```
///   for each span of rows, for each run of keys   pack k, v
///     for each query head, for each tile of rows  P   dP   dS   dq += dS k
///                                                 dv += Pᵀ do   dk += dSᵀ q
/// ```
///
/// `D` of a row is `Σ P · dP` where one tile has all that it sees, so that what cancels in `Σ dS`
/// cancels to the last place; else `do · o`. Gradients that are stored in bfloat16 are summed in
/// float32 over a span or a run, and rounded once.
struct TiledBackward {
  let pass: AttentionBackward
  let kernel: TiledKernel

  init(_ pass: AttentionBackward, _ plan: TiledPlan, scratch: Tensor?) {
    self.pass = pass
    kernel = TiledKernel(
      pass.attention, plan, rows: pass.rows,
      runs: KeyRun.all(of: pass.blocks, dk: pass.dk, dv: pass.dv, atMost: plan.keys),
      dtype: pass.dO.dtype, scratch: scratch)
  }

  private var plan: TiledPlan { kernel.plan }
  private var geometry: HeadGeometry { kernel.geometry }

  func run() { kernel.forEachSpan(run) }

  private func run(_ unit: TiledKernel.Unit, _ span: Range<Int>) {
    let blocks = span.pieces(of: plan.rows)
    let visible = kernel.seen(by: span)
    // Rows whose dq has something in it, by query head and tile.
    var started = Array(repeating: false, count: blocks.count * geometry.groupSize)
    let isFirst = span.lowerBound == kernel.rows.lowerBound
    for run in kernel.runs where isFirst || run.rows.overlaps(visible) {
      pack(run, unit)
      var sums = KeySums(run, unit, of: self, isFirst: isFirst)
      for member in 0..<geometry.groupSize {
        for (number, rows) in blocks.enumerated() {
          let seen = kernel.seen(by: rows)
          guard run.rows.overlaps(seen) else { continue }
          let hasAll =
            run.rows.lowerBound <= seen.lowerBound && seen.upperBound <= run.rows.upperBound
          let index = member * blocks.count + number
          var tile = unsafe tile(unit, member, rows, run.rows, span, hasAll: hasAll)
          if started[index] { unsafe tile.adds_dq = 1 }
          unsafe sums.offer(to: &tile)
          unsafe self.run(tile, unit)
          started[index] = true
        }
      }
      sums.finish()
    }
    guard let dq = pass.dq, dq.sum.dtype != .float32 else { return }
    for member in 0..<geometry.groupSize {
      unsafe kernel.view(dq.sum, unit, head: kernel.head(unit, member), span).take(
        kernel.rowSums(unit, member, span, span), accumulates: dq.accumulates)
    }
  }

  /// A tile's rows, then its keys, each divided among the unit's threads.
  private func run(_ tile: ballast_backward, _ unit: TiledKernel.Unit) {
    let strip = Int(kernel.tiles.strip)
    let rows = Int(unsafe tile.tile.rows)
    unit.parts(of: rows, unit: strip) { _, part in
      var tile = unsafe tile
      unsafe kernel.tiles.backward_rows(&tile, Int32(part.lowerBound), Int32(part.upperBound))
    }
    guard !pass.dk.isEmpty || !pass.dv.isEmpty else { return }
    unit.parts(of: Int(unsafe tile.tile.keys), unit: strip) { _, part in
      var tile = unsafe tile
      unsafe kernel.tiles.backward_keys(&tile, Int32(part.lowerBound), Int32(part.upperBound))
    }
  }

  private func pack(_ run: KeyRun, _ unit: TiledKernel.Unit) {
    kernel.pack(
      kernel.view(pass.k[run.block], unit, head: unit.kvHead, run.rows), unit, wide: plan.wideKeys,
      transposed: plan.kPanels, columns: pass.dq == nil ? nil : plan.kColumns)
    guard pass.needsScores else { return }
    kernel.pack(
      kernel.view(pass.v[run.block], unit, head: unit.kvHead, run.rows), unit, wide: plan.wideKeys,
      transposed: plan.vPanels)
  }

  private func tile(
    _ unit: TiledKernel.Unit, _ member: Int, _ rows: Range<Int>, _ keys: Range<Int>,
    _ span: Range<Int>, hasAll: Bool
  ) -> ballast_backward {
    guard let q = pass.q, let logSumExp = pass.kept.logSumExp else {
      preconditionFailure("probabilities are made again from q, k and the log-sum-exp")
    }
    let (slot, head) = (unit.slot, kernel.head(unit, member))
    func wide(_ x: Tensor, _ place: Int) -> ballast_rows {
      unsafe kernel.rows(
        of: kernel.view(x, unit, head: head, rows), kernel.place(place, slot: slot))
    }
    var tile = unsafe ballast_backward()
    unsafe tile.tile = kernel.tile(rows, keys, unit, head: head)
    unsafe tile.q = wide(q, plan.wideQ)
    unsafe tile.d_output = wide(pass.dO, plan.wideDO)
    unsafe (tile.q_room, tile.d_output_room) = unsafe (
      UnsafeMutableRawPointer(kernel.place(plan.wideQ, slot: slot)),
      UnsafeMutableRawPointer(kernel.place(plan.wideDO, slot: slot))
    )
    unsafe (tile.p_turned, tile.ds_turned) = unsafe (
      kernel.place(plan.pTurned, slot: slot), kernel.place(plan.dsTurned, slot: slot)
    )
    if pass.needsScores, !hasAll, let output = pass.output {
      unsafe tile.output = wide(output, plan.wideOutput)
    }
    unsafe tile.k_panels = unsafe UnsafePointer(kernel.place(plan.kPanels, slot: slot))
    if pass.needsScores {
      unsafe tile.v_panels = unsafe UnsafePointer(kernel.place(plan.vPanels, slot: slot))
      unsafe tile.ds = kernel.place(plan.gradient, slot: slot)
    }
    unsafe tile.k_columns = unsafe UnsafePointer(kernel.place(plan.kColumns, slot: slot))
    unsafe tile.q_columns = kernel.place(plan.qColumns, slot: slot)
    unsafe tile.d_output_columns = kernel.place(plan.dOColumns, slot: slot)
    unsafe tile.log_sum_exp = unsafe UnsafePointer(
      kernel.statistic(logSumExp, unit, head: head, rows))
    unsafe tile.p = kernel.place(plan.scores, slot: slot)
    if let dq = pass.dq {
      let view = kernel.view(dq.sum, unit, head: head, rows)
      unsafe tile.dq = view.isFloat ? view.floats : kernel.rowSums(unit, member, rows, span)
      unsafe tile.adds_dq = view.isFloat && dq.accumulates ? 1 : 0
    }
    return unsafe tile
  }

  /// Where dk and dv of a run are summed, and what becomes of the sums.
  @safe private struct KeySums {
    private var sides: [Side] = []

    @safe private struct Side {
      let isKeys: Bool
      let view: HeadView
      let sums: ballast_rows
      /// Whether the tensor holds something that is added to.
      let accumulates: Bool
      /// Whether the next tile adds to the sums.
      var adds: Bool
      var isTouched = false
    }

    init(_ run: KeyRun, _ unit: TiledKernel.Unit, of pass: TiledBackward, isFirst: Bool) {
      let (kernel, plan) = (pass.kernel, pass.plan)
      for (isKeys, sink, place) in [(true, run.dk, plan.dk), (false, run.dv, plan.dv)] {
        guard let sink else { continue }
        let view = kernel.view(sink.sum, unit, head: unit.kvHead, run.rows)
        let accumulates = sink.accumulates || !isFirst
        unsafe sides.append(
          Side(
            isKeys: isKeys, view: view,
            sums: view.isFloat
              ? view.floats
              : ballast_rows(
                start: kernel.place(place, slot: unit.slot), stride: kernel.geometry.dHead),
            accumulates: accumulates, adds: view.isFloat && accumulates))
      }
    }

    /// Gives a tile its sums.
    mutating func offer(to tile: inout ballast_backward) {
      for index in sides.indices {
        let side = sides[index]
        if side.isKeys {
          unsafe (tile.dk, tile.adds_dk) = unsafe (side.sums, side.adds ? 1 : 0)
        } else {
          unsafe (tile.dv, tile.adds_dv) = unsafe (side.sums, side.adds ? 1 : 0)
        }
        sides[index].adds = true
        sides[index].isTouched = true
      }
    }

    /// Rounds the sums into their tensors; writes zeros where no row saw the keys.
    func finish() {
      for side in sides {
        if !side.isTouched {
          if !side.accumulates { side.view.clear() }
        } else if !side.view.isFloat {
          unsafe side.view.take(side.sums, accumulates: side.accumulates)
        }
      }
    }
  }
}
