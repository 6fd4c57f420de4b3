import Ledger
import Testing

@Suite struct `The ledger` {
  private func describe(
    _ name: String, _ bytes: Int, _ category: Category = .activation
  ) -> StorageDescription {
    StorageDescription(
      tensor: name, category: category, shape: [bytes], dtype: "float32", requestedBytes: bytes,
      allocatedBytes: bytes + 16, regions: RegionBytes(shared: bytes))
  }

  @Test func `counts live bytes and the peak of each stretch`() {
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

  @Test func `remembers who was alive at the peak`() {
    let ledger = Ledger()
    ledger.enter(.forward)
    let a = ledger.charge(describe("a", 100))
    let b = ledger.charge(describe("b", 50))
    ledger.credit(a)
    _ = ledger.charge(describe("c", 60))
    ledger.enter(.backward)
    let d = ledger.charge(describe("d", 5))
    #expect(ledger.storagesAtPeak(in: .forward).map(\.description.tensor) == ["a", "b"])
    #expect(ledger.storagesAtPeak(in: .backward).map(\.description.tensor) == ["b", "c", "d"])
    for id in [b, d] { ledger.credit(id) }
  }

  @Test func `lists a storage once with all of its savers`() {
    let ledger = Ledger()
    let x = ledger.charge(describe("x", 8))
    let y = ledger.charge(describe("y", 8))
    let weight = ledger.charge(describe("w", 8, .parameter))
    ledger.scope = Scope(op: "q_proj", layer: 0)
    ledger.save(y, as: "input", neededFor: ["W_Q"])
    ledger.save(weight, as: "weight", neededFor: ["dx"])
    ledger.scope = Scope(op: "k_proj", layer: 0)
    ledger.save(x, as: "input", neededFor: ["W_K"])
    ledger.save(y, as: "input", neededFor: ["W_K"])
    let saved = ledger.savedStorages()
    #expect(saved.map(\.description.tensor) == ["y", "x"])
    #expect(saved[0].savers.map(\.scope.op) == ["q_proj", "k_proj"])
    ledger.release(y)
    #expect(ledger.savedStorages().count == 2, "one saver of y is left")
    ledger.release(y)
    #expect(ledger.savedStorages().map(\.description.tensor) == ["x"])
  }

  @Test func `switched off it counts nothing`() {
    let ledger = Ledger(isRecording: false)
    let a = ledger.charge(describe("a", 100))
    ledger.save(a, as: "input", neededFor: [])
    #expect(ledger.liveBytes.total == 0)
    #expect(ledger.events.isEmpty)
    #expect(ledger.savedStorages().isEmpty)
    ledger.credit(a)
  }
}
