internal import OneDNN
import Tensors

/// A bfloat16 product on a processor for which oneDNN has no such kernel (one without AVX-512).
///
/// ```
///   a, b (bfloat16) ──copy──▶ float32 in workspace ──product──▶ float32 ──round──▶ c
/// ```
///
/// Sums are float32 and rounded once, as oneDNN's own kernels do it.
struct WidenedProduct {
  private let product: Product

  /// nil where oneDNN takes the product as it is.
  init?(_ product: Product) {
    let isRounded = [product.a, product.b, product.c].contains { $0.dtype == .bfloat16 }
    guard isRounded, !Matmul.multipliesBFloat16 else { return nil }
    self.product = product
  }

  /// Operands in float32, of which those that are bfloat16 are to stand in workspace.
  private var shape: MatmulShape {
    func operand(_ tensor: Tensor) -> MatmulOperand {
      guard tensor.dtype == .bfloat16 else { return MatmulOperand(tensor) }
      let strides = Self.packedStrides(of: tensor)
      return MatmulOperand(.float32, rank: tensor.shape.rank) { (tensor.extent($0), strides[$0]) }
    }
    return MatmulShape(
      a: operand(product.a), b: operand(product.b), c: operand(product.c),
      accumulates: product.accumulates)
  }

  /// Strides of a dense tensor that runs along the same of its last two axes as `tensor` does.
  private static func packedStrides(of tensor: Tensor) -> [Int] {
    let rank = tensor.shape.rank
    var order = Array(0..<rank)
    if runsDown(tensor) { order.swapAt(rank - 1, rank - 2) }
    var strides = Array(repeating: 0, count: rank)
    var step = 1
    for axis in order.reversed() {
      strides[axis] = step
      step *= tensor.extent(axis)
    }
    return strides
  }

  /// Whether the last axis but one is the contiguous one.
  private static func runsDown(_ tensor: Tensor) -> Bool {
    let last = tensor.shape.rank - 1
    return tensor.strides[last] != 1 && tensor.extent(last) > 1
  }

  /// The elements of the copies, each at a multiple of 16.
  private static func room(for tensor: Tensor) -> Int {
    tensor.dtype == .bfloat16 ? (tensor.count + 15) / 16 * 16 : 0
  }

  private var copied: Int {
    [product.a, product.b, product.c].reduce(0) { $0 + Self.room(for: $1) }
  }

  /// The copies, and what `needs` says of the product of them.
  func workspaceBytes(needs: (MatmulShape) throws -> MatmulNeeds) throws -> Int {
    try 4 * copied + needs(shape).bytes
  }

  func multiply(on backend: CPUBackend, workspace: Tensor) throws {
    var used = 0
    func place(_ tensor: Tensor) -> Tensor {
      guard tensor.dtype == .bfloat16 else { return tensor }
      defer { used += Self.room(for: tensor) }
      let isDown = Self.runsDown(tensor)
      let last = tensor.shape.rank - 1
      let like = isDown ? tensor.transposed(last, last - 1) : tensor
      var copy = workspace.sliced(0, used..<used + tensor.count)
      var inner = tensor.count
      for axis in 0..<last {
        inner /= max(like.extent(axis), 1)
        copy = copy.splitting(axis, inner: inner)
      }
      return isDown ? copy.transposed(last, last - 1) : copy
    }
    func copy(_ x: Tensor, to y: Tensor) {
      let last = x.shape.rank - 1
      let isDown = Self.runsDown(x) || Self.runsDown(y)
      backend.copy(
        isDown ? x.transposed(last, last - 1) : x, to: isDown ? y.transposed(last, last - 1) : y)
    }
    let (a, b, c) = (place(product.a), place(product.b), place(product.c))
    if product.a.dtype == .bfloat16 { copy(product.a, to: a) }
    if product.b.dtype == .bfloat16 { copy(product.b, to: b) }
    if product.accumulates, product.c.dtype == .bfloat16 { copy(product.c, to: c) }
    let matmul = try backend.products.matmul(for: shape)
    let scratchpad = workspace.sliced(0, copied..<workspace.count)
    try withExtendedLifetime((product, workspace)) {
      let operands = unsafe MatmulOperands(
        a: a.address, b: b.address, c: c.address,
        scratchpad: matmul.needs.bytes > 0 ? scratchpad.address : nil)
      try Matmul.execute([(matmul, operands)])
    }
    if product.c.dtype == .bfloat16 { copy(c, to: product.c) }
  }
}
