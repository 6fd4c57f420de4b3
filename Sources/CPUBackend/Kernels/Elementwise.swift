import Tensors

/// Kernels that treat every element alike; all shapes `[rows…, width]`.
enum Elementwise {
  /// `y = value`.
  static func fill<Y: KernelElement>(_ y: Rows<Y>, with value: Float) {
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      let y = unsafe y[row]
      let values = Lanes(repeating: value)
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        unsafe Y.store(values, to: y + index, lanes)
      }
      forEachStep(columns, step)
    }
  }

  /// `y = x`, converting between dtypes.
  static func copy<X: KernelElement, Y: KernelElement>(_ x: Rows<X>, to y: Rows<Y>) {
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      let (x, y) = unsafe (x[row], y[row])
      if X.self == Y.self {
        unsafe UnsafeMutableRawPointer(y + columns.lowerBound).copyMemory(
          from: x + columns.lowerBound, byteCount: columns.count * MemoryLayout<X>.stride)
        return
      }
      unsafe copyRow(x, to: y, columns)
    }
  }

  /// `y += x`; the row of an `x` `[width]` is added to every row.
  static func add<X: KernelElement, Y: KernelElement>(_ x: Rows<X>, to y: Rows<Y>) {
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      unsafe addRow(x[row], to: y[row], columns)
    }
  }

  /// `x *= factor`.
  static func scale<E: KernelElement>(_ x: Rows<E>, by factor: Float) {
    forEachBlock(rows: x.count, width: x.width) { row, columns in
      let x = unsafe x[row]
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        unsafe E.store(E.load(x + index, lanes) * factor, to: x + index, lanes)
      }
      forEachStep(columns, step)
    }
  }

  /// `y = silu(gate) · up`.
  static func swiGLU<E: KernelElement>(gate: Rows<E>, up: Rows<E>, to y: Rows<E>) {
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      let (gate, up, y) = unsafe (gate[row], up[row], y[row])
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        let g = unsafe E.load(gate + index, lanes)
        let u = unsafe E.load(up + index, lanes)
        unsafe E.store(g * g.sigmoid * u, to: y + index, lanes)
      }
      forEachStep(columns, step)
    }
  }

  /// `dgate = dy · up · σ(g) · (1 + g · (1 − σ(g)))` and `dup = dy · silu(g)`.
  static func swiGLUBackward<E: KernelElement>(
    _ dy: Rows<E>, gate: Rows<E>, up: Rows<E>, dgate: Rows<E>, dup: Rows<E>
  ) {
    forEachBlock(rows: dy.count, width: dy.width) { row, columns in
      let (dy, gate, up) = unsafe (dy[row], gate[row], up[row])
      let (dgate, dup) = unsafe (dgate[row], dup[row])
      @inline(__always) func step(_ index: Int, _ lanes: Int) {
        let d = unsafe E.load(dy + index, lanes)
        let g = unsafe E.load(gate + index, lanes)
        let u = unsafe E.load(up + index, lanes)
        let sigma = g.sigmoid
        let one = Lanes(repeating: 1)
        unsafe E.store(d * u * sigma * (one + g * (one - sigma)), to: dgate + index, lanes)
        unsafe E.store(d * g * sigma, to: dup + index, lanes)
      }
      forEachStep(columns, step)
    }
  }
}

/// `y = x` in some columns of a row.
@unsafe @inline(__always)
func copyRow<X: KernelElement, Y: KernelElement>(
  _ x: UnsafePointer<X>, to y: UnsafeMutablePointer<Y>, _ columns: Range<Int>
) {
  @inline(__always) func step(_ index: Int, _ lanes: Int) {
    unsafe Y.store(X.load(x + index, lanes), to: y + index, lanes)
  }
  forEachStep(columns, step)
}

/// `y += x` in some columns of a row.
@unsafe @inline(__always)
func addRow<X: KernelElement, Y: KernelElement>(
  _ x: UnsafePointer<X>, to y: UnsafeMutablePointer<Y>, _ columns: Range<Int>
) {
  @inline(__always) func step(_ index: Int, _ lanes: Int) {
    let sum = unsafe Y.load(y + index, lanes) + X.load(x + index, lanes)
    unsafe Y.store(sum, to: y + index, lanes)
  }
  forEachStep(columns, step)
}
