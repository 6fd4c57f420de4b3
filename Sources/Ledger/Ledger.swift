/// The journal and the running totals of every tensor storage of one measurement.
///
/// ```
///   Storage.init ── charge ──▶ ┌──────────────────────────────┐
///   Storage.deinit ─ credit ─▶ │ live bytes, peaks by category│──▶ snapshots
///   Tape.save ────── save ───▶ │ savers of each storage       │──▶ saved storages
///   Saved.deinit ── release ─▶ │ journal of events            │──▶ timeline
///                              └──────────────────────────────┘
/// ```
///
/// Totals cost a few additions for a storage, which is once an op. A ledger that is switched off
/// hands out numbers and counts nothing; the step computes the same bits either way.
package final class Ledger {
  /// Whether anything is counted.
  package let isRecording: Bool
  /// The op and layer that the next event belongs to.
  package var scope = Scope(op: "setup")

  /// Everything that happened, in order; empty if no journal is kept.
  package private(set) var events: [Event] = []
  private let keepsJournal: Bool
  /// Storages in the order of their first saving.
  private var saveOrder: [StorageID] = []
  /// Requested bytes alive now, by category.
  package private(set) var liveBytes = CategoryBytes()
  /// `sallocx` bytes alive now, by category.
  package private(set) var liveAllocatedBytes = CategoryBytes()

  private var nextNumber = 0
  private var live: [StorageID: LiveStorage] = [:]
  private var savers: [StorageID: [Saver]] = [:]
  private var saveCounts: [StorageID: Int] = [:]
  private var stretch = Stretch.setup
  private var peaks = Array(repeating: CategoryBytes(), count: Stretch.allCases.count)
  private var activationPeaks = Array(repeating: Peak(), count: Stretch.allCases.count)

  /// The most activation bytes of a stretch, and how many events the journal held then.
  private struct Peak {
    var bytes = 0
    var eventCount = 0
  }

  /// A ledger; one without a journal counts the same and remembers no events, so that a prediction of
  /// a million steps takes no memory.
  package init(isRecording: Bool = true, keepsJournal: Bool = true) {
    self.isRecording = isRecording
    self.keepsJournal = keepsJournal
  }

  private func note(_ event: @autoclosure () -> Event) {
    if keepsJournal { events.append(event()) }
  }

  // MARK: Storages

  /// Enters a new storage; called by `Storage.init` alone.
  package func charge(_ description: StorageDescription) -> StorageID {
    nextNumber += 1
    let id = StorageID(number: nextNumber)
    guard isRecording else { return id }
    live[id] = LiveStorage(id: id, scope: scope, description: description)
    note(.allocate(id, scope, description))
    liveBytes[description.category] += description.requestedBytes
    liveAllocatedBytes[description.category] += description.allocatedBytes
    notePeak(of: description.category)
    return id
  }

  /// Strikes out a storage; called by `Storage.deinit` alone.
  package func credit(_ id: StorageID) {
    guard isRecording, let entry = live.removeValue(forKey: id) else { return }
    note(.free(id))
    liveBytes[entry.description.category] -= entry.description.requestedBytes
    liveAllocatedBytes[entry.description.category] -= entry.description.allocatedBytes
    savers[id] = nil
    saveCounts[id] = nil
  }

  private func notePeak(of category: Category) {
    let bytes = liveBytes[category]
    let index = stretch.rawValue
    if bytes > peaks[index][category] { peaks[index][category] = bytes }
    if category == .activation, bytes > activationPeaks[index].bytes {
      activationPeaks[index] = Peak(bytes: bytes, eventCount: events.count)
    }
  }

  // MARK: Saved tensors

  /// Notes that the op in `scope` keeps a storage for backward; called by `Tape.save` alone.
  package func save(_ id: StorageID, as tensor: String, neededFor: [String]) {
    guard isRecording else { return }
    let saver = Saver(scope: scope, tensor: tensor, neededFor: neededFor)
    if savers[id] == nil { saveOrder.append(id) }
    savers[id, default: []].append(saver)
    saveCounts[id, default: 0] += 1
    note(.save(id, saver))
  }

  /// Notes that one saver of a storage is done with it.
  package func release(_ id: StorageID) {
    guard isRecording, let count = saveCounts[id] else { return }
    note(.release(id))
    saveCounts[id] = count - 1
  }

  // MARK: Stretches and peaks

  /// Starts a stretch of the step; its peaks start from what is alive now.
  package func enter(_ stretch: Stretch) {
    guard isRecording else { return }
    self.stretch = stretch
    note(.enter(stretch))
    peaks[stretch.rawValue] = liveBytes
    activationPeaks[stretch.rawValue] = Peak()
    notePeak(of: .activation)
  }

  /// The most requested bytes of a category that were alive at once in a stretch.
  package func peakBytes(_ category: Category, in stretch: Stretch) -> Int {
    peaks[stretch.rawValue][category]
  }

  /// The storages that were alive when activations stood highest in a stretch; needs the journal.
  package func storagesAtPeak(in stretch: Stretch) -> [LiveStorage] {
    storages(afterEvents: activationPeaks[stretch.rawValue].eventCount)
  }

  // MARK: Snapshots

  /// The storages alive now, oldest first.
  package func liveStorages(of category: Category) -> [LiveStorage] {
    live.values.filter { $0.description.category == category }.sorted { $0.id < $1.id }
  }

  /// The activations alive now that some op has saved, in the order of their first saving.
  ///
  /// Parameters and gradients are left out: they live for longer than the step.
  package func savedStorages() -> [SavedStorage] {
    saveOrder.compactMap { id in
      guard (saveCounts[id] ?? 0) > 0, let entry = live[id],
        entry.description.category == .activation
      else { return nil }
      return SavedStorage(id: id, description: entry.description, savers: savers[id] ?? [])
    }
  }

  /// Replays the journal: what was alive after its first `count` events.
  package func storages(afterEvents count: Int) -> [LiveStorage] {
    var alive: [StorageID: LiveStorage] = [:]
    for event in events.prefix(count) {
      switch event {
      case .allocate(let id, let scope, let description):
        alive[id] = LiveStorage(id: id, scope: scope, description: description)
      case .free(let id):
        alive[id] = nil
      case .save, .release, .enter:
        break
      }
    }
    return alive.values.sorted { $0.id < $1.id }
  }
}
