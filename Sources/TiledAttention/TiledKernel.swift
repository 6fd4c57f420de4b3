internal import CKernels
import Tensors
import Threading

/// What both directions of a tiled pass share: units, slots, and views for C.
@safe struct TiledKernel {
  let attention: Attention
  let plan: TiledPlan
  let rows: Range<Int>
  let runs: [KeyRun]
  private let scratch: UnsafeMutablePointer<Float>
  let table: ballast_kernel_table
  /// The kernels of tiles whose rows are of the pass's dtype, or of float32.
  let tiles: ballast_tiles

  var geometry: HeadGeometry { attention.geometry }

  init(
    _ attention: Attention, _ plan: TiledPlan, rows: Range<Int>, runs: [KeyRun], dtype: DType,
    scratch: Tensor?
  ) {
    self.attention = attention
    self.plan = plan
    self.rows = rows
    self.runs = runs
    guard let scratch, scratch.count * scratch.dtype.size >= plan.bytes,
      let table = unsafe ballast_kernels()
    else { preconditionFailure("tiles need their scratch") }
    unsafe self.scratch = scratch.address.assumingMemoryBound(to: Float.self)
    unsafe self.table = table.pointee
    tiles = unsafe dtype == .bfloat16 ? halfTiles ?? self.table.tiles : self.table.tiles
  }

  /// Elements of a slot from a place on.
  @unsafe func place(_ offset: Int, slot: Int) -> UnsafeMutablePointer<Float> {
    unsafe scratch + (slot * plan.elements + offset)
  }

  // MARK: Threads

  /// Calls `body` with every sequence and KV head, each unit in a slot of its own.
  ///
  /// Where there are enough of them they run at the same time; threads without one divide the tiles
  /// of another's. Every sum has its order whoever computes it.
  func forEachUnit(_ body: (_ unit: Unit) -> Void) {
    let threads = min(Threads.count, plan.slots)
    func run(_ index: Int, slot: Int) {
      body(
        Unit(
          sequence: index / geometry.kvHeads, kvHead: index % geometry.kvHeads, slot: slot,
          threads: threads))
    }
    if plan.units >= threads {
      Threads.parallel(tasks: plan.units, threads: threads) { run($0, slot: $1) }
    } else {
      for index in 0..<plan.units { run(index, slot: 0) }
    }
  }

  /// One sequence's KV head, in the slot of the thread that it belongs to.
  struct Unit {
    let sequence: Int
    let kvHead: Int
    let slot: Int
    /// The most threads that divide its tiles.
    let threads: Int

    /// Whether other threads would divide a tile now.
    var hasHelp: Bool { threads > 1 && Threads.free > 1 }

    /// Parts of `0..<count`, each a multiple of `unit` but the last, at the same time.
    ///
    /// A part's slot is its thread's.
    func parts(of count: Int, unit: Int, _ body: (_ slot: Int, Range<Int>) -> Void) {
      guard hasHelp else { return body(slot, 0..<count) }
      let blocks = (count + unit - 1) / unit
      let tasks = min(4 * Threads.free, blocks)
      Threads.parallel(tasks: tasks, threads: threads) { task, thread in
        let first = blocks * task / tasks * unit
        body(thread, first..<min(blocks * (task + 1) / tasks * unit, count))
      }
    }

    /// Each of `0..<count` by a thread that is free when its turn comes.
    func each(of count: Int, _ body: (_ slot: Int, Int) -> Void) {
      Threads.parallel(tasks: count, threads: threads) { task, thread in body(thread, task) }
    }
  }

  /// Calls `body` with every unit and span of rows, for which keys are packed once.
  func forEachSpan(_ body: (_ unit: Unit, _ span: Range<Int>) -> Void) {
    forEachUnit { unit in
      for span in rows.pieces(of: plan.span) { body(unit, span) }
    }
  }

  /// The query head that is a member of a unit's group.
  func head(_ unit: Unit, _ member: Int) -> Int { unit.kvHead * geometry.groupSize + member }

  /// The keys that some of the rows see, from the first to the last.
  func seen(by rows: Range<Int>) -> Range<Int> {
    let keys = attention.layout.keys(seenBy: rows, window: attention.window)
    return (keys.first?.lowerBound ?? 0)..<(keys.last?.upperBound ?? 0)
  }

  // MARK: Views

  /// Rows of a head of `[batch, rows, heads · d_head]`.
  func view(_ x: Tensor, _ unit: Unit, head: Int, _ rows: Range<Int>) -> HeadView {
    precondition(x.strides[2] == 1 || x.extent(2) == 1, "a head's elements are neighbours")
    let offset =
      unit.sequence * x.strides[0] + (rows.lowerBound - x.shape[1].start) * x.strides[1]
      + head * geometry.dHead
    return unsafe HeadView(
      start: x.address + offset * x.dtype.size, stride: x.strides[1], rows: rows.count,
      width: geometry.dHead, isFloat: x.dtype == .float32)
  }

  /// The statistic of a head's rows in `[batch, heads, rows]`.
  @unsafe func statistic(
    _ x: Tensor, _ unit: Unit, head: Int, _ rows: Range<Int>
  ) -> UnsafeMutablePointer<Float> {
    precondition(x.strides[2] == 1 || x.extent(2) == 1, "a statistic's rows are neighbours")
    let offset =
      unit.sequence * x.strides[0] + head * x.strides[1] + rows.lowerBound - x.shape[2].start
    return unsafe x.address.assumingMemoryBound(to: Float.self) + offset
  }

  /// A tile's sizes and mask; `pitch` is that of whole rows of scores, if it is a part of them.
  func tile(_ rows: Range<Int>, _ keys: Range<Int>, pitch: Int? = nil) -> ballast_tile {
    ballast_tile(
      rows: Int32(rows.count), keys: Int32(keys.count), width: Int32(geometry.dHead),
      pitch: Int32(pitch ?? TiledPlan.padded(keys.count)), is_tight: pitch == nil ? 0 : 1,
      lead: Int64(attention.lead(rows: rows, keys: keys)), window: Int64(attention.window ?? 0),
      scale: geometry.scale, drops: 0, dropout: ballast_dropout(), number: 0, numbers: 0)
  }

  /// The same of a query head, with what is dropped from its probabilities.
  func tile(
    _ rows: Range<Int>, _ keys: Range<Int>, _ unit: Unit, head: Int
  ) -> ballast_tile {
    var tile = tile(rows, keys)
    guard let dropout = attention.dropout else { return tile }
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= dropout.sequenceLength
        && keys.lowerBound >= 0 && keys.upperBound <= dropout.sequenceLength,
      "a row or a key lies outside its sequence")
    (tile.drops, tile.dropout) = (1, ballast_dropout(dropout))
    tile.number = UInt64(
      dropout.number(
        outer: unit.sequence * geometry.heads + head, row: rows.lowerBound, key: keys.lowerBound))
    tile.numbers = UInt64(dropout.sequenceLength)
    return tile
  }

  /// Where a span's rows of a query head begin among those of its unit, in rows.
  func row(_ member: Int, _ rows: Range<Int>, _ span: Range<Int>) -> Int {
    member * plan.span + rows.lowerBound - span.lowerBound
  }

  /// The float32 sums of some rows of a span, `[rows, d_head]`, for a tensor of another dtype.
  func rowSums(
    _ unit: Unit, _ member: Int, _ rows: Range<Int>, _ span: Range<Int>
  ) -> ballast_rows {
    unsafe ballast_rows(
      start: place(plan.rowSums, slot: unit.slot) + row(member, rows, span) * geometry.dHead,
      stride: geometry.dHead)
  }

  /// Rows as the tiles take them: where they are, or as float32 in `room`.
  @unsafe func rows(of x: HeadView, _ room: UnsafeMutablePointer<Float>) -> ballast_rows {
    let isHalf = tiles.type == Int32(BALLAST_BF16)
    precondition(!isHalf || !x.isFloat, "tiles take rows of one type")
    return unsafe isHalf ? x.halves : x.widened(into: room)
  }

  // MARK: Keys

  /// Packs keys, or values, of a run for the products of its tiles.
  ///
  /// `wide` is room for a copy where they are not float32.
  func pack(
    _ x: HeadView, _ unit: Unit, wide: Int = 0, transposed: Int? = nil, columns: Int? = nil
  ) {
    let rows = unsafe rows(of: x, place(wide, slot: unit.slot))
    let (count, width) = (Int32(x.rows), Int32(x.width))
    if let transposed {
      unsafe tiles.transpose(rows, count, width, place(transposed, slot: unit.slot))
    }
    if let columns {
      unsafe tiles.columns(rows, count, width, 0, count, place(columns, slot: unit.slot))
    }
  }
}

/// The tiles that take rows of bfloat16 as they are, where this processor has such.
private let halfTiles: ballast_tiles? = {
  guard let tiles = unsafe ballast_half_tiles() else { return nil }
  return unsafe tiles.pointee
}()

extension ballast_dropout {
  init(_ dropout: Dropout) {
    self.init(key: dropout.key, threshold: dropout.threshold, scale: dropout.scale)
  }
}

extension TiledAttention {
  /// Whether tiles multiply bfloat16 here, without a copy in float32.
  package static let multipliesBFloat16 = halfTiles != nil
}

/// The kernels over runs, those of this processor.
private let runs: ballast_runs = {
  guard let table = unsafe ballast_kernels() else { preconditionFailure("there are no kernels") }
  return unsafe table.pointee.runs
}()

/// Rows of one head in a tensor.
@safe struct HeadView {
  let start: UnsafeMutableRawPointer
  let stride: Int
  let rows: Int
  let width: Int
  let isFloat: Bool

  /// The rows where they are; they are float32.
  var floats: ballast_rows {
    precondition(isFloat)
    return unsafe ballast_rows(
      start: start.assumingMemoryBound(to: Float.self), stride: stride)
  }

  /// The rows where they are, for kernels that know them to be bfloat16; the stride is in those.
  var halves: ballast_rows {
    precondition(!isFloat)
    return unsafe ballast_rows(start: start.assumingMemoryBound(to: Float.self), stride: stride)
  }

  /// The rows as float32: where they are, or copied to `room`.
  func widened(into room: UnsafeMutablePointer<Float>) -> ballast_rows {
    if isFloat { return unsafe floats }
    let (half, float) = (Int32(BALLAST_BF16), Int32(BALLAST_F32))
    for row in 0..<rows {
      unsafe runs.convert(half, start + 2 * row * stride, float, room + row * width, width)
    }
    return unsafe ballast_rows(start: room, stride: width)
  }

  /// Writes float32 rows here as bfloat16, or adds them.
  func take(_ sums: ballast_rows, accumulates: Bool) {
    let (half, float) = (Int32(BALLAST_BF16), Int32(BALLAST_F32))
    for row in 0..<rows {
      let (sum, target) = unsafe (sums.start + row * sums.stride, start + 2 * row * stride)
      if accumulates {
        unsafe runs.add(float, sum, half, target, width)
      } else {
        unsafe runs.convert(float, sum, half, target, width)
      }
    }
  }

  /// Writes zeros.
  func clear() {
    let bytes = width * (isFloat ? 4 : 2)
    for row in 0..<rows {
      unsafe (start + row * stride * (isFloat ? 4 : 2)).initializeMemory(
        as: UInt8.self, repeating: 0, count: bytes)
    }
  }
}
