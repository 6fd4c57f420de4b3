import Ledger
import Testing

@Suite struct `The ledger` {
  private func describe(
    _ name: String, _ bytes: Int, _ category: Category = .activation
  ) -> StorageDescription {
    StorageDescription(
      tensor: name, role: .hidden, category: category, shape: [bytes], dtype: "float32",
      requestedBytes: bytes,
      allocatedBytes: bytes + 16, regions: RegionBytes(shared: bytes))
  }

  @Test func `counts live bytes and the peak of each phase`() {
    let ledger = Ledger()
    let weight = ledger.charge(describe("w", 1000, .parameter))
    ledger.enter(.forward)
    let a = ledger.charge(describe("a", 100))
    let b = ledger.charge(describe("b", 50))
    ledger.credit(a)
    let c = ledger.charge(describe("c", 20))
    #expect(ledger.liveBytes[.activation] == 70)
    #expect(ledger.liveAllocatedBytes[.activation] == 70 + 32)
    #expect(ledger.peakBytes(.activation, in: .forward) == 150)
    ledger.enter(.backward)
    let d = ledger.charge(describe("d", 5))
    #expect(ledger.peakBytes(.activation, in: .backward) == 75)
    #expect(ledger.peakBytes(.parameter, in: .backward) == 1000)
    for id in [b, c, d, weight] { ledger.credit(id) }
    #expect(ledger.liveBytes.total == 0)
  }

  @Test func `its journal remembers who was alive at the peak`() {
    let journal = EventJournal()
    let ledger = Ledger(observers: [journal])
    ledger.enter(.forward)
    let a = ledger.charge(describe("a", 100))
    let b = ledger.charge(describe("b", 50))
    ledger.credit(a)
    _ = ledger.charge(describe("c", 60))
    ledger.enter(.backward)
    let d = ledger.charge(describe("d", 5))
    #expect(journal.storagesAtPeak(in: .forward).map(\.description.tensor) == ["a", "b"])
    #expect(journal.storagesAtPeak(in: .backward).map(\.description.tensor) == ["b", "c", "d"])
    for id in [b, d] { ledger.credit(id) }
  }

  @Test func `lists a storage once with all of its savers`() {
    let ledger = Ledger()
    let x = ledger.charge(describe("x", 8))
    let y = ledger.charge(describe("y", 8))
    let weight = ledger.charge(describe("w", 8, .parameter))
    let view = SavedView(shape: [2], dtype: "float32")
    ledger.perform(Scope(Op(.module(.query)), layer: 0)) {
      ledger.save(y, view, as: "input", neededFor: ["W_Q"])
      ledger.save(weight, view, as: "weight", neededFor: ["dx"])
    }
    ledger.perform(Scope(Op(.module(.key)), layer: 0)) {
      ledger.save(x, SavedView(shape: [1], dtype: "float32"), as: "input", neededFor: ["W_K"])
      ledger.save(y, view, as: "input", neededFor: ["W_K"])
    }
    let saved = ledger.savedStorages()
    #expect(saved.map(\.description.tensor) == ["y", "x"])
    #expect(saved[0].savers.map(\.scope.name) == ["q_proj", "k_proj"])
    #expect(saved[1].savers.map(\.view.shape) == [[1]], "what was saved may be a view")
    ledger.release(y)
    #expect(ledger.savedStorages().count == 2, "one saver of y is left")
    ledger.release(y)
    #expect(ledger.savedStorages().map(\.description.tensor) == ["x"])
  }

  @Test func `switched off it counts nothing`() {
    let journal = EventJournal()
    let ledger = Ledger(isRecording: false, observers: [journal])
    let a = ledger.charge(describe("a", 100))
    ledger.save(a, SavedView(shape: [25], dtype: "float32"), as: "input", neededFor: [])
    #expect(ledger.liveBytes.total == 0)
    #expect(journal.events.isEmpty)
    #expect(ledger.savedStorages().isEmpty)
    ledger.credit(a)
  }

  @Test func `counts inputs apart, and lists them only when asked`() {
    let ledger = Ledger()
    let ids = ledger.charge(describe("input_ids", 64, .input))
    let x = ledger.charge(describe("x", 8))
    let view = SavedView(shape: [8], dtype: "int64")
    for id in [ids, x] { ledger.save(id, view, as: "indices", neededFor: ["E"]) }
    #expect(ledger.liveBytes[.input] == 64 && ledger.liveBytes[.activation] == 8)
    #expect(ledger.savedStorages().map(\.id) == [x])
    #expect(ledger.savedStorages(of: [.activation, .input]).map(\.id) == [ids, x])
  }

  @Test func `tells every observer when ops begin and end`() {
    let journals = [EventJournal(), EventJournal()]
    let ledger = Ledger(observers: journals)
    let (outer, inner) = (
      Scope(Op(.layer), layer: 3), Scope(Op(.module(.query)), layer: 3)
    )
    ledger.perform(outer) { ledger.perform(inner) {} }
    #expect(
      journals.allSatisfy { $0.events == [.begin(outer), .begin(inner), .end(inner), .end(outer)] })
    #expect(ledger.scope == Scope(Op(.setup)))
  }

  @Test func `knows what a span of a step did to the totals`() {
    let ledger = Ledger()
    let weight = ledger.charge(describe("w", 1000, .parameter))
    func span() -> SpanEffect {
      let span = ledger.open()
      let a = ledger.charge(describe("a", 100))
      let b = ledger.charge(describe("b", 50, .workspace))
      for id in [a, b] { ledger.credit(id) }
      _ = ledger.charge(describe("c", 7))
      return ledger.close(span)
    }
    let (first, second) = (span(), span())
    #expect(first == second, "though more is alive when the second begins")
    #expect(first.change[.activation] == 7 && first.rise[.activation] == 100)
    #expect(first.rise[.workspace] == 50 && first.change[.workspace] == 0)
    #expect(first.totalRise == 150 + 32)
    ledger.credit(weight)
  }
}
