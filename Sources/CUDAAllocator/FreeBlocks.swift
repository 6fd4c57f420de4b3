/// Blocks in the order of their sizes, of their addresses where sizes are equal.
///
/// A treap: a search tree by key whose nodes are also a heap by random priorities, so that it is
/// balanced whatever the order in which keys come. All operations take O(log n).
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

  private struct Node {
    var entry: Entry
    var priority: UInt64
    var left = none
    var right = none
  }

  private static let none: Int32 = -1
  private var nodes: [Node] = []
  /// Places in `nodes` that are free again.
  private var vacant: [Int32] = []
  private var root = none
  private var random = SplitMix(seed: 1)

  /// How many blocks there are.
  var count: Int { nodes.count - vacant.count }

  // MARK: Change

  /// Adds a block that is not there yet.
  mutating func insert(_ entry: Entry) {
    let node = Node(entry: entry, priority: random.next())
    let place: Int32
    if let free = vacant.popLast() {
      place = free
      nodes[Int(place)] = node
    } else {
      place = Int32(nodes.count)
      nodes.append(node)
    }
    root = inserting(place, under: root)
  }

  /// Removes a block that is there.
  mutating func remove(_ entry: Entry) {
    root = removing(entry, under: root)
  }

  private mutating func inserting(_ new: Int32, under place: Int32) -> Int32 {
    guard place != Self.none else { return new }
    let (entry, other) = (nodes[Int(new)].entry, nodes[Int(place)].entry)
    precondition(entry != other, "a block is free once")
    if nodes[Int(new)].priority > nodes[Int(place)].priority {
      (nodes[Int(new)].left, nodes[Int(new)].right) = split(place, before: entry)
      return new
    }
    if entry < other {
      nodes[Int(place)].left = inserting(new, under: nodes[Int(place)].left)
    } else {
      nodes[Int(place)].right = inserting(new, under: nodes[Int(place)].right)
    }
    return place
  }

  /// Divides a tree into what comes before an entry and what after it.
  private mutating func split(_ place: Int32, before entry: Entry) -> (Int32, Int32) {
    guard place != Self.none else { return (Self.none, Self.none) }
    if nodes[Int(place)].entry < entry {
      let (left, right) = split(nodes[Int(place)].right, before: entry)
      nodes[Int(place)].right = left
      return (place, right)
    }
    let (left, right) = split(nodes[Int(place)].left, before: entry)
    nodes[Int(place)].left = right
    return (left, place)
  }

  private mutating func removing(_ entry: Entry, under place: Int32) -> Int32 {
    precondition(place != Self.none, "a block that leaves was free")
    let node = nodes[Int(place)]
    if node.entry == entry {
      vacant.append(place)
      return merge(node.left, node.right)
    }
    if entry < node.entry {
      nodes[Int(place)].left = removing(entry, under: node.left)
    } else {
      nodes[Int(place)].right = removing(entry, under: node.right)
    }
    return place
  }

  /// Joins two trees, all of the first before all of the second.
  private mutating func merge(_ left: Int32, _ right: Int32) -> Int32 {
    guard left != Self.none else { return right }
    guard right != Self.none else { return left }
    if nodes[Int(left)].priority > nodes[Int(right)].priority {
      nodes[Int(left)].right = merge(nodes[Int(left)].right, right)
      return left
    }
    nodes[Int(right)].left = merge(left, nodes[Int(right)].left)
    return right
  }

  // MARK: Look

  /// The first block of a size or more.
  func first(ofSize size: Int) -> Entry? { first { $0.size >= size } }

  /// The first block after one.
  func first(after entry: Entry) -> Entry? { first { entry < $0 } }

  /// The first block that satisfies a condition which holds for all that come after.
  private func first(where isFar: (Entry) -> Bool) -> Entry? {
    var place = root
    var found: Entry?
    while place != Self.none {
      let node = nodes[Int(place)]
      if isFar(node.entry) {
        found = node.entry
        place = node.left
      } else {
        place = node.right
      }
    }
    return found
  }

  /// The last block of all.
  var last: Entry? {
    var place = root
    var found: Entry?
    while place != Self.none {
      found = nodes[Int(place)].entry
      place = nodes[Int(place)].right
    }
    return found
  }

  /// All blocks in order.
  var all: [Entry] {
    var entries: [Entry] = []
    entries.reserveCapacity(count)
    var path: [Int32] = []
    var place = root
    while place != Self.none || !path.isEmpty {
      while place != Self.none {
        path.append(place)
        place = nodes[Int(place)].left
      }
      let next = path.removeLast()
      entries.append(nodes[Int(next)].entry)
      place = nodes[Int(next)].right
    }
    return entries
  }
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
