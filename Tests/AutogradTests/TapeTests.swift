import Autograd
import Ledger
import Tensors
import TestSupport
import Testing

/// What the tape keeps and lets go, on shapes.
@Suite struct TapeTests {
  private let ledger = Ledger()
  private let tape: Tape

  init() { tape = .onShapes(ledger) }

  /// `y = x · Wᵀ` over 5 rows, 4 wide to 7.
  private func product(trainsWeight: Bool, wantsInput: Bool) throws -> (Parameter, Variable) {
    let weight = Parameter(
      name: "up.weight", role: ParameterRole(.up), layer: nil,
      value: try tape.tensors.make(
        "w", .parameter(ParameterRole(.up)), Shape(.plain(7), .plain(4)), for: .parameter))
    weight.isTrained = trainsWeight
    let x = try tape.tensors.make("x", .hidden, Shape(.plain(1), .tokens(0..<5), .plain(4)))
    let slot = wantsInput ? GradientSlot("x", .hidden, shape: x.shape, dtype: .float32) : nil
    let y = try tape.linear(
      Variable(x, gradient: slot), Weight(weight), at: .module(.up), as: "y", .inner)
    return (weight, y)
  }

  private var saved: [String] {
    ledger.savedStorages(of: [.activation, .parameter]).map(\.description.tensor)
  }

  @Test(arguments: [false, true], [false, true])
  func `an operand is kept for the other one's gradient alone`(
    trainsWeight: Bool, wantsInput: Bool
  ) throws {
    let (_, y) = try product(trainsWeight: trainsWeight, wantsInput: wantsInput)
    #expect(Set(saved) == Set((trainsWeight ? ["x"] : []) + (wantsInput ? ["w"] : [])))
    #expect((y.gradient != nil) == (trainsWeight || wantsInput))
    tape.discard()
    #expect(saved.isEmpty)
  }

  @Test func `nothing is kept without recording`() throws {
    let (_, y) = try tape.withoutRecording {
      try product(trainsWeight: true, wantsInput: true)
    }
    #expect(saved.isEmpty && y.gradient == nil)
  }

  @Test func `backward gives the weight its gradient, and lets go of all`() throws {
    let (weight, y) = try product(trainsWeight: true, wantsInput: false)
    let slot = try #require(y.gradient)
    try slot.accumulate(from: tape.tensors) { _, accumulates in #expect(!accumulates) }
    let work = tape.matmulFlops
    try tape.backward()
    #expect(weight.gradient?.value?.shape.extents == [7, 4] && saved.isEmpty)
    // As many multiplications and additions as forward.
    #expect(tape.matmulFlops == 2 * work && work == 2 * 5 * 4 * 7)
    #expect(ledger.liveStorages(of: .activation).map(\.description.tensor) == ["y"])
    weight.clearGradient()
    #expect(ledger.liveBytes[.gradient] == 0)
  }

  @Test func `what nothing flows back to runs no backward`() throws {
    let (weight, _) = try product(trainsWeight: true, wantsInput: false)
    try tape.backward()
    #expect(weight.gradient?.value == nil && saved.isEmpty)
  }

  @Test func `a gradient that two slots share is copied before one adds to it`() throws {
    let shape = Shape(.plain(3))
    let (one, other) = (
      GradientSlot("a", .hidden, shape: shape, dtype: .float32),
      GradientSlot("b", .hidden, shape: shape, dtype: .float32)
    )
    do {
      let sum = try tape.tensors.make("sum", .hidden, shape)
      try one.add(sum, from: tape.tensors)
      try other.add(sum, from: tape.tensors)
    }
    #expect(ledger.liveStorages(of: .activation).count == 1)
    try other.accumulate(from: tape.tensors) { _, accumulates in #expect(accumulates) }
    #expect(ledger.liveStorages(of: .activation).map(\.description.tensor) == ["sum", "db"])
  }
}
