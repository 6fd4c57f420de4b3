import Tensors

/// Values between Swift arrays and tensors, row-major.
enum Transfer {
  /// `y = values`, rounded; `y` `[rows, width]`.
  static func write<Y: KernelElement>(_ values: [Float], to y: Rows<Y>) {
    precondition(values.count == y.count * y.width, "\(values.count) values for another shape")
    unsafe values.withUnsafeBufferPointer { buffer in
      guard let source = buffer.baseAddress else { return }
      for row in 0..<y.count {
        let (source, target) = unsafe (source + row * y.width, y[row])
        @inline(__always) func step(_ index: Int, _ lanes: Int) {
          unsafe Y.store(Float.load(source + index, lanes), to: target + index, lanes)
        }
        forEachStep(0..<y.width, step)
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
        let (source, target) = unsafe (x[row], target + row * x.width)
        @inline(__always) func step(_ index: Int, _ lanes: Int) {
          unsafe Float.store(X.load(source + index, lanes), to: target + index, lanes)
        }
        forEachStep(0..<x.width, step)
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
      if sums != Lanes.zero { return false }
    }
    return true
  }
}
