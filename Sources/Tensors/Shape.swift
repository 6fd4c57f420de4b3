package import Ledger

/// One axis of a tensor: its extent, and what its positions mean.
package struct Axis: Hashable, Sendable {
  /// What moving along the axis changes.
  package enum Kind: Hashable, Sendable {
    /// A sequence of the batch, a head, a channel: nothing that belongs to one token.
    case plain
    /// The token whose value this is.
    case tokens
    /// The token that is looked at, as a key of attention.
    case keys
  }

  package var kind: Kind
  /// The number of positions.
  package var extent: Int
  /// The row of the sequence layout that the first entry is, for `tokens` and `keys`.
  package var start: Int

  /// An axis that has nothing to do with rows of the sequence.
  package static func plain(_ extent: Int) -> Axis { Axis(kind: .plain, extent: extent, start: 0) }

  /// An axis over these rows of the sequence layout.
  package static func tokens(_ rows: Range<Int>) -> Axis {
    Axis(kind: .tokens, extent: rows.count, start: rows.lowerBound)
  }

  /// An axis over these rows of the sequence layout, seen as keys.
  package static func keys(_ rows: Range<Int>) -> Axis {
    Axis(kind: .keys, extent: rows.count, start: rows.lowerBound)
  }

  /// The rows of a `tokens` or `keys` axis.
  package var rows: Range<Int> { start..<(start + extent) }
}

/// The axes of a tensor, outermost first: at most five, kept inline.
package struct Shape: Sendable {
  private var axes: InlineArray<5, Axis>
  /// The number of axes.
  package private(set) var rank: Int

  package init(_ list: Axis...) { self.init(list) }

  package init(_ list: [Axis]) {
    precondition(list.count <= 5, "a shape has at most five axes")
    axes = InlineArray { $0 < list.count ? list[$0] : .plain(1) }
    rank = list.count
  }

  package subscript(index: Int) -> Axis {
    get {
      precondition(index < rank)
      return axes[index]
    }
    set {
      precondition(index < rank)
      axes[index] = newValue
    }
  }

  /// The axes as an array.
  package var list: [Axis] { (0..<rank).map { axes[$0] } }

  /// The extents as an array.
  package var extents: [Int] { (0..<rank).map { axes[$0].extent } }

  /// Puts an axis in front of the one at `index`, or at the end.
  package mutating func insert(_ axis: Axis, at index: Int) {
    precondition(index <= rank && rank < 5, "a shape has at most five axes")
    for position in stride(from: rank, to: index, by: -1) { axes[position] = axes[position - 1] }
    axes[index] = axis
    rank += 1
  }

  /// Takes an axis away.
  package mutating func remove(at index: Int) {
    precondition(index < rank)
    rank -= 1
    for position in index..<rank { axes[position] = axes[position + 1] }
    axes[rank] = .plain(1)
  }

  /// The first axis of a kind; nil if there is none.
  private func first(of kind: Axis.Kind) -> Axis? {
    (0..<rank).first { axes[$0].kind == kind }.map { axes[$0] }
  }

  /// The same axes, but for the last one.
  package func replacingLast(_ axis: Axis) -> Shape {
    var shape = self
    shape[rank - 1] = axis
    return shape
  }

  /// The number of elements.
  package var count: Int { (0..<rank).reduce(1) { $0 * axes[$1].extent } }

  /// How the elements divide over regions, by the rows that `layout` says are the prefix's.
  ///
  /// Rows of the prefix are `prefix`, whatever columns they have; rows of generated tokens against
  /// keys of the prefix are `crossing`. Without a token axis everything is `shared`.
  package func regions(in layout: SequenceLayout, elementSize: Int) -> RegionBytes {
    let bytes = count * elementSize
    let tokens = first(of: .tokens)
    let keys = first(of: .keys)
    guard let rows = tokens ?? keys, rows.extent > 0, bytes > 0 else {
      return RegionBytes(shared: bytes)
    }
    let bytesPerRow = bytes / rows.extent
    if !layout.padded.isEmpty, axes[0].kind == .plain, axes[0].extent == layout.padded.count {
      return paddedRegions(in: layout, rows.rows, keys: tokens == nil ? nil : keys?.rows, bytes)
    }
    let prefixRows = layout.prefixRows(in: rows.rows)
    let prefix = prefixRows * bytesPerRow
    guard tokens != nil, let keys, keys.extent > 0 else {
      return RegionBytes(prefix: prefix, generated: bytes - prefix)
    }
    let crossing =
      (rows.extent - prefixRows) * layout.prefixRows(in: keys.rows) * (bytesPerRow / keys.extent)
    return RegionBytes(prefix: prefix, generated: bytes - prefix - crossing, crossing: crossing)
  }

  /// The same of sequences that are filled up to the longest, the first axis.
  private func paddedRegions(
    in layout: SequenceLayout, _ rows: Range<Int>, keys: Range<Int>?, _ bytes: Int
  ) -> RegionBytes {
    let perRow = bytes / (layout.padded.count * rows.count)
    return layout.padded.reduce(into: RegionBytes()) { sum, sequence in
      let (prefix, generated) = sequence.counts(in: rows)
      let all = perRow * rows.count
      guard let keys, !keys.isEmpty else {
        let own = RegionBytes(prefix: prefix * perRow, generated: generated * perRow)
        sum += own
        sum[.padding] += all - own.total
        return
      }
      let perPair = perRow / keys.count
      let (prefixKeys, generatedKeys) = sequence.counts(in: keys)
      let own = RegionBytes(
        prefix: prefix * (prefixKeys + generatedKeys) * perPair,
        generated: generated * generatedKeys * perPair,
        crossing: generated * prefixKeys * perPair)
      sum += own
      sum[.padding] += all - own.total
    }
  }
}
