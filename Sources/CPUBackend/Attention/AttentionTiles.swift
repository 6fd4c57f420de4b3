import Tensors
import TiledAttention

/// The tiles of one pass: their sizes, and where in the scratch each stands, in bytes.
///
/// Where probabilities are materialized, a tile holds whole rows of them, fewer the longer they
/// are; otherwise rows are gone through key block by key block, and the scratch is bounded.
struct AttentionTiles {
  /// Sequences, KV heads, query heads, rows and keys of one tile.
  let sequences: Int
  let kvHeads: Int
  let heads: Int
  let rows: Int
  let keys: Int
  /// Scores, then probabilities, float32, `[sequences, heads, rows, keys]`.
  private(set) var scores: Int?
  /// dP, then dS, float32.
  private(set) var gradient: Int?
  /// What is multiplied, in the dtype of q: probabilities after rounding and dropout, then dS.
  private(set) var factor: Int?
  /// Sums of products with a part of the keys, float32, `[sequences, rows, heads · d_head]`.
  private(set) var partial: Int?
  /// Of each row the running maximum, or `D` in backward; and the running sum.
  private(set) var maxima: Int?
  private(set) var sums: Int?
  /// Bytes of all of them.
  private(set) var bytes = 0
  private let rowCount: Int
  /// Elements of a tile. Tiles of whole rows have room that never shrinks as keys are added, though
  /// they themselves do where fewer rows fit.
  private let tileCount: Int

  init(of pass: AttentionPass, _ tiling: AttentionTiling) {
    switch pass {
    case .forward(let pass): self.init(of: pass, tiling)
    case .backward(let pass): self.init(of: pass, tiling)
    }
  }

  init(of pass: AttentionForward, _ tiling: AttentionTiling) {
    self.init(pass.attention, batch: pass.q.extent(0), rows: pass.rows, pass.blocks, tiling)
    let isWhole = pass.attention.memory == .materialized
    let isRounded = pass.q.dtype != .float32
    let width = pass.attention.geometry.dHead
    if isWhole {
      let isKept = pass.kept.probabilities != nil
      if isRounded || !isKept { scores = take(tileCount, .float32) }
      let isDropped = pass.attention.dropout != nil && pass.kept.dropped == nil
      if pass.output != nil, isDropped || (isRounded && !isKept) {
        factor = take(tileCount, pass.q.dtype)
      }
    } else {
      scores = take(tileCount, .float32)
      if isRounded, pass.output != nil {
        factor = take(tileCount, pass.q.dtype)
        partial = take(rowCount * width, .float32)
      }
      maxima = take(rowCount, .float32)
      sums = take(rowCount, .float32)
    }
  }

  init(of pass: AttentionBackward, _ tiling: AttentionTiling) {
    self.init(pass.attention, batch: pass.dO.extent(0), rows: pass.rows, pass.blocks, tiling)
    let isWhole = pass.attention.memory == .materialized
    let isRounded = pass.dO.dtype != .float32
    let isDropped =
      pass.attention.dropout != nil && pass.kept.dropped == nil && !pass.dv.isEmpty
    if !isWhole { scores = take(tileCount, .float32) }
    if pass.needsScores { gradient = take(tileCount, .float32) }
    if isDropped || (isRounded && (pass.needsScores || !isWhole)) {
      factor = take(tileCount, pass.dO.dtype)
    }
    guard !isWhole, pass.needsScores else { return }
    maxima = take(rowCount, .float32)
    if isRounded, pass.dq != nil {
      partial = take(rowCount * pass.attention.geometry.dHead, .float32)
    }
  }

  /// Divides work whose tiles hold whole rows, or parts of them.
  private init(
    _ attention: Attention, batch: Int, rows: Range<Int>, _ blocks: [Range<Int>],
    _ tiling: AttentionTiling
  ) {
    let (geometry, isWhole) = (attention.geometry, attention.memory == .materialized)
    let (rows, keys) = (rows.count, blocks.reduce(0) { $0 + $1.count })
    let most = max(tiling.bytes / 4, 1)
    let fewest = 16
    self.keys = isWhole ? keys : min(keys, tiling.keys)
    let width = max(geometry.groupSize * self.keys, 1)
    self.rows = min(rows, tiling.rows, isWhole ? max(most / width, fewest) : tiling.rows)
    let perHead = max(width * self.rows, 1)
    kvHeads = min(max(most / perHead, 1), geometry.kvHeads)
    heads = kvHeads * geometry.groupSize
    sequences =
      kvHeads == geometry.kvHeads ? min(max(most / (perHead * kvHeads), 1), max(batch, 1)) : 1
    rowCount = sequences * heads * self.rows
    tileCount =
      isWhole
      ? min(batch * geometry.heads * min(rows, tiling.rows) * keys, max(most, fewest * width))
      : rowCount * self.keys
  }

  /// Room for so many elements, from a multiple of 64 bytes on.
  private mutating func take(_ count: Int, _ dtype: DType) -> Int {
    defer { bytes += (count * dtype.size + 63) / 64 * 64 }
    return bytes
  }
}
