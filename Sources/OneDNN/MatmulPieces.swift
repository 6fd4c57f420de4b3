internal import Threading

/// How a product is cut by its rows, into pieces that one thread computes each.
///
/// oneDNN divides a product evenly; where cores run at different speeds, since other programs share
/// them, the faster ones wait. Pieces go to whoever is free. A product is cut by its shape alone,
/// so that its bits do not depend on the number of threads.
struct MatmulPieces {
  /// Rows of a piece, the last of which may have fewer: enough that packing `b` for each, where it
  /// does not lie in panels, costs little beside it.
  static let rows = 192

  let shape: MatmulShape
  /// `b`, packed once for all pieces; nil where each packs it for itself.
  let panels: Panels?
  /// Pieces that are computed at the same time.
  let slots: Int

  /// nil for a product that oneDNN divides: one of few rows, or of columns that run down `a`.
  init?(_ shape: MatmulShape) {
    guard shape.rank == 2, shape.rows >= 4 * Self.rows, shape.a.strides[1] == 1,
      shape.columns * shape.inner >= 1 << 14
    else { return nil }
    self.shape = shape
    panels = Panels(of: shape.with(rows: Self.rows))
    slots = min((shape.rows + Self.rows - 1) / Self.rows, Threads.count)
  }

  var count: Int { (shape.rows + Self.rows - 1) / Self.rows }
  /// Rows of the last piece, if it has fewer; or 0.
  private var rest: Int { shape.rows % Self.rows }

  /// The rows of a piece.
  func rows(of index: Int) -> Range<Int> {
    index * Self.rows..<min((index + 1) * Self.rows, shape.rows)
  }

  /// The kernels of whole pieces, and of the last if that has fewer rows.
  func compiled() throws(OneDNNError) -> (whole: MatmulHandle, last: MatmulHandle?) {
    try Self.onOneThread { () throws(OneDNNError) in
      func handle(_ rows: Int) throws(OneDNNError) -> MatmulHandle {
        try MatmulHandle(shape.with(rows: rows), hasPanels: panels != nil, slots: slots)
      }
      return (try handle(Self.rows), rest == 0 ? nil : try handle(rest))
    }
  }

  /// The scratch bytes of a piece; nothing is compiled.
  func describedBytes() throws(OneDNNError) -> Int {
    try Self.onOneThread { () throws(OneDNNError) in
      func bytes(_ rows: Int) throws(OneDNNError) -> Int {
        try MatmulHandle.scratchpadBytes(of: shape.with(rows: rows), hasPanels: panels != nil)
      }
      return max(try bytes(Self.rows), rest == 0 ? 0 : try bytes(rest))
    }
  }

  /// Makes something for one thread.
  private static func onOneThread<Result>(
    _ body: () throws(OneDNNError) -> Result
  ) throws(OneDNNError) -> Result {
    let before = Threads.count
    Threads.set(1)
    defer { Threads.set(before) }
    return try body()
  }
}

/// Where the parts of a cut product's scratch lie, in bytes: the panels, then room for a piece in
/// each slot.
struct MatmulScratch {
  let panels: Int
  let room: Int
  let slots: Int

  init(_ pieces: MatmulPieces, bytes: Int) {
    panels = Self.aligned(pieces.panels?.bytes ?? 0)
    room = Self.aligned(bytes)
    slots = pieces.slots
  }

  var bytes: Int { panels + slots * room }

  /// Parts begin at a multiple of 64 bytes.
  private static func aligned(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }
}
