internal import Threading

/// How a product is cut into pieces, rows of one matrix each, which one thread computes.
///
/// oneDNN divides a product evenly; where cores run at different speeds, since other programs share
/// them, the faster ones wait. Pieces go to whoever is free. A product is cut by its shape alone,
/// so that its bits do not depend on the number of threads, as those of oneDNN's own divisions do
/// where `a` runs down its columns and its inner dimension is 2,049 or more, and on its slower
/// kernels, which it has for heads between the columns of float32 rows, and without AVX-512.
struct MatmulPieces {
  /// Rows, or inner elements, from which a product is long.
  private static let long = 768
  /// Pieces that several matrices make at least, where they have rows enough.
  private static let fewest = 8

  let shape: MatmulShape
  /// Rows of a piece, the last of which may have fewer: enough that packing `b` for each, where it
  /// does not lie in panels, costs little beside it.
  private let size: Int
  /// `b`, packed once for all pieces; nil where each packs it for itself.
  let panels: Panels?
  /// Pieces that are computed at the same time.
  let slots: Int

  /// nil for a product that oneDNN divides.
  init?(_ shape: MatmulShape) {
    guard let size = Self.size(for: shape) else { return nil }
    self.shape = shape
    self.size = size
    // oneDNN has no fast kernel for panels and an `a` that runs down its columns.
    let isPacked = shape.rank == 2 && shape.a.strides[1] == 1
    panels = isPacked ? Panels(of: shape.matrix(rows: size)) : nil
    slots = min(shape.matrices * ((shape.rows + size - 1) / size), Threads.count)
  }

  /// The rows of a piece; nil for what is not cut.
  ///
  /// Activations `[tokens, in] · [in, out]` are cut where tokens are many, a weight's gradient
  /// `[out, tokens] · [tokens, in]` too, into two pieces at least; and whatever oneDNN has no fast
  /// kernel for, which without AVX-512 is all.
  private static func size(for shape: MatmulShape) -> Int? {
    let isRowMajor = shape.a.strides[shape.rank - 1] == 1
    let isNarrow = shape.columns * shape.inner < 1 << 14
    let isLong = isRowMajor ? shape.rows >= long && !isNarrow : shape.inner >= long
    if shape.rank > 2 || !isLong, MatmulHandle.isFast(shape, hasPanels: false) { return nil }
    if shape.rank > 2 {
      let each = (fewest + shape.matrices - 1) / shape.matrices
      return min(shape.rows, max(64, (shape.rows + 16 * each - 1) / (16 * each) * 16))
    }
    if isRowMajor, shape.rows >= long { return 192 }
    let half = (shape.rows + 31) / 32 * 16
    return min(isRowMajor ? 128 : 256, half, shape.rows)
  }

  var count: Int { shape.matrices * perMatrix }
  private var perMatrix: Int { (shape.rows + size - 1) / size }
  /// Rows of a matrix's last piece, if it has fewer; or 0.
  private var rest: Int { shape.rows % size }

  /// The matrix of a piece.
  func matrix(of index: Int) -> Int { index / perMatrix }

  /// The rows of a piece.
  func rows(of index: Int) -> Range<Int> {
    let first = index % perMatrix * size
    return first..<min(first + size, shape.rows)
  }

  /// Whether a piece has as many rows as most.
  func isWhole(_ index: Int) -> Bool { rows(of: index).count == size }

  /// The slot of a piece that a thread computes: its own, where there are as many as pieces.
  func slot(of index: Int, on thread: Int) -> Int { count == slots ? index : thread }

  /// The kernels of whole pieces, and of last ones if those have fewer rows.
  func compiled() throws(OneDNNError) -> (whole: MatmulHandle, last: MatmulHandle?) {
    try Self.onOneThread { () throws(OneDNNError) in
      func handle(_ rows: Int) throws(OneDNNError) -> MatmulHandle {
        try MatmulHandle(shape.matrix(rows: rows), hasPanels: panels != nil, slots: slots)
      }
      return (try handle(size), rest == 0 ? nil : try handle(rest))
    }
  }

  /// The scratch bytes of a piece; nothing is compiled.
  func describedBytes() throws(OneDNNError) -> Int {
    try Self.onOneThread { () throws(OneDNNError) in
      func bytes(_ rows: Int) throws(OneDNNError) -> Int {
        try MatmulHandle.scratchpadBytes(of: shape.matrix(rows: rows), hasPanels: panels != nil)
      }
      return max(try bytes(size), rest == 0 ? 0 : try bytes(rest))
    }
  }

  /// Makes or runs something for one thread.
  static func onOneThread<Result, Failure>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let before = Threads.count
    Threads.set(1)
    defer { Threads.set(before) }
    return try body()
  }
}
