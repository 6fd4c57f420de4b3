import Ledger
import Tensors

/// Attention whose work depends on which rows it is over.
struct AttentionWork {
  let attention: Attention
  let batch: Int
  let products: Int
  /// How often it was done.
  var times: Int
}

/// A part of a step that was watched: what it did to the ledger, and its work.
package struct Span {
  fileprivate let opened: OpenSpan
  fileprivate let effect: SpanEffect
  fileprivate let productFlops: Int128
  fileprivate let attentionFlops: Int128
  fileprivate let attention: [AttentionWork]

  /// Whether all that it made is gone.
  package var leavesNothing: Bool {
    effect.change == CategoryBytes() && effect.allocatedChange == CategoryBytes()
  }

  /// Whether it is another span once more.
  package func repeats(_ other: Span) -> Bool {
    effect == other.effect && productFlops == other.productFlops
      && attentionFlops == other.attentionFlops
  }

  /// Whether it is another span once more, but for the rows that it is over and the keys that those
  /// see.
  package func hasOutline(of other: Span) -> Bool {
    effect.hasOutline(of: other.effect) && productFlops == other.productFlops
      && attention.count == other.attention.count
  }

  /// Whether no total rose higher than in another.
  package func risesAtMost(_ other: Span) -> Bool { effect.risesAtMost(other.effect) }
}

/// A span that has begun.
fileprivate struct Watch {
  let opened: OpenSpan
  let productFlops: Int128
  let attentionFlops: Int128
  let outer: [AttentionWork]?
}

extension Tape {
  /// Runs a part of a step, and returns what it did.
  package func watch(_ body: () throws -> Void) rethrows -> Span {
    let watch = open()
    do { try body() } catch {
      _ = close(watch)
      throw error
    }
    return close(watch)
  }

  fileprivate func open() -> Watch {
    defer { attentionWork = [] }
    return Watch(
      opened: tensors.ledger.open(), productFlops: productFlops, attentionFlops: attentionFlops,
      outer: attentionWork)
  }

  fileprivate func close(_ watch: Watch) -> Span {
    let work = attentionWork ?? []
    attentionWork = watch.outer.map { $0 + work }
    return Span(
      opened: watch.opened, effect: tensors.ledger.close(watch.opened),
      productFlops: productFlops - watch.productFlops,
      attentionFlops: attentionFlops - watch.attentionFlops, attention: work)
  }

  /// Counts the work of spans that are not run and rise no higher than those that were: `times`
  /// times `span`, over `rows` together.
  package func countWork(of span: Span, over rows: Range<Int>, times: Int) {
    productFlops += span.productFlops * Int128(times)
    for work in span.attention {
      attentionFlops +=
        Int128(work.times)
        * work.attention.flops(rows: rows, batch: work.batch, products: work.products)
    }
  }

  /// Counts spans that are not run: `times` times `span`, over the same rows.
  package func count(_ span: Span, times: Int) {
    tensors.ledger.count(span.effect, times: times, leavingCopiesOf: span.opened)
    productFlops += span.productFlops * Int128(times)
    attentionFlops += span.attentionFlops * Int128(times)
    for var work in span.attention {
      work.times *= times
      attentionWork?.append(work)
    }
  }
}

// MARK: Equal layers

/// A span that is not what others say of it: nothing of its kind can be skipped.
package struct RepetitionError: Error {
  package init() {}
}

/// Equal layers in a row, of which some are run and the others counted.
///
/// ```
///   forward   0 │ 1 × (1 + skipped) │ ……………… │ n−2 │ n−1      1 and n−2 must do the same to the
///   backward  0 │ 1 ◀──────────────── counted │ n−2 │ n−1      ledger, in each direction
/// ```
package final class EqualSpans {
  /// How many are not run.
  private let skipped: Int
  private var forward: Span?
  private var backward: Span?
  private var begun: Watch?

  package init(skipped: Int) { self.skipped = skipped }

  /// Runs the span that stands for those which are skipped after it.
  package func runSteady(on tape: Tape, _ body: () throws -> Void) throws {
    tape.recordMark { [self] in
      guard let backward, try end(on: tape).repeats(backward) else { throw RepetitionError() }
    }
    let span = try tape.watch(body)
    forward = span
    tape.recordMark { [self] in begun = tape.open() }
    tape.count(span, times: skipped)
    tape.recordMark { [self] in
      guard let backward else { throw RepetitionError() }
      tape.count(backward, times: skipped)
    }
  }

  /// Runs the span that proves those which were skipped before it.
  package func runProof(on tape: Tape, _ body: () throws -> Void) throws {
    tape.recordMark { [self] in backward = try end(on: tape) }
    guard let forward, try tape.watch(body).repeats(forward) else { throw RepetitionError() }
    tape.recordMark { [self] in begun = tape.open() }
  }

  private func end(on tape: Tape) throws -> Span {
    guard let begun else { throw RepetitionError() }
    return tape.close(begun)
  }
}
