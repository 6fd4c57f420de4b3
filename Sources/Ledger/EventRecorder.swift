/// Every event of a step with its time, for pictures that are drawn afterwards.
package final class EventRecorder: LedgerObserver {
  /// An event, and the nanoseconds since the first one.
  package typealias Moment = (time: Int, event: Event)

  package private(set) var moments: [Moment] = []
  /// Whether times were taken; else every event is a microsecond after the last.
  package let isTimed: Bool
  private let clock = ContinuousClock()
  private var start: ContinuousClock.Instant?

  package init(isTimed: Bool) { self.isTimed = isTimed }

  package func observe(_ event: Event) {
    guard isTimed else {
      moments.append((moments.count * 1000, event))
      return
    }
    let now = clock.now
    let start = start ?? now
    self.start = start
    let (seconds, attoseconds) = (now - start).components
    moments.append((Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000), event))
  }
}
