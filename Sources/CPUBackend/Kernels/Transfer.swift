import Tensors

/// Values between Swift arrays and tensors, row-major.
enum Transfer {
  /// `y = values`, rounded; `y` `[rows, width]`.
  static func write<Y: KernelElement>(_ values: [Float], to y: Rows<Y>) {
    precondition(values.count == y.count * y.width, "\(values.count) values for another shape")
    unsafe values.withUnsafeBufferPointer { buffer in
      guard let source = buffer.baseAddress else { return }
      for row in 0..<y.count {
        unsafe copyRow(source + row * y.width, to: y[row], 0..<y.width)
      }
    }
  }

  /// The values of `x` `[rows, width]`.
  static func read<X: KernelElement>(_ x: Rows<X>) -> [Float] {
    let count = x.count * x.width
    return unsafe [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      initialized = count
      guard let target = buffer.baseAddress else { return }
      for row in 0..<x.count {
        unsafe copyRow(x[row], to: target + row * x.width, 0..<x.width)
      }
    }
  }

  /// Whether every value of `x` `[rows, width]` is finite.
  static func isFinite<X: KernelElement>(_ x: Rows<X>) -> Bool {
    for row in 0..<x.count {
      let source = unsafe x[row]
      // A sum of products with 0 is 0 unless one of them is not finite.
      var sums = Lanes.zero
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        sums += unsafe X.load(source + index, lanes) * Lanes.zero
      }
      forEachStep(0..<x.width, step)
      if sums.total != 0 { return false }
    }
    return true
  }
}
