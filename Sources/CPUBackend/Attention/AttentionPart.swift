import Tensors
import TiledAttention

/// A part of an attention pass: some sequences, some heads, some query rows.
struct AttentionPart {
  let geometry: HeadGeometry
  let sequences: Range<Int>
  let kvHeads: Range<Int>
  let rows: Range<Int>

  var heads: Range<Int> {
    kvHeads.lowerBound * geometry.groupSize..<kvHeads.upperBound * geometry.groupSize
  }

  /// Heads of all sequences before the first of these: either all heads take part, or one sequence.
  var outer: Int { sequences.lowerBound * geometry.heads + heads.lowerBound }

  /// Every part of a pass; rows from the last to the first if `isReversed`.
  static func all(
    _ geometry: HeadGeometry, batch: Int, rows: Range<Int>, _ tiles: AttentionTiles,
    isReversed: Bool = false
  ) -> [AttentionPart] {
    let blocks = rows.pieces(of: tiles.rows)
    return (0..<batch).pieces(of: tiles.sequences).flatMap { sequences in
      (0..<geometry.kvHeads).pieces(of: tiles.kvHeads).flatMap { kvHeads in
        (isReversed ? blocks.reversed() : blocks).map {
          AttentionPart(geometry: geometry, sequences: sequences, kvHeads: kvHeads, rows: $0)
        }
      }
    }
  }

  // MARK: Views

  /// `[batch, rows, heads · d_head]` → `[sequences, kvHeads, rows, d_head]`, member `j` of each
  /// group.
  func queries(_ x: Tensor, member j: Int) -> Tensor {
    geometry.queries(x.sliced(0, sequences).at(rows: rows), member: j).sliced(1, kvHeads)
  }

  /// `[batch, rows, kvHeads · d_head]` → `[sequences, kvHeads, keys, d_head]`.
  func keys(_ x: Tensor, _ keys: Range<Int>) -> Tensor {
    geometry.keys(x.sliced(0, sequences).at(rows: keys)).sliced(1, kvHeads)
  }

  /// `[batch, heads, rows, keys]` → `[sequences, heads, rows, keys]` of this part.
  func scores(_ x: Tensor, _ keys: Range<Int>) -> Tensor {
    x.sliced(0, sequences).sliced(1, heads).at(rows: rows, axis: 2).at(rows: keys, axis: 3)
  }

  /// `[batch, heads, rows]` → `[sequences, heads, rows]` of this part.
  func statistic(_ x: Tensor) -> Tensor {
    x.sliced(0, sequences).sliced(1, heads).at(rows: rows, axis: 2)
  }

  /// `[batch, rows, heads · d_head]` → `[sequences, heads, rows, d_head]` of this part.
  func byHead(_ x: Tensor) -> Tensor {
    x.sliced(0, sequences).at(rows: rows).splitting(2, inner: geometry.dHead).sliced(2, heads)
      .transposed(1, 2)
  }

  /// Member `j` of each group of a tile `[sequences, heads, rows, keys]`.
  func member(_ j: Int, of tile: Tensor) -> Tensor { geometry.scores(tile, member: j) }

  // MARK: Scratch

  /// A tile of this part at a place in the scratch, `[sequences, heads, rows, keys]`.
  func tile(_ scratch: Tensor, at place: Int, _ keys: Range<Int>, _ dtype: DType) -> Tensor {
    scratch.carved(
      at: place,
      Shape(.plain(sequences.count), .plain(heads.count), .tokens(rows), .keys(keys)), dtype)
  }

  /// One float32 a row at a place in the scratch, `[sequences, heads, rows]`.
  func statistic(_ scratch: Tensor, at place: Int) -> Tensor {
    scratch.carved(
      at: place, Shape(.plain(sequences.count), .plain(heads.count), .tokens(rows)), .float32)
  }

  /// Sums of this part at a place in the scratch, `[sequences, heads, rows, d_head]`, with heads
  /// between the columns of rows.
  func partial(_ scratch: Tensor, at place: Int) -> Tensor {
    scratch.carved(
      at: place,
      Shape(
        .plain(sequences.count), .tokens(rows), .plain(heads.count), .plain(geometry.dHead)),
      .float32
    ).transposed(1, 2)
  }
}

/// Products of an attention pass, with a scratchpad for each.
struct AttentionProducts {
  let backend: CPUBackend
  let scratchpad: (Int) throws -> Tensor?

  func callAsFunction(
    _ a: Tensor, _ b: Tensor, into c: Tensor, accumulates: Bool = false
  ) throws {
    let products = [Product(a, b, into: c, accumulates: accumulates)]
    let bytes = try backend.workspaceBytes(for: products)
    try backend.multiply(products, workspace: scratchpad(bytes))
  }
}
