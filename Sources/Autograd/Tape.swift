package import Ledger
package import Tensors

/// A tensor that an op reads in its backward: kept, or made again from others that are kept.
///
/// The ledger hears when it goes.
package final class SavedTensor {
  private enum Content {
    case kept(Tensor)
    case recomputed(Recomputed)
  }

  private let content: Content
  private let tape: Tape

  fileprivate init(_ tensor: Tensor, tape: Tape) {
    content = .kept(tensor)
    self.tape = tape
  }

  fileprivate init(_ recomputed: Recomputed, tape: Tape) {
    content = .recomputed(recomputed)
    self.tape = tape
    recomputed.source.addReader(of: recomputed.index)
  }

  /// The tensor; computed now if it was not kept.
  package var tensor: Tensor {
    get throws {
      switch content {
      case .kept(let tensor): tensor
      case .recomputed(let recomputed): try recomputed.value(on: tape)
      }
    }
  }

  deinit {
    let ledger = tape.tensors.ledger
    switch content {
    case .kept(let tensor): ledger.release(tensor.storage.id)
    case .recomputed(let recomputed):
      for input in recomputed.source.inputs { ledger.release(input.tensor.storage.id) }
      recomputed.source.removeReader(of: recomputed.index)
    }
  }
}

/// The record of a forward pass: what to run backward, and what that needs.
///
/// ```
///   forward:   op ── save(x, as:, neededFor:) ──▶ SavedTensor ─┐
///               └─── record { … } ──────────────▶ step ◀───────┘  (the step owns it)
///   backward:  last step … first step; each is dropped, with what it saved, once it has run
/// ```
///
/// Every tensor that outlives its op goes through `save`. A step's closure captures saved tensors
/// and gradient slots, never a variable: a variable would keep its tensor without an entry in the
/// ledger, and the boundary check of `TrainingStep` would fail.
package final class Tape {
  package let tensors: TensorFactory
  /// What backward computes again rather than keeps.
  package let policy: RecomputePolicy
  /// The layer that ops belong to, for the ledger.
  package var layer: Int?
  /// Multiplications and additions of all products so far; beyond 64 bits for a long prefix.
  package var matmulFlops: Int128 { productFlops + attentionFlops }
  var productFlops: Int128 = 0
  var attentionFlops: Int128 = 0
  /// Attention in the span that is being watched.
  var attentionWork: [AttentionWork]?

  /// Whether ops record themselves now.
  package private(set) var isRecording = true
  private var steps: [Step] = []

  private struct Step {
    let scope: Scope
    let run: () throws -> Void
  }

  package init(tensors: TensorFactory, policy: RecomputePolicy = []) {
    self.tensors = tensors
    self.policy = policy
  }

  /// What computes; nil where bytes are counted alone.
  package var kernels: (any Kernels)? { tensors.kernels }

  /// Runs `body` as this op of the layer.
  package func op<R>(_ op: Op, _ body: () throws -> R) rethrows -> R {
    try tensors.ledger.perform(Scope(op, layer: layer), body)
  }

  /// Runs `body` as Ballast's op at this place of the layer.
  func op<R>(_ place: Place, _ body: () throws -> R) rethrows -> R { try op(Op(place), body) }

  // MARK: Recording

  /// Runs `body` without a graph: nothing is saved, nothing gets a gradient.
  package func withoutRecording<R>(_ body: () throws -> R) rethrows -> R {
    let outer = isRecording
    isRecording = false
    defer { isRecording = outer }
    return try body()
  }

  /// Whether an op with these gradient slots must record itself.
  package func records(_ inputs: GradientSlot?...) -> Bool {
    isRecording && inputs.contains { $0 != nil }
  }

  /// Keeps a tensor for backward: the one place where tensors are saved.
  ///
  /// A saved view keeps its whole storage. `name` is the op's own name for it, `gradients` are
  /// those whose formulas read it. What can be `recomputed` is not kept, but all that it comes from
  /// is.
  package func save(
    _ tensor: Tensor, as name: String, neededFor gradients: [String],
    recomputed: Recomputed? = nil
  ) -> SavedTensor {
    if let recomputed { return save(recomputed, neededFor: gradients) }
    tensors.ledger.save(tensor.storage.id, tensor.view, as: name, neededFor: gradients)
    return SavedTensor(tensor, tape: self)
  }

  /// Keeps a tensor that an op sees under other extents than its storage has, as a view.
  package func save(
    _ tensor: Tensor, view extents: [Int], as name: String, neededFor gradients: [String]
  ) -> SavedTensor {
    tensors.ledger.save(
      tensor.storage.id, SavedView(shape: extents, dtype: tensor.dtype.rawValue), as: name,
      neededFor: gradients)
    return SavedTensor(tensor, tape: self)
  }

  /// Keeps what a tensor can be computed from again, in its place.
  func save(_ recomputed: Recomputed, neededFor gradients: [String]) -> SavedTensor {
    for input in recomputed.source.inputs {
      tensors.ledger.save(
        input.tensor.storage.id, input.tensor.view,
        as: "\(input.name) of \(recomputed.source.scope.op.name)", neededFor: gradients)
    }
    return SavedTensor(recomputed, tape: self)
  }

  /// Appends the backward step of the op in scope.
  package func record(_ run: @escaping () throws -> Void) {
    var scope = tensors.ledger.scope
    scope.pass = .backward
    steps.append(Step(scope: scope, run: run))
  }

  /// Appends a step that is no op's.
  func recordMark(_ run: @escaping () throws -> Void) {
    guard isRecording else { return }
    steps.append(Step(scope: tensors.ledger.scope, run: run))
  }

  /// Runs all steps from last to first, and drops each with what it saved.
  package func backward() throws {
    while let step = steps.popLast() { try tensors.ledger.perform(step.scope, step.run) }
  }

  /// Drops all steps with what they saved; a pass that failed half-way calls it.
  ///
  /// Steps refer to their tape, which would otherwise keep itself alive.
  package func discard() { steps.removeAll() }

  // MARK: Products

  /// `c = a · b`, or `c += a · b`, with scratch memory from the workspace arena.
  package func multiply(
    _ a: Tensor, _ b: Tensor, into c: Tensor, accumulates: Bool = false
  ) throws {
    try multiply([Product(a, b, into: c, accumulates: accumulates)])
  }

  /// Products that write a tensor each, that none of them reads, computed at the same time.
  func multiply(_ products: [Product]) throws {
    let products = products.filter { $0.c.count > 0 }
    guard !products.isEmpty else { return }
    for product in products { count(product.flops) }
    let workspace = try scratch(
      "scratchpad", bytes: tensors.memory.workspaceBytes(for: products))
    try kernels?.multiply(products, workspace: workspace)
  }

  /// Counts the work of a product.
  package func count(_ flops: Int128) { productFlops += flops }

  /// Counts the work of attention over `rows` of `batch` sequences.
  func count(_ attention: Attention, rows: Range<Int>, batch: Int, products: Int) {
    attentionWork?.append(
      AttentionWork(attention: attention, batch: batch, products: products, times: 1))
    attentionFlops += attention.flops(rows: rows, batch: batch, products: products)
  }

  /// Bytes of scratch for a kernel; nil for none.
  func scratch(_ name: String, bytes: Int) throws -> Tensor? {
    bytes > 0
      ? try tensors.make(name, .scratch, Shape(.plain((bytes + 3) / 4)), for: .workspace) : nil
  }
}

extension Tensor {
  /// What the ledger is told of a tensor that is saved.
  fileprivate var view: SavedView { SavedView(shape: shape.extents, dtype: dtype.rawValue) }
}
