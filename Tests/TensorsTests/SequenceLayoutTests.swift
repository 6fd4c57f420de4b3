import Tensors
import Testing

/// Layouts against what their definition says of one row at a time.
@Suite struct `A sequence layout` {
  typealias Segment = SequenceLayout.Segment
  typealias LossRun = SequenceLayout.LossRun

  /// A prefix of 5 and two completions of 3 and 4 that do not see each other.
  private static let group = SequenceLayout(
    [
      Segment(role: .prefix, rows: 0..<5, firstPosition: 0, sees: []),
      Segment(role: .generated, rows: 5..<8, firstPosition: 5, sees: [0]),
      Segment(role: .generated, rows: 8..<12, firstPosition: 5, sees: [0]),
    ],
    lossRuns: [
      LossRun(rows: 4..<5, firstTarget: 5), LossRun(rows: 4..<5, firstTarget: 8),
      LossRun(rows: 5..<7, firstTarget: 6), LossRun(rows: 8..<11, firstTarget: 9),
    ])

  /// Two sequences of 3 + 2 and 4 + 1 rows in one, which do not see each other.
  private static let packed = SequenceLayout(
    [
      Segment(role: .prefix, rows: 0..<3, firstPosition: 0, sees: []),
      Segment(role: .generated, rows: 3..<5, firstPosition: 3, sees: [0]),
      Segment(role: .prefix, rows: 5..<9, firstPosition: 0, sees: []),
      Segment(role: .generated, rows: 9..<10, firstPosition: 4, sees: [2]),
    ],
    lossRuns: [LossRun(rows: 3..<5, firstTarget: 4), LossRun(rows: 9..<10, firstTarget: 10)])

  private static let plain = SequenceLayout(nC: 6, nG: 5, lossRows: 5..<10)
  private static let all = [
    plain, group, packed, SequenceLayout(nC: 0, nG: 4, lossRows: 0..<3),
  ]

  private static func segment(_ layout: SequenceLayout, _ row: Int) -> Segment? {
    layout.segments.first { $0.rows.contains(row) }
  }

  private static func position(_ layout: SequenceLayout, _ row: Int) -> Int {
    segment(layout, row).map { $0.firstPosition + row - $0.rows.lowerBound } ?? -1
  }

  /// By the definition: own segment up to itself, seen segments in whole, within the window.
  private static func sees(_ layout: SequenceLayout, _ row: Int, _ key: Int, _ window: Int?) -> Bool
  {
    guard let own = segment(layout, row), let other = segment(layout, key) else { return false }
    let isSeen = other == own ? key <= row : own.sees.contains { layout.segments[$0] == other }
    let distance = position(layout, row) - position(layout, key)
    return isSeen && distance < window ?? .max
  }

  @Test(arguments: all, [nil, 1, 2, 4, 100])
  func `counts the pairs that its definition makes visible`(
    layout: SequenceLayout, window: Int?
  ) {
    for first in layout.rows {
      for end in first...layout.rows.upperBound {
        let pairs = (first..<end).reduce(0) { sum, row in
          sum + layout.rows.count { Self.sees(layout, row, $0, window) }
        }
        #expect(layout.visiblePairs(of: first..<end, window: window) == Int128(pairs))
      }
    }
  }

  @Test(arguments: all, [nil, 1, 2, 4, 100])
  func `lists the keys that rows of one segment see`(layout: SequenceLayout, window: Int?) {
    for segment in layout.segments {
      for first in segment.rows {
        for end in first + 1...segment.rows.upperBound {
          let keys = layout.keys(seenBy: first..<end, window: window)
          let expected = layout.rows.filter { key in
            (first..<end).contains { Self.sees(layout, $0, key, window) }
          }
          #expect(keys.flatMap(Array.init) == expected)
          #expect(zip(keys, keys.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
        }
      }
    }
  }

  @Test(arguments: all)
  func `knows regions and positions of all rows`(layout: SequenceLayout) {
    for first in layout.rows {
      for end in first...layout.rows.upperBound {
        let rows = first..<end
        #expect(
          layout.prefixRows(in: rows)
            == rows.count { Self.segment(layout, $0)?.role == .prefix })
        let runs = layout.positions(of: rows)
        let listed = runs.flatMap { run in
          run.rows.map { ($0, run.first + $0 - run.rows.lowerBound) }
        }
        #expect(listed.map(\.0) == Array(rows))
        #expect(listed.allSatisfy { Self.position(layout, $0.0) == $0.1 })
      }
    }
    #expect(Self.plain.positions(of: 2..<9).count == 1, "neighbouring positions are one run")
  }

  @Test func `says what must be recorded`() {
    #expect(Self.plain.lossRows == 5..<10)
    #expect(Self.plain.cut(keeping: 0) == 5, "the last prefix row carries loss")
    #expect(Self.plain.cut(keeping: 4) == 2 && Self.plain.cut(keeping: 99) == 0)
    #expect(SequenceLayout(nC: 6, nG: 5, lossRows: 6..<11).cut(keeping: 0) == 6)
    #expect(Self.plain.reach(of: 5..<10, window: nil) == 0..<10)
    #expect(Self.plain.reach(of: 5..<10, window: 3) == 3..<10)
    #expect(Self.group.cut(keeping: 0) == 4)
  }

  @Test func `counts pairs beyond 64 bits`() {
    let n = 1 << 33
    let layout = SequenceLayout(nC: n - 1, nG: 1, lossRows: n - 1..<n)
    #expect(layout.visiblePairs(of: 0..<n) == Int128(n) * Int128(n + 1) / 2)
    #expect(layout.visiblePairs(of: 0..<n, window: 1) == Int128(n))
  }
}
