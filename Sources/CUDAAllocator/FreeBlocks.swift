/// Blocks in the order of their sizes, of their addresses where sizes are equal.
///
/// Sorted pieces of some dozens, one after the other: a pool has seldom more than a few hundred
/// free blocks, which lie side by side then; of many an operation moves one piece. A search tree
/// took a third longer for a whole replay of a recorded step.
struct FreeBlocks {
  /// A block and where it stands in the order.
  struct Entry: Comparable {
    let size: Int
    let address: Int
    /// The caller's number for it; it decides where addresses that somebody gave are equal.
    let block: Int

    static func < (one: Entry, other: Entry) -> Bool {
      if one.size != other.size { return one.size < other.size }
      return one.address != other.address ? one.address < other.address : one.block < other.block
    }
  }

  /// More in a piece make it two.
  private static let mostInPiece = 48

  /// Ascending, within each and from one to the next; none is empty.
  private var pieces: [[Entry]] = []

  /// How many blocks there are.
  private(set) var count = 0

  // MARK: Change

  /// Adds a block that is not there yet.
  mutating func insert(_ entry: Entry) {
    count += 1
    guard !pieces.isEmpty else {
      pieces = [[entry]]
      return
    }
    let piece = min(self.piece { entry < $0 }, pieces.count - 1)
    let place = Self.place(in: pieces[piece]) { entry < $0 }
    precondition(place == 0 || pieces[piece][place - 1] != entry, "a block is free once")
    pieces[piece].insert(entry, at: place)
    guard pieces[piece].count > Self.mostInPiece else { return }
    let half = Self.mostInPiece / 2
    pieces.insert(Array(pieces[piece][half...]), at: piece + 1)
    pieces[piece].removeLast(pieces[piece].count - half)
  }

  /// Removes a block that is there.
  mutating func remove(_ entry: Entry) {
    let piece = self.piece { !($0 < entry) }
    precondition(piece < pieces.count, "a block that leaves was free")
    let place = Self.place(in: pieces[piece]) { !($0 < entry) }
    precondition(pieces[piece][place] == entry, "a block that leaves was free")
    pieces[piece].remove(at: place)
    if pieces[piece].isEmpty { pieces.remove(at: piece) }
    count -= 1
  }

  // MARK: Look

  /// The first block of a size or more.
  func first(ofSize size: Int) -> Entry? { first { $0.size >= size } }

  /// The first block after one.
  func first(after entry: Entry) -> Entry? { first { entry < $0 } }

  /// The first block that satisfies a condition which holds for all that come after.
  private func first(where isFar: (Entry) -> Bool) -> Entry? {
    let piece = self.piece(where: isFar)
    guard piece < pieces.count else { return nil }
    return pieces[piece][Self.place(in: pieces[piece], where: isFar)]
  }

  /// The first piece whose last block satisfies such a condition; behind all if none does.
  private func piece(where isFar: (Entry) -> Bool) -> Int {
    var (low, high) = (0, pieces.count)
    while low < high {
      let middle = (low + high) / 2
      if isFar(pieces[middle][pieces[middle].count - 1]) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The place of the first block of a piece that does.
  private static func place(in piece: [Entry], where isFar: (Entry) -> Bool) -> Int {
    var (low, high) = (0, piece.count)
    while low < high {
      let middle = (low + high) / 2
      if isFar(piece[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The last block of all.
  var last: Entry? { pieces.last?.last }

  /// All blocks in order.
  var all: [Entry] { Array(pieces.joined()) }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): a small generator whose numbers a seed decides.
struct SplitMix {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}
