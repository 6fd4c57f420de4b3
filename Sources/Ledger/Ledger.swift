/// The running totals of every tensor storage of one measurement, and who saved what.
///
/// ```
///   Storage.init ── charge ──▶ ┌──────────────────────────────┐
///   Storage.deinit ─ credit ─▶ │ live bytes, peaks by category│──▶ snapshots
///   Tape.save ────── save ───▶ │ savers of each storage       │──▶ saved storages
///   Saved.deinit ── release ─▶ │                              │
///   Tape.op ──────── perform ▶ └──────────────┬───────────────┘
///                                             └── every event ──▶ observers: journal, timeline …
/// ```
///
/// Totals cost a few additions for a storage, which is once an op. A ledger that is switched off
/// hands out numbers and counts nothing; the step computes the same bits either way.
package final class Ledger {
  /// Whether anything is counted.
  package let isRecording: Bool
  /// The op and layer that the next event belongs to.
  package private(set) var scope = Scope(Op(.setup))
  /// Requested bytes alive now, by category.
  package private(set) var liveBytes = CategoryBytes()
  /// `sallocx` bytes alive now, by category.
  package private(set) var liveAllocatedBytes = CategoryBytes()

  private var observers: [any LedgerObserver] = []
  private var nextNumber = 0
  private var live: [StorageID: LiveStorage] = [:]
  /// Storages in the order of their first saving.
  private var saveOrder: [StorageID] = []
  private var savers: [StorageID: [Saver]] = [:]
  private var saveCounts: [StorageID: Int] = [:]
  private var phase = Phase.setup
  private var peaks = Array(repeating: Peaks(), count: Phase.allCases.count)
  /// Of spans that are being watched, innermost last.
  private var spans: [Peaks] = []
  /// Numbers of storages that stand for so many more each; where ranges lie in one another, each
  /// of the inner one's for all of the outer one's.
  private var copies: [(numbers: Range<Int>, more: Int)] = []

  /// The most bytes alive at once, by category.
  private struct Peaks {
    var requested = CategoryBytes()
    var allocated = CategoryBytes()
    /// Allocated bytes of all categories together.
    var total = 0

    mutating func take(_ requested: CategoryBytes, _ allocated: CategoryBytes) {
      self.requested = self.requested.maximum(requested)
      self.allocated = self.allocated.maximum(allocated)
      total = max(total, allocated.total)
    }

    mutating func take(_ other: Peaks) {
      requested = requested.maximum(other.requested)
      allocated = allocated.maximum(other.allocated)
      total = max(total, other.total)
    }
  }

  /// A ledger, which tells `observers` of everything that happens.
  ///
  /// Numbers of storages go on where those of `earlier` end, whose storages its ops may save too,
  /// as a step's ops save the model's parameters.
  package init(
    isRecording: Bool = true, observers: [any LedgerObserver] = [], after earlier: Ledger? = nil
  ) {
    self.isRecording = isRecording
    self.observers = observers
    nextNumber = earlier?.nextNumber ?? 0
  }

  /// How many storages were entered so far.
  package var storageCount: Int { nextNumber }

  /// Whether somebody listens, who then must hear of every event.
  package var isObserved: Bool { !observers.isEmpty }

  private func tell(_ event: @autoclosure () -> Event) {
    guard !observers.isEmpty else { return }
    let event = event()
    for observer in observers { observer.observe(event) }
  }

  // MARK: Ops

  /// Runs an op: what happens in `body` belongs to `scope`.
  package func perform<R>(_ scope: Scope, _ body: () throws -> R) rethrows -> R {
    let outer = self.scope
    self.scope = scope
    if isRecording { tell(.begin(scope)) }
    defer {
      if isRecording { tell(.end(scope)) }
      self.scope = outer
    }
    return try body()
  }

  // MARK: Storages

  /// Enters a new storage; called by `Storage.init` alone.
  package func charge(_ description: StorageDescription) -> StorageID {
    nextNumber += 1
    let id = StorageID(number: nextNumber)
    guard isRecording else { return id }
    live[id] = LiveStorage(id: id, scope: scope, description: description)
    tell(.allocate(id, scope, description))
    liveBytes[description.category] += description.requestedBytes
    liveAllocatedBytes[description.category] += description.allocatedBytes
    notePeak()
    return id
  }

  /// Strikes out a storage; called by `Storage.deinit` alone.
  package func credit(_ id: StorageID) {
    guard isRecording, let entry = live.removeValue(forKey: id) else { return }
    tell(.free(id))
    liveBytes[entry.description.category] -= entry.description.requestedBytes
    liveAllocatedBytes[entry.description.category] -= entry.description.allocatedBytes
    savers[id] = nil
    saveCounts[id] = nil
  }

  private func notePeak() {
    peaks[phase.rawValue].take(liveBytes, liveAllocatedBytes)
    for index in spans.indices { spans[index].take(liveBytes, liveAllocatedBytes) }
  }

  // MARK: Saved tensors

  /// Notes that the op in `scope` keeps a storage for backward; called by `Tape.save` alone.
  package func save(
    _ id: StorageID, _ view: SavedView, as tensor: String, neededFor: [String]
  ) {
    guard isRecording else { return }
    let saver = Saver(scope: scope, tensor: tensor, view: view, neededFor: neededFor)
    if savers[id] == nil { saveOrder.append(id) }
    savers[id, default: []].append(saver)
    saveCounts[id, default: 0] += 1
    tell(.save(id, saver))
  }

  /// Notes that one saver of a storage is done with it.
  package func release(_ id: StorageID) {
    guard isRecording, let count = saveCounts[id] else { return }
    tell(.release(id))
    saveCounts[id] = count - 1
  }

  // MARK: Phases and peaks

  /// Starts a phase of the step; its peaks start from what is alive now.
  package func enter(_ phase: Phase) {
    guard isRecording else { return }
    self.phase = phase
    tell(.enter(phase))
    peaks[phase.rawValue] = Peaks()
    notePeak()
  }

  /// The most requested bytes of a category that were alive at once in a phase.
  package func peakBytes(_ category: Category, in phase: Phase) -> Int {
    peaks[phase.rawValue].requested[category]
  }

  /// The most allocated bytes that were alive at once in a phase, all categories together.
  package func peakAllocatedBytes(in phase: Phase) -> Int { peaks[phase.rawValue].total }

  // MARK: Snapshots

  /// The storages alive now, oldest first.
  package func liveStorages(of category: Category) -> [LiveStorage] {
    live.values.filter { $0.description.category == category }.sorted { $0.id < $1.id }
  }

  /// The storages alive now that some op has saved, in the order of their first saving.
  ///
  /// Of activations alone, unless other categories are asked for: parameters and gradients live for
  /// longer than the step, and inputs are the caller's.
  package func savedStorages(of categories: Set<Category> = [.activation]) -> [SavedStorage] {
    saveOrder.compactMap { id in
      guard (saveCounts[id] ?? 0) > 0, let entry = live[id],
        categories.contains(entry.description.category)
      else { return nil }
      return SavedStorage(
        id: id, description: entry.description, savers: savers[id] ?? [],
        copies: copies.reduce(1) { $1.numbers.contains(id.number) ? $0 * (1 + $1.more) : $0 })
    }
  }
}

// MARK: Spans

/// What a span of a step did to the totals: two spans with equal effects are one span twice.
package struct SpanEffect: Equatable, Sendable {
  /// What is alive after it and was not before, less what was and is not.
  package let change: CategoryBytes
  package let allocatedChange: CategoryBytes
  /// The most that was alive during it, above what was alive when it began.
  package let rise: CategoryBytes
  package let allocatedRise: CategoryBytes
  /// The same of all categories together.
  package let totalRise: Int
  /// How many storages it made.
  package let storages: Int

  /// Whether it did the same in the same order, but for the sizes of what came and went.
  package func hasOutline(of other: SpanEffect) -> Bool {
    change == other.change && allocatedChange == other.allocatedChange
      && storages == other.storages
  }

  /// Whether no total rose higher than in another.
  package func risesAtMost(_ other: SpanEffect) -> Bool {
    rise.isAtMost(other.rise) && allocatedRise.isAtMost(other.allocatedRise)
      && totalRise <= other.totalRise
  }
}

/// A span that has begun.
package struct OpenSpan {
  fileprivate let requested: CategoryBytes
  fileprivate let allocated: CategoryBytes
  fileprivate let firstNumber: Int
}

extension Ledger {
  /// Begins a span, inside those that have begun and not ended.
  package func open() -> OpenSpan {
    let span = OpenSpan(
      requested: liveBytes, allocated: liveAllocatedBytes, firstNumber: nextNumber + 1)
    spans.append(
      Peaks(requested: liveBytes, allocated: liveAllocatedBytes, total: liveAllocatedBytes.total))
    return span
  }

  /// Ends the span that began last, and returns what it did to the totals.
  package func close(_ span: OpenSpan) -> SpanEffect {
    let highest = spans.removeLast()
    return SpanEffect(
      change: liveBytes - span.requested, allocatedChange: liveAllocatedBytes - span.allocated,
      rise: highest.requested - span.requested, allocatedRise: highest.allocated - span.allocated,
      totalRise: highest.total - span.allocated.total, storages: nextNumber + 1 - span.firstNumber)
  }

  /// Counts spans that are not run: what `effect` says, `times` more, one after the other.
  ///
  /// With `span`, the storages that it left stand for those of the others too, as their `copies`.
  package func count(_ effect: SpanEffect, times: Int, leavingCopiesOf span: OpenSpan? = nil) {
    guard times > 0 else { return }
    if let span { copies.append((span.firstNumber..<nextNumber + 1, times)) }
    // Totals move by the same amount each time: they stood highest in the first or in the last.
    for place in [0, times - 1] {
      let requested = liveBytes + effect.change * place
      let allocated = liveAllocatedBytes + effect.allocatedChange * place
      let highest = Peaks(
        requested: requested + effect.rise, allocated: allocated + effect.allocatedRise,
        total: allocated.total + effect.totalRise)
      peaks[phase.rawValue].take(highest)
      for index in spans.indices { spans[index].take(highest) }
    }
    liveBytes = liveBytes + effect.change * times
    liveAllocatedBytes = liveAllocatedBytes + effect.allocatedChange * times
  }
}
