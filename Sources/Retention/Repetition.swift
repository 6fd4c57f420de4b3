import Autograd
import Ledger
import Tensors

/// Rows in runs of so many, the last one perhaps shorter; forward, or from last to first.
struct RowChunks {
  let rows: Range<Int>
  let atATime: Int
  var isReversed = false

  init(rows: Range<Int>, atATime: Int) {
    self.rows = rows
    self.atATime = atATime
  }

  var count: Int { (rows.count + atATime - 1) / atATime }

  /// From the last to the first.
  var reversed: RowChunks {
    var chunks = self
    chunks.isReversed.toggle()
    return chunks
  }

  /// The rows of the chunks at these places, which are neighbours.
  subscript(places: Range<Int>) -> Range<Int> {
    let numbers = isReversed ? count - places.upperBound..<count - places.lowerBound : places
    return rows.lowerBound + numbers.lowerBound
      * atATime..<min(rows.lowerBound + numbers.upperBound * atATime, rows.upperBound)
  }
}

/// Runs a step's equal spans, or, where nothing is computed, those of them that prove the others.
///
/// ```
///   0 │ 1 │ 2 │ 3  ……………………… n−4 │ n−3 │ n−2 │ n−1
///   run until two neighbours on the left and two on the right did the same to the ledger, but
///   for sizes that only rise or only fall; what lies between them is then counted and not run
/// ```
///
/// A span that is skipped leaves nothing behind (`SpanEffect.change` is 0). Where attention is
/// materialized, all spans do the same, in the same order, to tensors that grow with the keys that
/// a span sees, or stay: what lies between two spans rises no higher than the higher one. Otherwise
/// they rise alike. The pairs that attention sees in them the layout counts.
struct Repetition {
  private let tape: Tape
  private let skips: Bool

  private let growsWithKeys: Bool

  /// Spans on a tape.
  ///
  /// - Parameters:
  ///   - tape: What spans run on.
  ///   - skips: Whether to skip where that is proven.
  ///   - growsWithKeys: Whether all that depends on how many keys a span sees grows with them.
  init(on tape: Tape, skips: Bool, growsWithKeys: Bool) {
    (self.tape, self.skips, self.growsWithKeys) = (tape, skips, growsWithKeys)
  }

  /// Calls `body` with the rows of each chunk, in order.
  func forEach(of chunks: RowChunks, _ body: (Range<Int>) throws -> Void) throws {
    let count = chunks.count
    guard skips, count > 8 else {
      for place in 0..<count { try body(chunks[place..<place + 1]) }
      return
    }
    func run(_ place: Int) throws -> Span {
      let span = try tape.watch { try body(chunks[place..<place + 1]) }
      guard place == 0 || span.leavesNothing else { throw RepetitionError() }
      return span
    }
    _ = try run(0)
    _ = try run(count - 1)
    // Spans before `left` and behind `right` have run; of each side the last two, outermost first.
    var (left, right) = (1, count - 2)
    var (before, behind): ([Span], [Span]) = ([], [])
    func isSteady(_ spans: [Span]) -> Bool { spans.count == 2 && areOfOneKind(spans) }
    while left <= right {
      let (stays, rests) = (isSteady(before), isSteady(behind))
      if stays, rests, areOfOneKind(before + behind.reversed()) {
        tape.countWork(of: before[1], over: chunks[left..<right + 1], times: right + 1 - left)
        return
      }
      // A side that is steady waits for the other.
      if !stays || rests {
        before = before.suffix(1) + [try run(left)]
        left += 1
      }
      if left <= right, !rests || stays {
        behind = behind.suffix(1) + [try run(right)]
        right -= 1
      }
    }
  }

  /// Whether spans, in their order, do the same, but for sizes that only grow or only shrink.
  private func areOfOneKind(_ spans: [Span]) -> Bool {
    let pairs = zip(spans, spans.dropFirst())
    guard pairs.allSatisfy({ $0.hasOutline(of: $1) }) else { return false }
    let (rises, falls) = (
      pairs.allSatisfy { $0.risesAtMost($1) }, pairs.allSatisfy { $1.risesAtMost($0) }
    )
    return growsWithKeys ? rises || falls : rises && falls
  }
}
