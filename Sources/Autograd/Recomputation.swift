import Ledger
package import Tensors

/// What backward computes again rather than keeps: the values that a tape consults.
package struct RecomputePolicy: OptionSet, Sendable {
  package let rawValue: Int

  package init(rawValue: Int) { self.rawValue = rawValue }

  /// Norms, activation functions and products of elements, from their inputs.
  package static let elementwise = Self(rawValue: 1)
  /// The attention core, from q, k and v (Korthikanti et al., arXiv 2205.05198, section 5).
  package static let attention = Self(rawValue: 2)
  /// Whole layers, from their inputs (Chen et al., arXiv 1604.06174).
  package static let layer = Self(rawValue: 4)
}

/// Tensors that backward makes again from others when it first reads them.
///
/// ```
///   forward:   x ─▶ op ─▶ y ─▶ linear ── save(y) ──▶ keeps x, and how y comes from it
///   backward:  first reader ─▶ x ─▶ op ─▶ y ─▶ … last reader: y is freed
/// ```
package final class Recomputation {
  /// What it reads, each under the op's own name for it.
  let inputs: [(name: String, tensor: Tensor)]
  /// Where it runs.
  let scope: Scope
  private let compute: () throws -> [Tensor]
  private var results: [Tensor?] = []
  /// How many savers of each result are left.
  private var readers: [Int]

  fileprivate init(
    scope: Scope, inputs: [(name: String, tensor: Tensor)], results: Int,
    _ compute: @escaping () throws -> [Tensor]
  ) {
    self.scope = scope
    self.inputs = inputs
    self.compute = compute
    readers = Array(repeating: 0, count: results)
  }

  func addReader(of result: Int) { readers[result] += 1 }

  func removeReader(of result: Int) {
    readers[result] -= 1
    if readers[result] == 0, !results.isEmpty { results[result] = nil }
  }

  /// A result, computed with all others that somebody reads if it is not there.
  fileprivate func result(_ index: Int, on tape: Tape) throws -> Tensor {
    if results.isEmpty {
      let all = try tape.tensors.ledger.perform(scope, compute)
      results = zip(all, readers).map { $1 > 0 ? $0 : nil }
    }
    guard let result = results[index] else { preconditionFailure("a result without readers") }
    return result
  }
}

/// One result of a recomputation, or some rows of it.
package struct Recomputed {
  let source: Recomputation
  let index: Int
  /// Positions; nil for all rows.
  var rows: Range<Int>?

  func value(on tape: Tape) throws -> Tensor {
    let whole = try source.result(index, on: tape)
    return rows.map { whole.at(rows: $0) } ?? whole
  }
}

extension Tape {
  /// Results of the op in scope that backward may make again, if the policy has it so; else nil.
  ///
  /// `compute` makes as many tensors as `results` says, the same bits as the first time.
  func recomputed(
    _ kind: RecomputePolicy, from inputs: [(name: String, tensor: Tensor)], results: Int = 1,
    _ compute: @escaping () throws -> [Tensor]
  ) -> [Recomputed]? {
    guard isRecording, policy.contains(kind) else { return nil }
    var scope = tensors.ledger.scope
    scope.pass = .recomputation
    let source = Recomputation(
      scope: scope, inputs: inputs, results: results, compute)
    return (0..<results).map { Recomputed(source: source, index: $0) }
  }

  /// Runs `body` without a graph, and once more with one when backward comes to it.
  ///
  /// Saves `x`, and the `constants` that `body` reads beside it. Whether any gradient is wanted of
  /// `body` says `isTrained`, those of `x` aside. It runs again if its result has a gradient, or if
  /// something that it made has one, as `isReached` says in backward. After the first time nobody
  /// reads the numbers of what `body` gives, and those of `constants` are there: it need not
  /// compute either. Without the policy `layer`, just runs `body`.
  package func checkpoint(
    _ x: Variable, constants: [(name: String, tensor: Tensor)], isTrained: Bool,
    isReached: @escaping () -> Bool = { false },
    _ body: @escaping (_ x: Variable, _ constants: [Tensor], _ isFirst: Bool) throws -> Variable
  ) throws -> Variable {
    guard isRecording, policy.contains(.layer), isTrained || x.gradient != nil else {
      return try body(x, constants.map(\.tensor), true)
    }
    let y = try withoutRecording {
      try body(Variable(x.value), constants.map(\.tensor), true).value
    }
    return op(.layer) {
      let slot = GradientSlot("hidden", .hidden, shape: y.shape, dtype: y.dtype)
      let inputSlot = x.gradient
      let all = ["all gradients of the layer"]
      let input = save(x.value, as: "input", neededFor: all)
      let saved = constants.map { save($0.tensor, as: $0.name, neededFor: all) }
      record { [tensors] in
        let dy = slot.take()
        guard dy != nil || isReached() else { return }
        let y = try body(
          Variable(input.tensor, gradient: inputSlot), saved.map { try $0.tensor }, false)
        if let dy { try y.gradient?.add(dy, from: tensors) }
      }
      return Variable(y, gradient: slot)
    }
  }
}
