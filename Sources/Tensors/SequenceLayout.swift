/// Who sees whom in every sequence of a batch: the one value that regions, positions, masks,
/// labels, pruning and the cut all ask.
///
/// A tensor's token axis is rows of the layout, which segments follow on one another:
///
/// ```
///   a prefix and what it generates  [ prefix 0 … n_c−1 ][ generated n_c … n−1 ]
///   two completions of one prefix   [ prefix ][ generated, sees 0 ][ generated, sees 0 ]
///   two sequences packed in one     [ prefix ][ generated, sees 0 ][ prefix ][ generated, sees 2 ]
/// ```
///
/// A row sees all rows of the segments that its own one sees, and its own segment's up to itself;
/// with a sliding window those of them whose position is less than `window` before its own. All
/// sequences of a batch have the same layout.
package struct SequenceLayout: Hashable, Sendable {
  /// Whose tokens a segment holds.
  package enum Role: Hashable, Sendable {
    /// Given, and without loss but for what the first generated token makes of it.
    case prefix
    case generated
  }

  /// Neighbouring rows of one role, at neighbouring positions.
  package struct Segment: Hashable, Sendable {
    package let role: Role
    package let rows: Range<Int>
    /// Where its first row stands in the text that it sees.
    package let firstPosition: Int
    /// The segments before it that all of its rows see in whole, ascending.
    package let sees: [Int]

    package init(role: Role, rows: Range<Int>, firstPosition: Int, sees: [Int]) {
      self.role = role
      self.rows = rows
      self.firstPosition = firstPosition
      self.sees = sees
    }
  }

  /// Neighbouring rows whose logits carry loss, and the tokens that they are to predict.
  package struct LossRun: Hashable, Sendable {
    package let rows: Range<Int>
    /// Which token of the sequence the first row predicts; the next row predicts the next one.
    package let firstTarget: Int

    package init(rows: Range<Int>, firstTarget: Int) {
      self.rows = rows
      self.firstTarget = firstTarget
    }
  }

  package let segments: [Segment]
  /// Ascending; a row that predicts several tokens, as the end of a shared prefix does, stands in
  /// several runs.
  package let lossRuns: [LossRun]
  /// The tokens of each sequence of the batch where they are filled up to the longest; empty where
  /// all are alike.
  package var padded: [PaddedSequence] = []

  /// A sequence whose rows end before the batch's.
  package struct PaddedSequence: Hashable, Sendable {
    package let nC: Int
    package let nG: Int

    package init(nC: Int, nG: Int) { (self.nC, self.nG) = (nC, nG) }

    /// How many of some rows belong to the prefix, and how many to generated tokens.
    func counts(in rows: Range<Int>) -> (prefix: Int, generated: Int) {
      (rows.clamped(to: 0..<nC).count, rows.clamped(to: nC..<nC + nG).count)
    }
  }

  /// A layout of segments that follow on one another.
  package init(_ segments: [Segment], lossRuns: [LossRun]) {
    var end = 0
    for (index, segment) in segments.enumerated() {
      precondition(segment.rows.lowerBound == end, "segments follow on one another")
      precondition(segment.sees.allSatisfy { $0 < index }, "a segment sees earlier ones")
      end = segment.rows.upperBound
    }
    self.segments = segments
    self.lossRuns = lossRuns
  }

  /// One prefix of `nC` tokens and one suffix of `nG`, of which `lossRows` carry loss.
  package init(nC: Int, nG: Int, lossRows: Range<Int>) {
    self.init(
      [
        Segment(role: .prefix, rows: 0..<nC, firstPosition: 0, sees: []),
        Segment(role: .generated, rows: nC..<nC + nG, firstPosition: nC, sees: [0]),
      ],
      lossRuns: [LossRun(rows: lossRows, firstTarget: lossRows.lowerBound + 1)])
  }

  /// Sequences of different lengths in rows up to the longest's end; what is behind their own is
  /// padding, which no row of theirs sees.
  package init(padded sequences: [PaddedSequence]) {
    let count = sequences.map { $0.nC + $0.nG }.max() ?? 0
    self.init(
      [Segment(role: .generated, rows: 0..<count, firstPosition: 0, sees: [])], lossRuns: [])
    padded = sequences
  }

  /// Rows of one sequence.
  package var rows: Range<Int> { 0..<(segments.last?.rows.upperBound ?? 0) }

  // MARK: Regions

  /// How many of these rows belong to a prefix.
  package func prefixRows(in rows: Range<Int>) -> Int {
    segments.reduce(0) { $0 + ($1.role == .prefix ? $1.rows.clamped(to: rows).count : 0) }
  }

  // MARK: Positions

  /// These rows in runs of neighbouring positions, with the position of each run's first row.
  package func positions(of rows: Range<Int>) -> [(rows: Range<Int>, first: Int)] {
    var runs: [(rows: Range<Int>, first: Int)] = []
    for segment in segments {
      let part = segment.rows.clamped(to: rows)
      guard !part.isEmpty else { continue }
      let first = segment.firstPosition + part.lowerBound - segment.rows.lowerBound
      if let last = runs.last, last.first + last.rows.count == first {
        runs[runs.count - 1].rows = last.rows.lowerBound..<part.upperBound
      } else {
        runs.append((part, first))
      }
    }
    return runs
  }

  // MARK: Visible keys

  /// The rows that some of these rows see, in runs that are as long as can be.
  ///
  /// `rows` lie in one segment, or in segments of which each sees all that stands before it.
  package func keys(seenBy rows: Range<Int>, window: Int? = nil) -> [Range<Int>] {
    var seen: [Range<Int>] = []
    for segment in segments {
      let part = segment.rows.clamped(to: rows)
      guard let first = part.first else { continue }
      let position = segment.firstPosition + first - segment.rows.lowerBound
      let lowest = window.map { max(position - $0 + 1, 0) } ?? 0
      let own = segment.rows.lowerBound..<part.upperBound
      for other in segment.sees.map({ segments[$0] }) + [segment] {
        let visible = other.rows.clamped(
          to: other.rows.lowerBound == own.lowerBound ? own : other.rows)
        let hidden = max(lowest - other.firstPosition, 0)
        guard hidden < visible.count else { continue }
        seen.append(visible.lowerBound + hidden..<visible.upperBound)
      }
    }
    return Self.joined(seen)
  }

  /// The same rows as few ascending ranges.
  private static func joined(_ ranges: [Range<Int>]) -> [Range<Int>] {
    var result: [Range<Int>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = result.last, range.lowerBound <= last.upperBound {
        result[result.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        result.append(range)
      }
    }
    return result
  }

  /// How many pairs of a row in `rows` and a key that it sees there are.
  package func visiblePairs(of rows: Range<Int>, window: Int? = nil) -> Int128 {
    segments.reduce(0) { sum, segment in
      let part = segment.rows.clamped(to: rows)
      guard !part.isEmpty else { return sum }
      let seen = segment.sees.reduce(0) { $0 + segments[$1].rows.count }
      // Row i of the segment sees `seen + i + 1` keys, at most `window`.
      let first = seen + part.lowerBound - segment.rows.lowerBound + 1
      return sum + Self.sum(of: first..<first + part.count, atMost: window)
    }
  }

  /// `Σ min(count, most)` over the counts of a range.
  private static func sum(of counts: Range<Int>, atMost most: Int?) -> Int128 {
    let full = most.map { counts.clamped(to: 0..<max($0, 1)) } ?? counts
    let (first, number) = (Int128(full.lowerBound), Int128(full.count))
    let growing = number * first + number * (number - 1) / 2
    return growing + Int128(counts.count - full.count) * Int128(most ?? 0)
  }

  // MARK: Loss

  /// The rows from the first to the last that carries loss.
  package var lossRows: Range<Int> {
    guard let first = lossRuns.first, let last = lossRuns.last else { return 0..<0 }
    return first.rows.lowerBound..<last.rows.upperBound
  }

  // MARK: What must be recorded

  /// The first row that stays in the graph if rows before the loss, but for the last `kept` ones of
  /// the prefix, run without one.
  package func cut(keeping kept: Int) -> Int {
    guard let prefix = segments.first(where: { $0.role == .prefix }) else { return 0 }
    return max(min(prefix.rows.upperBound - kept, lossRows.lowerBound), 0)
  }

  /// The first and last row whose keys the rows `wanted` see, and the rows between.
  package func reach(of wanted: Range<Int>, window: Int?) -> Range<Int> {
    let keys = keys(seenBy: wanted, window: window)
    guard let first = keys.first, let last = keys.last else { return wanted }
    return min(first.lowerBound, wanted.lowerBound)..<max(last.upperBound, wanted.upperBound)
  }
}
