internal import CKernels
import Tensors

/// Attention whose probabilities are kept, in float32: tiles of whole rows, some rows at a time.
///
/// ```
///   pack k, v of all keys          forward:   S = q kᵀ in place of P    P = softmax(S)    o = P v
///   for each tile of whole rows    backward:  dP = do vᵀ    dS = scale · P (dP − D)
///                                             dq = dS k     dv += Pᵀ do    dk += dSᵀ q
/// ```
///
/// Rows are few enough to stay in the second-level cache between the products.
struct TiledWhole {
  private let kernel: TiledKernel
  private let plan: Plan
  /// Where each run begins among the packed keys.
  private let starts: [Int]

  /// Where things stand in a slot; the packed keys are as long as the keys.
  struct Plan {
    let tiled: TiledPlan
    /// Keys of all runs, each run padded.
    let packed: Int
    /// Rows of a tile.
    var rows: Int { tiled.rows }
    let panels: Int
    let columns: Int
    let scores: Int
    let qColumns: Int
    let dOColumns: Int

    init(of pass: AttentionForward, _ tiling: AttentionTiling) {
      self.init(
        pass.attention, batch: pass.q.extent(0), pass.rows,
        packed: KeyRun.padded(pass.blocks, atMost: TiledWhole.runLength),
        keepsScores: pass.kept.probabilities == nil, isForward: true, tiling)
    }

    init(of pass: AttentionBackward, _ tiling: AttentionTiling) {
      self.init(
        pass.attention, batch: pass.dO.extent(0), pass.rows,
        packed: KeyRun.padded(
          pass.blocks, sinks: pass.dk + pass.dv, atMost: TiledWhole.runLength),
        keepsScores: pass.needsScores, isForward: false, tiling)
    }

    private init(
      _ attention: Attention, batch: Int, _ rows: Range<Int>, packed end: Int, keepsScores: Bool,
      isForward: Bool, _ tiling: AttentionTiling
    ) {
      packed = end
      let geometry = attention.geometry
      let width = TiledPlan.padded(geometry.dHead)
      // Twelve is a multiple of every strip.
      let most = max(12, 98_304 / max(end, 1) / 12 * 12)
      var tiled = TiledPlan(
        whole: attention, batch: batch, of: rows.count, keys: end,
        rows: min(max(rows.count, 1), most, tiling.rows, 96))
      panels = tiled.take(end * geometry.dHead)
      columns = tiled.take(end * width)
      // Room never shrinks as keys are added, though tiles do: shapes count chunks by that.
      let mostRows = min(max(rows.count, 1), tiling.rows, 96)
      scores = keepsScores ? tiled.take(min(mostRows * end, max(98_304, 12 * end))) : 0
      qColumns = isForward ? 0 : tiled.take(mostRows * width)
      dOColumns = isForward ? 0 : tiled.take(mostRows * width)
      self.tiled = tiled
    }

    var bytes: Int { tiled.bytes }
  }

  private init(
    _ attention: Attention, _ plan: Plan, rows: Range<Int>, runs: [KeyRun], scratch: Tensor?
  ) {
    self.plan = plan
    kernel = TiledKernel(
      attention, plan.tiled, rows: rows, runs: runs, dtype: .float32, scratch: scratch)
    var end = 0
    starts = runs.map { run in
      defer { end += TiledPlan.padded(run.rows.count) }
      return end
    }
    precondition(end == plan.packed, "the plan is of other keys")
  }

  /// Keys that are packed together.
  private static let runLength = 256
  private var runs: [KeyRun] { kernel.runs }

  private var geometry: HeadGeometry { kernel.geometry }

  /// The parts of a tile of whole rows: the runs that some of its rows see.
  private func parts(_ rows: Range<Int>) -> [(run: KeyRun, index: Int)] {
    let seen = kernel.seen(by: rows)
    return runs.enumerated().filter { $0.element.rows.overlaps(seen) }.map {
      ($0.element, $0.offset)
    }
  }

  /// The first key there is, where every row of scores begins.
  private var firstKey: Int { runs.first?.rows.lowerBound ?? 0 }

  /// The keys of a tile of whole rows: as far as a strip of products reaches at its last one.
  private func keys(_ rows: Range<Int>) -> Range<Int> {
    let last = runs.last?.rows.upperBound ?? 0
    let end = kernel.seen(by: rows).upperBound + TiledPlan.pad
    return firstKey..<max(firstKey, min(end, last))
  }

  // MARK: Forward

  static func run(_ pass: AttentionForward, _ tiling: AttentionTiling, scratch: Tensor?) {
    let whole = TiledWhole(
      pass.attention, Plan(of: pass, tiling), rows: pass.rows,
      runs: KeyRun.all(of: pass.blocks, atMost: runLength), scratch: scratch)
    whole.kernel.forEachUnit { unit in
      for (run, start) in zip(whole.runs, whole.starts) {
        whole.pack(pass.k[run.block], run, unit, transposed: start)
        if pass.output != nil { whole.pack(pass.v[run.block], run, unit, columns: start) }
      }
      let blocks = pass.rows.pieces(of: whole.plan.rows)
      unit.parts(of: blocks.count * whole.geometry.groupSize, unit: 1) { slot, indices in
        for index in indices {
          let (member, number) = index.quotientAndRemainder(dividingBy: blocks.count)
          whole.forward(pass, unit, member, blocks[number], slot: slot)
        }
      }
    }
  }

  private func forward(
    _ pass: AttentionForward, _ unit: TiledKernel.Unit, _ member: Int, _ rows: Range<Int>, slot: Int
  ) {
    let head = kernel.head(unit, member)
    let q = unsafe kernel.view(pass.q, unit, head: head, rows).floats
    // [rows, keys], in the tensor that is kept or in the slot.
    let (scores, pitch) =
      unsafe pass.kept.probabilities.map {
        unsafe (probabilities($0, unit, head, rows), $0.strides[2])
      } ?? (kernel.place(plan.scores, slot: slot), plan.packed)
    for (run, index) in parts(rows) {
      var tile = kernel.tile(rows, run.rows, pitch: pitch)
      let panels = unsafe kernel.place(plan.panels, slot: unit.slot)
      unsafe kernel.table.scores(
        &tile, q, panels + starts[index] * geometry.dHead,
        scores + (run.rows.lowerBound - firstKey))
    }
    var tile = kernel.tile(rows, keys(rows), pitch: pitch)
    let statistic = unsafe pass.kept.logSumExp.map {
      unsafe kernel.statistic($0, unit, head: head, rows)
    }
    unsafe kernel.table.softmax(&tile, scores, statistic)
    guard let output = pass.output else { return }
    let sums = unsafe kernel.view(output, unit, head: head, rows).floats
    for (number, (run, index)) in parts(rows).enumerated() {
      var tile = kernel.tile(rows, run.rows, pitch: pitch)
      let columns = unsafe kernel.place(plan.columns, slot: unit.slot)
      unsafe kernel.table.weigh(
        &tile, scores + (run.rows.lowerBound - firstKey),
        columns + starts[index] * TiledPlan.padded(geometry.dHead), sums, number > 0 ? 1 : 0)
    }
  }

  // MARK: Backward

  static func run(
    _ pass: AttentionBackward, probabilities: Tensor, _ tiling: AttentionTiling, scratch: Tensor?
  ) {
    let whole = TiledWhole(
      pass.attention, Plan(of: pass, tiling), rows: pass.rows,
      runs: KeyRun.all(of: pass.blocks, dk: pass.dk, dv: pass.dv, atMost: runLength),
      scratch: scratch)
    whole.kernel.forEachUnit { unit in
      for (run, start) in zip(whole.runs, whole.starts) {
        if pass.needsScores { whole.pack(pass.v[run.block], run, unit, transposed: start) }
        if pass.dq != nil { whole.pack(pass.k[run.block], run, unit, columns: start) }
      }
      var isTouched = Array(repeating: false, count: whole.runs.count)
      for member in 0..<whole.geometry.groupSize {
        for rows in pass.rows.pieces(of: whole.plan.rows) {
          whole.backward(pass, probabilities, unit, member, rows, &isTouched)
        }
      }
      for (run, _) in zip(whole.runs, isTouched).filter({ !$1 }) {
        for sink in [run.dk, run.dv].compactMap({ $0 }) where !sink.accumulates {
          whole.kernel.view(sink.sum, unit, head: unit.kvHead, run.rows).clear()
        }
      }
    }
  }

  private func backward(
    _ pass: AttentionBackward, _ kept: Tensor, _ unit: TiledKernel.Unit, _ member: Int,
    _ rows: Range<Int>, _ isTouched: inout [Bool]
  ) {
    let head = kernel.head(unit, member)
    let parts = parts(rows)
    let p = unsafe probabilities(kept, unit, head, rows)
    let ds = unsafe kernel.place(plan.scores, slot: unit.slot)
    let dO = unsafe kernel.view(pass.dO, unit, head: head, rows).floats
    if pass.needsScores {
      unit.parts(of: rows.count, unit: Int(kernel.tiles.strip)) { _, range in
        let some = rows.lowerBound + range.lowerBound..<rows.lowerBound + range.upperBound
        unsafe scoreGradient(
          pass, unit, head, some, parts, p + range.lowerBound * kept.strides[2], kept.strides[2],
          ds + range.lowerBound * plan.packed)
      }
    }
    let count = Int32(rows.count)
    let (qColumns, dOColumns) = unsafe (
      kernel.place(plan.qColumns, slot: unit.slot), kernel.place(plan.dOColumns, slot: unit.slot)
    )
    if !pass.dv.isEmpty {
      unsafe kernel.tiles.columns(dO, count, Int32(geometry.dHead), 0, count, dOColumns)
    }
    if !pass.dk.isEmpty, let q = pass.q {
      unsafe kernel.tiles.columns(
        kernel.view(q, unit, head: head, rows).floats, count, Int32(geometry.dHead), 0, count,
        qColumns)
    }
    let wasTouched = isTouched
    for (_, index) in parts { isTouched[index] = true }
    unit.parts(of: parts.count, unit: 1) { _, range in
      for (run, index) in parts[range] {
        let adds = wasTouched[index]
        let offset = run.rows.lowerBound - firstKey
        if let sink = run.dv {
          var tile = kernel.tile(rows, run.rows, pitch: kept.strides[2])
          unsafe kernel.table.gather(
            &tile, p + offset, dOColumns,
            kernel.view(sink.sum, unit, head: unit.kvHead, run.rows).floats,
            adds || sink.accumulates ? 1 : 0)
        }
        if let sink = run.dk {
          var tile = kernel.tile(rows, run.rows, pitch: plan.packed)
          unsafe kernel.table.gather(
            &tile, ds + offset, qColumns,
            kernel.view(sink.sum, unit, head: unit.kvHead, run.rows).floats,
            adds || sink.accumulates ? 1 : 0)
        }
      }
    }
  }

  /// dS of some rows, and their dq.
  private func scoreGradient(
    _ pass: AttentionBackward, _ unit: TiledKernel.Unit, _ head: Int, _ rows: Range<Int>,
    _ parts: [(run: KeyRun, index: Int)], _ p: UnsafePointer<Float>, _ pitch: Int,
    _ ds: UnsafeMutablePointer<Float>
  ) {
    let dO = unsafe kernel.view(pass.dO, unit, head: head, rows).floats
    for (run, index) in parts {
      var tile = kernel.tile(rows, run.rows, pitch: plan.packed)
      let panels = unsafe kernel.place(plan.panels, slot: unit.slot)
      unsafe kernel.table.scores(
        &tile, dO, panels + starts[index] * geometry.dHead,
        ds + (run.rows.lowerBound - firstKey))
    }
    var tile = kernel.tile(rows, keys(rows), pitch: plan.packed)
    unsafe kernel.table.score_gradient(&tile, p, pitch, ds)
    guard let dq = pass.dq else { return }
    let sums = unsafe kernel.view(dq.sum, unit, head: head, rows).floats
    for (number, (run, index)) in parts.enumerated() {
      var tile = kernel.tile(rows, run.rows, pitch: plan.packed)
      let columns = unsafe kernel.place(plan.columns, slot: unit.slot)
      unsafe kernel.table.weigh(
        &tile, ds + (run.rows.lowerBound - firstKey),
        columns + starts[index] * TiledPlan.padded(geometry.dHead), sums,
        number > 0 || dq.accumulates ? 1 : 0)
    }
  }

  // MARK: Views

  private func pack(
    _ x: Tensor, _ run: KeyRun, _ unit: TiledKernel.Unit, transposed: Int? = nil,
    columns: Int? = nil
  ) {
    kernel.pack(
      kernel.view(x, unit, head: unit.kvHead, run.rows), unit,
      transposed: transposed.map { plan.panels + $0 * geometry.dHead },
      columns: columns.map { plan.columns + $0 * TiledPlan.padded(geometry.dHead) })
  }

  /// Rows of a head in `[batch, heads, rows, keys]`.
  @unsafe private func probabilities(
    _ x: Tensor, _ unit: TiledKernel.Unit, _ head: Int, _ rows: Range<Int>
  ) -> UnsafeMutablePointer<Float> {
    let offset =
      unit.sequence * x.strides[0] + head * x.strides[1]
      + (rows.lowerBound - x.shape[2].start) * x.strides[2] + firstKey - x.shape[3].start
    return unsafe x.address.assumingMemoryBound(to: Float.self) + offset
  }
}
