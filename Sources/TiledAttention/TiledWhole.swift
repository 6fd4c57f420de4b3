internal import CKernels
import Tensors

/// Attention whose probabilities are kept, in float32: tiles of whole rows, some rows at a time.
///
/// ```
///   pack k, v of all keys
///   forward, for each tile     S = q kᵀ in place of P    P = softmax(S)    o = P v
///   backward, for each tile    dP = do vᵀ    D = Σ P · dP / Σ P
///     for each run of keys     dS = scale · P (dP − D)    dq += dS k    dv += Pᵀ do    dk += dSᵀ q
/// ```
///
/// Forward, rows are few enough for their scores to stay in the second-level cache; backward, for
/// those of a run.
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
    /// Σ P · dP and Σ P of a tile's rows, `[rows, 2]`.
    let dots: Int

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
      // Scores of a tile: forward goes over all of them three times, backward over those of a run.
      let room = isForward ? 98_304 : 262_144
      // Twelve is a multiple of every strip.
      let most = max(12, room / max(end, 1) / 12 * 12)
      var tiled = TiledPlan(
        whole: attention, batch: batch, of: rows.count, keys: end,
        rows: min(max(rows.count, 1), most, tiling.rows, 96))
      panels = tiled.take(end * geometry.dHead)
      columns = tiled.take(end * width)
      // Room never shrinks as keys are added, though tiles do: shapes count chunks by that.
      let mostRows = min(max(rows.count, 1), tiling.rows, 96)
      scores = keepsScores ? tiled.take(min(mostRows * end, max(room, 12 * end))) : 0
      qColumns = isForward ? 0 : tiled.take(mostRows * width)
      dOColumns = isForward ? 0 : tiled.take(mostRows * width)
      dots = isForward ? 0 : tiled.take(2 * mostRows)
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

  /// A run, and its number among all.
  private typealias Part = (run: KeyRun, index: Int)

  /// The parts of a tile of whole rows: the runs that some of its rows see.
  private func parts(_ rows: Range<Int>) -> [Part] {
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
      unit.each(of: blocks.count * whole.geometry.groupSize) { slot, index in
        let (member, number) = index.quotientAndRemainder(dividingBy: blocks.count)
        whole.forward(pass, unit, member, blocks[number], slot: slot)
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
    let tile = unsafe BackwardTile(
      pass: pass, head: head, rows: rows, pitch: kept.strides[2],
      p: probabilities(kept, unit, head, rows))
    let parts = parts(rows)
    let strip = Int(kernel.tiles.strip)
    if pass.needsScores {
      unit.parts(of: rows.count, unit: strip) { _, some in
        for (number, part) in parts.enumerated() {
          probabilityGradient(tile, unit, some, part, adds: number > 0)
        }
      }
    }
    columns(of: tile, unit)
    let wasTouched = isTouched
    for (_, index) in parts { isTouched[index] = true }
    // A run's keys follow its rows at once, unless threads divide both.
    if !unit.hasHelp {
      for (number, part) in parts.enumerated() {
        scoreGradient(tile, unit, 0..<rows.count, part, adds: number > 0)
        gather(tile, unit, part, adds: wasTouched[part.index])
      }
      return
    }
    unit.parts(of: rows.count, unit: strip) { _, some in
      for (number, part) in parts.enumerated() {
        scoreGradient(tile, unit, some, part, adds: number > 0)
      }
    }
    unit.each(of: parts.count) { _, number in
      gather(tile, unit, parts[number], adds: wasTouched[parts[number].index])
    }
  }

  /// Rows of a query head; `p` is `[rows, pitch]`, their probabilities from the first key on.
  @safe private struct BackwardTile {
    let pass: AttentionBackward
    let head: Int
    let rows: Range<Int>
    let pitch: Int
    let p: UnsafeMutablePointer<Float>

    /// Some of the rows, counted from the first.
    func part(_ some: Range<Int>) -> Range<Int> {
      rows.lowerBound + some.lowerBound..<rows.lowerBound + some.upperBound
    }
  }

  /// dP of some of a tile's rows and a run of keys, and what it adds to their Σ P · dP and Σ P.
  private func probabilityGradient(
    _ whole: BackwardTile, _ unit: TiledKernel.Unit, _ some: Range<Int>, _ part: Part, adds: Bool
  ) {
    let rows = whole.part(some)
    let offset = part.run.rows.lowerBound - firstKey
    let dO = unsafe kernel.view(whole.pass.dO, unit, head: whole.head, rows).floats
    var tile = kernel.tile(rows, part.run.rows, pitch: plan.packed)
    let panels = unsafe kernel.place(plan.panels, slot: unit.slot)
    let dp = unsafe kernel.place(plan.scores, slot: unit.slot) + some.lowerBound * plan.packed
    unsafe kernel.table.scores(
      &tile, dO, panels + starts[part.index] * geometry.dHead, dp + offset)
    unsafe kernel.table.row_dots(
      &tile, whole.p + some.lowerBound * whole.pitch + offset, whole.pitch, dp + offset,
      kernel.place(plan.dots, slot: unit.slot) + 2 * some.lowerBound, adds ? 1 : 0)
  }

  /// dS of some of a tile's rows and a run of keys, and what it adds to dq.
  private func scoreGradient(
    _ whole: BackwardTile, _ unit: TiledKernel.Unit, _ some: Range<Int>, _ part: Part, adds: Bool
  ) {
    guard whole.pass.needsScores else { return }
    let rows = whole.part(some)
    let offset = part.run.rows.lowerBound - firstKey
    var tile = kernel.tile(rows, part.run.rows, pitch: plan.packed)
    let ds =
      unsafe kernel.place(plan.scores, slot: unit.slot) + some.lowerBound * plan.packed + offset
    unsafe kernel.table.score_gradient(
      &tile, whole.p + some.lowerBound * whole.pitch + offset, whole.pitch,
      kernel.place(plan.dots, slot: unit.slot) + 2 * some.lowerBound, ds)
    guard let dq = whole.pass.dq else { return }
    let columns = unsafe kernel.place(plan.columns, slot: unit.slot)
    unsafe kernel.table.weigh(
      &tile, ds, columns + starts[part.index] * TiledPlan.padded(geometry.dHead),
      kernel.view(dq.sum, unit, head: whole.head, rows).floats, adds || dq.accumulates ? 1 : 0)
  }

  /// What a tile's rows add to dv and dk of a run of keys.
  private func gather(_ whole: BackwardTile, _ unit: TiledKernel.Unit, _ part: Part, adds: Bool) {
    let offset = part.run.rows.lowerBound - firstKey
    func gather(
      _ sink: GradientSink?, _ weights: UnsafeMutablePointer<Float>, _ pitch: Int, _ place: Int
    ) {
      guard let sink else { return }
      var tile = kernel.tile(whole.rows, part.run.rows, pitch: pitch)
      unsafe kernel.table.gather(
        &tile, weights + offset, kernel.place(place, slot: unit.slot),
        kernel.view(sink.sum, unit, head: unit.kvHead, part.run.rows).floats,
        adds || sink.accumulates ? 1 : 0)
    }
    unsafe gather(part.run.dv, whole.p, whole.pitch, plan.dOColumns)
    unsafe gather(
      part.run.dk, kernel.place(plan.scores, slot: unit.slot), plan.packed, plan.qColumns)
  }

  /// Packs the tile's rows of dO and q for the products with dv and dk.
  private func columns(of whole: BackwardTile, _ unit: TiledKernel.Unit) {
    func pack(_ x: Tensor?, _ place: Int) {
      guard let x else { return }
      kernel.pack(kernel.view(x, unit, head: whole.head, whole.rows), unit, columns: place)
    }
    if !whole.pass.dv.isEmpty { pack(whole.pass.dO, plan.dOColumns) }
    if !whole.pass.dk.isEmpty { pack(whole.pass.q, plan.qColumns) }
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
