package import Ledger

/// A backend without memory or arithmetic: the same model code, the same events, in microseconds.
///
/// Allocated bytes come from the size-class function that it is given, which is jemalloc's
/// `nallocx` in the program.
package final class ShapeBackend: Backend {
  package let name = "shape"
  package let computes = false
  private let sizeClass: (Int) -> Int

  /// Creates a backend whose blocks are as large as `sizeClass(requested)`.
  package init(sizeClass: @escaping (Int) -> Int) { self.sizeClass = sizeClass }

  package func allocate(bytes: Int, for category: Category) -> Allocation? {
    unsafe Allocation(address: nil, bytes: sizeClass(bytes), category: category)
  }
  package func deallocate(_ allocation: Allocation) {}

  package func workspaceBytes(for product: Product) -> Int { 0 }
  package func multiply(_ product: Product, workspace: Tensor?) {}

  package func fill(_ tensor: Tensor, with value: Float) {}
  package func write(_ values: [Float], to tensor: Tensor) {}
  package func read(_ tensor: Tensor) -> [Float] { Array(repeating: 0, count: tensor.count) }
  package func copy(_ x: Tensor, to y: Tensor) {}
  package func add(_ x: Tensor, to y: Tensor) {}

  package func gatherRows(of table: Tensor, ids: [Int32], idStride: Int, to y: Tensor) {}
  package func scatterAddRows(_ dy: Tensor, ids: [Int32], idStride: Int, to table: Tensor) {}

  package func rmsNorm(
    _ x: Tensor, weight: Tensor, epsilon: Float, to y: Tensor, rstd: Tensor
  ) {}
  package func rmsNormBackward(
    _ dy: Tensor, x: Tensor, rstd: Tensor, weight: Tensor, to dx: Tensor?, accumulates: Bool,
    partials: Tensor?
  ) {}
  package func sumRows(_ x: Tensor, to y: Tensor, accumulates: Bool) {}

  package func layerNorm(
    _ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Float, to y: Tensor, mean: Tensor,
    rstd: Tensor
  ) {}
  package func layerNormBackward(
    _ dy: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor, to dx: Tensor?,
    accumulates: Bool, partials: Tensor?
  ) {}
  package func addBias(_ bias: Tensor, to y: Tensor) {}
  package func partialSums(_ x: Tensor, to partials: Tensor) {}
  package func gelu(_ x: Tensor, form: GELU, to y: Tensor) {}
  package func geluBackward(_ dy: Tensor, x: Tensor, form: GELU, to dx: Tensor) {}
  package func dropout(_ x: Tensor, _ dropout: Dropout, to y: Tensor, mask: Tensor?) {}
  package func applyMask(_ mask: Tensor, scale: Float, to x: Tensor, into y: Tensor) {}

  package func rotate(_ x: Tensor, frequencies: [Float], inverse: Bool) {}
  package func causalSoftmax(_ scores: Tensor, scale: Float, window: Int?, logSumExp: Tensor?) {}
  package func causalProbabilities(
    _ scores: Tensor, scale: Float, window: Int?, logSumExp: Tensor
  ) {}
  package func causalSoftmaxBackward(
    _ gradient: Tensor, probabilities: Tensor, scale: Float, rowDots: Tensor?
  ) {}
  package func headDots(_ x: Tensor, _ y: Tensor, to dots: Tensor) {}

  package func swiGLU(gate: Tensor, up: Tensor, to y: Tensor) {}
  package func swiGLUBackward(
    _ dy: Tensor, gate: Tensor, up: Tensor, dgate: Tensor, dup: Tensor
  ) {}

  package func crossEntropy(_ logits: Tensor, labels: [Int32], logSumExp: Tensor) -> Double { 0 }
  package func crossEntropyBackward(
    _ logits: Tensor, labels: [Int32], logSumExp: Tensor, rows: Int
  ) {}
}
