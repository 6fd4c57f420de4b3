import Tensors

/// How a fused pass is cut for the tiles of `CKernels`, and where things stand in its scratch.
///
/// ```
///   unit   one sequence's KV head and the query heads that share it: what one thread works on
///   span   so many rows of a unit at a time, for which keys and values are packed once
///   tile   rows × keys of a query head, small enough for the second-level cache
/// ```
///
/// Scratch is one slot for each unit that may run at once. It grows with neither rows nor keys, and
/// not with the number of threads either: a step takes the same bytes on every machine.
struct TiledPlan {
  /// What the tiles of `CKernels` are padded to.
  static let pad = 64
  /// Units at a time at most, and slots at least: few units are divided among threads by tiles.
  static let slots = 8...64

  /// Rows and keys of a tile, and rows of a span.
  let rows: Int
  let keys: Int
  let span: Int
  let units: Int
  let slots: Int
  private let geometry: HeadGeometry
  private let isFloat: Bool

  /// Elements of a slot.
  private(set) var elements = 0
  // Where each stands in a slot.
  private(set) var kPanels = 0
  private(set) var vPanels = 0
  private(set) var kColumns = 0
  private(set) var vColumns = 0
  private(set) var qColumns = 0
  private(set) var dOColumns = 0
  private(set) var scores = 0
  private(set) var gradient = 0
  private(set) var maxima = 0
  private(set) var sums = 0
  /// Float32 sums of what is stored otherwise: the output or dq of a span, dk and dv of keys.
  private(set) var rowSums = 0
  private(set) var dk = 0
  private(set) var dv = 0
  /// Float32 copies of rows and keys in another dtype.
  private(set) var wideQ = 0
  private(set) var wideDO = 0
  private(set) var wideOutput = 0
  private(set) var wideKeys = 0
  /// Pᵀ and dSᵀ in bfloat16.
  private(set) var pTurned = 0
  private(set) var dsTurned = 0

  /// Bytes of all slots.
  var bytes: Int { slots * elements * 4 }

  init(of pass: AttentionForward, _ tiling: AttentionTiling) {
    self.init(
      pass.attention, batch: pass.q.extent(0), pass.rows, pass.blocks, pass.q.dtype, tiling)
    let d = geometry.dHead
    kPanels = take(keys * panelWidth)
    scores = take(roomRows * keys)
    maxima = take(geometry.groupSize * span)
    sums = take(geometry.groupSize * span)
    if pass.output != nil { vColumns = take(keys * width) }
    guard pass.q.dtype != .float32 else { return }
    wideQ = take(roomRows * width)
    wideKeys = take(keys * d)
    if pass.output != nil { rowSums = take(geometry.groupSize * span * d) }
  }

  init(of pass: AttentionBackward, _ tiling: AttentionTiling) {
    self.init(
      pass.attention, batch: pass.dO.extent(0), pass.rows, pass.blocks, pass.dO.dtype, tiling)
    let d = geometry.dHead
    kPanels = take(keys * panelWidth)
    scores = take(roomRows * keys)
    if pass.needsScores {
      vPanels = take(keys * panelWidth)
      gradient = take(roomRows * keys)
    }
    if let dq = pass.dq {
      kColumns = take(keys * width)
      if dq.sum.dtype != .float32 { rowSums = take(geometry.groupSize * span * d) }
    }
    if !pass.dk.isEmpty {
      qColumns = take(roomRows * width)
      if pass.dk.contains(where: { $0.sum.dtype != .float32 }) { dk = take(keys * d) }
    }
    if !pass.dv.isEmpty {
      dOColumns = take(roomRows * width)
      if pass.dv.contains(where: { $0.sum.dtype != .float32 }) { dv = take(keys * d) }
    }
    guard pass.dO.dtype != .float32 else { return }
    wideQ = take(roomRows * width)
    wideDO = take(roomRows * width)
    wideKeys = take(keys * d)
    if pass.needsScores { wideOutput = take(rows * d) }
    if !pass.dv.isEmpty { pTurned = take(roomRows * keys / 2) }
    if !pass.dk.isEmpty { dsTurned = take(roomRows * keys / 2) }
  }

  private init(
    _ attention: Attention, batch: Int, _ rows: Range<Int>, _ blocks: [Range<Int>], _ dtype: DType,
    _ tiling: AttentionTiling
  ) {
    geometry = attention.geometry
    isFloat = dtype == .float32
    let count = max(rows.count, 1)
    units = batch * geometry.kvHeads
    let all = blocks.reduce(0) { $0 + $1.count }
    slots = Self.slots(for: units, geometry, pairs: Double(count) * Double(all))
    keys = Self.padded(max(1, min(all, tiling.keys, 256)))
    // Fewer rows where there would be too few tiles for several threads.
    let isShort = units * geometry.groupSize * ((count + 95) / 96) < 16
    self.rows = min(count, tiling.rows, isShort ? (isFloat ? 48 : 64) : 96)
    // Keys are packed once for some hundred rows; the sums of a span stay below 512 KiB.
    let most = min(131_072 / max(geometry.groupSize * geometry.dHead, 1), 1920)
    span = min(count, max(most / self.rows, 1) * self.rows)
  }

  /// The padded width of a head.
  private var width: Int { Self.padded(geometry.dHead) }

  /// What a row of packed keys takes, and rows of a tile: tiles of bfloat16 are whole squares.
  private var panelWidth: Int { isFloat ? geometry.dHead : width }
  private var roomRows: Int { isFloat ? rows : Self.padded(rows) }

  static func padded(_ count: Int) -> Int { (count + pad - 1) / pad * pad }

  /// Tiles of whole rows, with nothing in a slot yet.
  init(whole attention: Attention, batch: Int, of count: Int, keys all: Int, rows: Int) {
    (geometry, isFloat) = (attention.geometry, true)
    self.rows = rows
    (keys, span) = (0, rows)
    units = batch * geometry.kvHeads
    slots = Self.slots(for: units, geometry, pairs: Double(count) * Double(all))
  }

  /// One slot where threads would cost more than they save.
  private static func slots(for units: Int, _ geometry: HeadGeometry, pairs: Double) -> Int {
    let work = Double(units * geometry.groupSize * geometry.dHead) * pairs
    return work < 0x1p18 ? 1 : min(max(units, slots.lowerBound), slots.upperBound)
  }

  /// Room for so many elements, from a multiple of 64 bytes on.
  mutating func take(_ count: Int) -> Int {
    defer { elements += (count + 15) / 16 * 16 }
    return elements
  }
}

/// Neighbouring keys that are one tile wide at most, in one block and one sink of each gradient.
struct KeyRun {
  let rows: Range<Int>
  let block: Int
  let dk: GradientSink?
  let dv: GradientSink?

  /// All keys in runs, ascending.
  static func all(
    of blocks: [Range<Int>], dk: [GradientSink] = [], dv: [GradientSink] = [], atMost most: Int
  ) -> [KeyRun] {
    parts(of: blocks, sinks: dk + dv).flatMap { part in
      part.rows.pieces(of: most).map { rows in
        KeyRun(
          rows: rows, block: part.block,
          dk: dk.first { $0.sum.shape[1].rows.contains(rows.lowerBound) },
          dv: dv.first { $0.sum.shape[1].rows.contains(rows.lowerBound) })
      }
    }
  }

  /// The keys of all runs, each run padded: what packing them takes, without making the runs.
  static func padded(
    _ blocks: [Range<Int>], sinks: [GradientSink] = [], atMost most: Int
  ) -> Int {
    parts(of: blocks, sinks: sinks).reduce(0) { sum, part in
      let (whole, rest) = part.rows.count.quotientAndRemainder(dividingBy: most)
      return sum + whole * TiledPlan.padded(most) + TiledPlan.padded(rest)
    }
  }

  /// The blocks, cut where a sink begins or ends.
  private static func parts(
    of blocks: [Range<Int>], sinks: [GradientSink]
  ) -> [(rows: Range<Int>, block: Int)] {
    let ends = sinks.map(\.sum.shape[1].rows).flatMap { [$0.lowerBound, $0.upperBound] }
    return blocks.enumerated().flatMap { index, block in
      let cuts = Set(ends.filter { block.lowerBound < $0 && $0 < block.upperBound }).sorted()
      return zip([block.lowerBound] + cuts, cuts + [block.upperBound]).map { ($0..<$1, index) }
    }
  }
}
