internal import Threading

/// How a product is cut by its rows, into pieces that one thread computes each.
///
/// oneDNN divides a product evenly; where cores run at different speeds, since other programs share
/// them, the faster ones wait. Pieces go to whoever is free. A product is cut by its shape alone,
/// so that its bits do not depend on the number of threads, as those of oneDNN's own divisions do
/// where `a` runs down its columns and its inner dimension is 2,049 or more, and without AVX-512 in
/// a third of all products.
struct MatmulPieces {
  /// Rows, or inner elements, from which a product is long.
  private static let long = 768

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
    panels = shape.a.strides[1] == 1 ? Panels(of: shape.with(rows: size)) : nil
    slots = min((shape.rows + size - 1) / size, Threads.count)
  }

  /// The rows of a piece; nil for what is not cut.
  ///
  /// Activations `[tokens, in] · [in, out]` are cut where tokens are many, a weight's gradient
  /// `[out, tokens] · [tokens, in]` too, into two pieces at least; without AVX-512 all products.
  private static func size(for shape: MatmulShape) -> Int? {
    guard shape.rank == 2 else { return nil }
    let half = (shape.rows + 31) / 32 * 16
    if shape.a.strides[1] == 1 {
      if shape.rows < long { return isFastHere ? nil : min(128, half, shape.rows) }
      return !isFastHere || shape.columns * shape.inner >= 1 << 14 ? 192 : nil
    }
    return isFastHere && shape.inner < long ? nil : min(256, half, shape.rows)
  }

  /// Whether oneDNN has its fastest kernels on this processor.
  private static let isFastHere: Bool = {
    let square = MatmulOperand(extents: [64, 64], strides: [64, 1])
    return MatmulHandle.isFast(MatmulShape(a: square, b: square, c: square), hasPanels: false)
  }()

  var count: Int { (shape.rows + size - 1) / size }
  /// Rows of the last piece, if it has fewer; or 0.
  private var rest: Int { shape.rows % size }

  /// The rows of a piece.
  func rows(of index: Int) -> Range<Int> { index * size..<min((index + 1) * size, shape.rows) }

  /// Whether a piece has as many rows as most.
  func isWhole(_ index: Int) -> Bool { rows(of: index).count == size }

  /// The slot of a piece that a thread computes: its own, where there are as many as pieces.
  func slot(of index: Int, on thread: Int) -> Int { count == slots ? index : thread }

  /// The kernels of whole pieces, and of the last if that has fewer rows.
  func compiled() throws(OneDNNError) -> (whole: MatmulHandle, last: MatmulHandle?) {
    try Self.onOneThread { () throws(OneDNNError) in
      func handle(_ rows: Int) throws(OneDNNError) -> MatmulHandle {
        try MatmulHandle(shape.with(rows: rows), hasPanels: panels != nil, slots: slots)
      }
      return (try handle(size), rest == 0 ? nil : try handle(rest))
    }
  }

  /// The scratch bytes of a piece; nothing is compiled.
  func describedBytes() throws(OneDNNError) -> Int {
    try Self.onOneThread { () throws(OneDNNError) in
      func bytes(_ rows: Int) throws(OneDNNError) -> Int {
        try MatmulHandle.scratchpadBytes(of: shape.with(rows: rows), hasPanels: panels != nil)
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
