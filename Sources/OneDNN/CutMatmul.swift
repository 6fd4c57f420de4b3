/// A cut product that oneDNN has compiled.
struct CutMatmul {
  let pieces: MatmulPieces
  let scratch: MatmulScratch
  let whole: MatmulHandle
  /// The last piece, if that has fewer rows.
  private let last: MatmulHandle?

  /// nil for a product that oneDNN divides.
  init?(_ shape: MatmulShape) throws(OneDNNError) {
    guard let pieces = MatmulPieces(shape) else { return nil }
    self.pieces = pieces
    (whole, last) = try pieces.compiled()
    scratch = MatmulScratch(
      pieces, bytes: max(whole.scratchpadBytes, last?.scratchpadBytes ?? 0))
  }

  /// Computes a piece on a thread, and gives oneDNN's status.
  ///
  /// Unsafe: the addresses reach every element that the shape names; `a` and `b` are those of what
  /// was compiled.
  func execute(_ index: Int, on thread: Int, _ operands: MatmulOperands) -> Int32 {
    guard let handle = pieces.isWhole(index) ? whole : last else {
      preconditionFailure("a piece is lost")
    }
    let (matrix, first) = (pieces.matrix(of: index), pieces.rows(of: index).lowerBound)
    let slot = pieces.slot(of: index, on: thread)
    let packed = pieces.panels == nil ? nil : unsafe UnsafeRawPointer(operands.scratchpad)
    let shape = pieces.shape
    return unsafe handle.execute(
      slot: slot, operands.a + shape.a.bytes(toMatrix: matrix, row: first, of: shape),
      packed ?? operands.b + shape.b.bytes(toMatrix: matrix, row: 0, of: shape),
      operands.c + shape.c.bytes(toMatrix: matrix, row: first, of: shape),
      scratchpad: operands.scratchpad.map { unsafe $0 + scratch.panels + slot * scratch.room })
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
  static func aligned(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }
}
