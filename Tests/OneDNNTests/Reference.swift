import OneDNN
import Testing

/// Steele, Lea and Flood's generator, so that a failure repeats.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// An operand with its memory.
struct Matrix {
  let operand: MatmulOperand
  var bytes: [UInt8]

  /// Random values; with `permuted`, the last two axes swap places in memory half of the time, and
  /// leading axes lie in any order, now and then with gaps.
  init(
    _ type: ElementType, _ extents: [Int], permuted: Bool, using random: inout SplitMix64
  ) {
    var order = Array(extents.indices)
    let rank = order.count
    if permuted, Bool.random(using: &random) { order.swapAt(rank - 1, rank - 2) }
    // One leading axis between rows and columns, as heads are.
    if rank > 2, Bool.random(using: &random) { order.swapAt(rank - 2, rank - 3) }
    var strides = Array(repeating: 0, count: rank)
    var stride = 1
    for (place, axis) in order.enumerated().reversed() {
      strides[axis] = stride
      stride *= extents[axis]
      if place == rank - 1, Bool.random(using: &random) { stride += 5 }
    }
    self.init(type, extents, strides: strides, using: &random)
  }

  init(
    _ type: ElementType, _ extents: [Int], strides: [Int], using random: inout SplitMix64
  ) {
    operand = MatmulOperand(type, extents: extents, strides: strides)
    let count = zip(extents, strides).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
    bytes = Array(repeating: 0, count: count * (type == .float32 ? 4 : 2))
    for index in 0..<count { self[index] = Float.random(in: -1...1, using: &random) }
  }

  private init(_ operand: MatmulOperand, _ bytes: [UInt8]) {
    (self.operand, self.bytes) = (operand, bytes)
  }

  /// Rows and columns exchanged, in the same memory.
  var transposed: Matrix {
    let (rank, x) = (operand.rank, operand)
    let swapped = MatmulOperand(x.type, rank: rank) { axis in
      let from = axis < rank - 2 ? axis : 2 * rank - 3 - axis
      return (x.extents[from], x.strides[from])
    }
    return Matrix(swapped, bytes)
  }

  subscript(index: Int) -> Float {
    get {
      switch operand.type {
      case .float32:
        let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[index * 4 + $1]) << (8 * $1) }
        return Float(bitPattern: bits)
      case .bfloat16:
        let bits = UInt32(bytes[index * 2]) | UInt32(bytes[index * 2 + 1]) << 8
        return Float(bitPattern: bits << 16)
      }
    }
    set {
      let bits = newValue.bitPattern
      switch operand.type {
      case .float32:
        for byte in 0..<4 {
          bytes[index * 4 + byte] = UInt8(truncatingIfNeeded: bits >> (8 * byte))
        }
      case .bfloat16:
        // Truncated: the inputs need not be rounded well, only representable.
        for byte in 0..<2 {
          bytes[index * 2 + byte] = UInt8(truncatingIfNeeded: bits >> (16 + 8 * byte))
        }
      }
    }
  }

  /// The place of an element; axes of extent 1 are not moved along.
  func offset(_ leading: [Int], _ row: Int, _ column: Int) -> Int {
    let position = leading + [row, column]
    return position.indices.reduce(0) {
      $0 + (operand.extents[$1] == 1 ? 0 : position[$1] * operand.strides[$1])
    }
  }
}

/// Runs a product with oneDNN.
func run(_ a: Matrix, _ b: Matrix, _ c: inout Matrix, accumulates: Bool) throws {
  let shape = MatmulShape(
    a: a.operand, b: b.operand, c: c.operand, accumulates: accumulates)
  let product = try MatmulCache().matmul(for: shape)
  let scratchpad = UnsafeMutableRawPointer.allocate(
    byteCount: max(product.needs.bytes, 1), alignment: 64)
  defer { unsafe scratchpad.deallocate() }
  try unsafe a.bytes.withUnsafeBytes { aBytes in
    try unsafe b.bytes.withUnsafeBytes { bBytes in
      try unsafe c.bytes.withUnsafeMutableBytes { cBytes in
        let operands = try unsafe MatmulOperands(
          a: #require(aBytes.baseAddress), b: #require(bBytes.baseAddress),
          c: #require(cBytes.baseAddress), scratchpad: scratchpad)
        try Matmul.execute([(product, operands)])
      }
    }
  }
}

/// Expects of oneDNN what loops in double precision give.
func expectNaive(_ a: Matrix, _ b: Matrix, _ c: Matrix, accumulates: Bool) throws {
  var result = c
  try run(a, b, &result, accumulates: accumulates)
  let shape = MatmulShape(
    a: a.operand, b: b.operand, c: c.operand, accumulates: accumulates)
  let leading = (0..<(shape.rank - 2)).map { c.operand.extents[$0] }
  // bfloat16 keeps 8 bits; oneDNN may round what c holds before it adds.
  let relative = c.operand.type == .bfloat16 ? 0.01 : 1e-5
  for flat in 0..<leading.reduce(1, *) {
    var rest = flat
    let index = Array(
      leading.reversed().map { extent in
        defer { rest /= extent }
        return rest % extent
      }.reversed())
    let columns = (0..<shape.columns).map { column in
      (0..<shape.inner).map { Double(b[b.offset(index, $0, column)]) }
    }
    for row in 0..<shape.rows {
      let values = (0..<shape.inner).map { Double(a[a.offset(index, row, $0)]) }
      for column in 0..<shape.columns {
        let place = c.offset(index, row, column)
        var sum = accumulates ? Double(c[place]) : 0
        var magnitude = abs(sum)
        for (x, y) in zip(values, columns[column]) {
          let term = x * y
          sum += term
          magnitude += abs(term)
        }
        guard abs(Double(result[place]) - sum) <= relative * (magnitude + 1e-3) else {
          Issue.record("\(shape) at \(index) \(row) \(column): \(result[place]), not \(sum)")
          return
        }
      }
    }
  }
}
