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
///   run until two neighbours from the left and two from the right did the same to the ledger;
///   what lies between them is then counted and not run
/// ```
///
/// A span that is skipped must leave nothing behind (`SpanEffect.change` is 0) and rise as high as
/// its neighbours on both sides; of what differs from span to span, the pairs that attention sees,
/// the layout gives the exact number.
struct Repetition {
  private let tape: Tape
  private let skips: Bool

  /// - Parameters:
  ///   - tape: What spans run on.
  ///   - skips: Whether to skip where that is proven; never while kernels compute or somebody
  ///     listens.
  init(on tape: Tape, skips: Bool) {
    self.tape = tape
    self.skips =
      skips && tape.kernels == nil && tape.tensors.ledger.isRecording
      && !tape.tensors.ledger.isObserved
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
    // Spans before `left` and behind `right` have run.
    var (left, right) = (1, count - 2)
    var (last, first): (Span?, Span?) = (nil, nil)
    while left <= right {
      let one = try run(left)
      left += 1
      guard left <= right else { return }
      let other = try run(right)
      right -= 1
      if let last, let first, one.repeats(last), one.repeats(other), other.repeats(first) {
        if left <= right {
          tape.count(one, over: chunks[left..<right + 1], times: right + 1 - left)
        }
        return
      }
      (last, first) = (one, other)
    }
  }
}

/// A span that leaves something behind: nothing of its kind can be skipped.
struct RepetitionError: Error {}
