/// Who listens to a ledger.
package protocol LedgerObserver: AnyObject {
  /// Called for every event, in order, before the totals change.
  func observe(_ event: Event)
}

/// Every event in order, so that any moment of a step can be looked at afterwards.
package final class EventJournal: LedgerObserver {
  package private(set) var events: [Event] = []
  private var liveActivations = 0
  private var bytes: [StorageID: Int] = [:]
  private var phase = Phase.setup
  /// The most activation bytes of each phase, and how many events there were then.
  private var peaks = Array(repeating: (bytes: 0, events: 0), count: Phase.allCases.count)

  package init() {}

  package func observe(_ event: Event) {
    events.append(event)
    switch event {
    case .allocate(let id, _, let description) where description.category == .activation:
      bytes[id] = description.requestedBytes
      liveActivations += description.requestedBytes
      notePeak()
    case .free(let id):
      liveActivations -= bytes.removeValue(forKey: id) ?? 0
    case .enter(let phase):
      self.phase = phase
      peaks[phase.rawValue] = (0, 0)
      notePeak()
    case .allocate, .save, .release, .begin, .end:
      break
    }
  }

  private func notePeak() {
    guard liveActivations > peaks[phase.rawValue].bytes else { return }
    peaks[phase.rawValue] = (liveActivations, events.count)
  }

  /// The storages that were alive when activations stood highest in a phase, oldest first.
  package func storagesAtPeak(in phase: Phase) -> [LiveStorage] {
    storages(afterEvents: peaks[phase.rawValue].events)
  }

  /// What was alive after the first `count` events, oldest first.
  package func storages(afterEvents count: Int) -> [LiveStorage] {
    var alive: [StorageID: LiveStorage] = [:]
    for event in events.prefix(count) {
      switch event {
      case .allocate(let id, let scope, let description):
        alive[id] = LiveStorage(id: id, scope: scope, description: description)
      case .free(let id):
        alive[id] = nil
      case .save, .release, .begin, .end, .enter:
        break
      }
    }
    return alive.values.sorted { $0.id < $1.id }
  }
}
