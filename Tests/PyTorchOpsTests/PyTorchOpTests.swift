import Autograd
import Ledger
import PyTorchOps
import Tensors
import TestSupport
import Testing

/// What an op of PyTorch keeps, on shapes.
@Suite struct PyTorchOpTests {
  private let ledger = Ledger()
  private let tape: Tape

  init() { tape = .onShapes(ledger) }

  private let shape = Shape(.plain(1), .tokens(0..<5), .plain(4))

  private func variable(_ name: String, isWanted: Bool) throws -> Variable {
    let tensor = try tape.tensors.make(name, .inner, shape)
    return Variable(
      tensor, gradient: isWanted ? GradientSlot(name, .inner, shape: shape, dtype: .float32) : nil)
  }

  /// The product of two factors, each kept for the other's gradient, as `MulBackward0` has it.
  private func product(_ a: Variable, _ b: Variable, work: Int128 = 0) throws -> Variable {
    try tape.pytorch(
      Op(.module(.up), name: "mul"), as: "y", .inner, shape, .float32, from: [a, b], work: work,
      keeping: [
        PyTorchSave("MulBackward0.self", a.value, [5, 4], for: b.gradient),
        PyTorchSave("MulBackward0.other", b.value, [5, 4], for: a.gradient),
      ])
  }

  @Test(arguments: [false, true], [false, true])
  func `a factor is kept for a gradient that is wanted`(first: Bool, second: Bool) throws {
    let (a, b) = (try variable("a", isWanted: first), try variable("b", isWanted: second))
    let y = try product(a, b)
    let saved = ledger.savedStorages()
    #expect(saved.map(\.description.tensor) == (second ? ["a"] : []) + (first ? ["b"] : []))
    #expect(
      saved.flatMap(\.savers).allSatisfy { $0.view.shape == [5, 4] && $0.scope.name == "mul" })
    #expect((y.gradient != nil) == (first || second))
    tape.discard()
    #expect(ledger.savedStorages().isEmpty)
  }

  @Test func `backward makes the gradient of each wanted input, and counts its product`() throws {
    let (a, b) = (try variable("a", isWanted: true), try variable("b", isWanted: false))
    let y = try product(a, b, work: 100)
    try y.gradient?.accumulate(from: tape.tensors) { _, _ in }
    try tape.backward()
    #expect(a.gradient?.value != nil && tape.matmulFlops == 200)
    #expect(ledger.savedStorages().isEmpty)
  }

  @Test func `a sum passes its gradient on, as one tensor`() throws {
    let (a, b) = (try variable("a", isWanted: true), try variable("b", isWanted: true))
    let y = try tape.pytorch(
      Op(.module(.up), name: "add"), as: "y", .inner, shape, .float32, from: [a, b], passes: true)
    try y.gradient?.accumulate(from: tape.tensors) { _, _ in }
    try tape.backward()
    #expect(a.gradient?.value?.storage === b.gradient?.value?.storage)
  }
}
