import CKernels
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

  /// `y = deviation ·` normal numbers, each from its row-major index.
  static func draw<E: NumberElement>(_ y: Rows<E>, from random: CounterRandom, deviation: Float) {
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      let first = columns.lowerBound
      unsafe runs.draw(
        random.key, UInt64(row * y.width + first), E.type, y[row] + first, columns.count,
        deviation)
    }
  }

  /// `y = x`, converting between dtypes.
  static func copy<X: NumberElement, Y: NumberElement>(_ x: Rows<X>, to y: Rows<Y>) {
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      unsafe copyRow(x[row], to: y[row], columns)
    }
  }

  /// `y = x` of one dtype.
  static func move<E: KernelElement>(_ x: Rows<E>, to y: Rows<E>) {
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      let (x, y) = unsafe (x[row] + columns.lowerBound, y[row] + columns.lowerBound)
      unsafe UnsafeMutableRawPointer(y).copyMemory(
        from: x, byteCount: columns.count * MemoryLayout<E>.stride)
    }
  }

  /// `y += x`; the row of an `x` `[width]` is added to every row.
  static func add<X: NumberElement, Y: NumberElement>(_ x: Rows<X>, to y: Rows<Y>) {
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
  static func swiGLU<E: NumberElement>(gate: Rows<E>, up: Rows<E>, to y: Rows<E>) {
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      let first = columns.lowerBound
      unsafe runs.swiglu(
        E.type, gate[row] + first, up[row] + first, y[row] + first, columns.count)
    }
  }

  /// `dgate = dy · up · σ(g) · (1 + g · (1 − σ(g)))` and `dup = dy · silu(g)`.
  static func swiGLUBackward<E: NumberElement>(
    _ dy: Rows<E>, gate: Rows<E>, up: Rows<E>, dgate: Rows<E>, dup: Rows<E>
  ) {
    forEachBlock(rows: dy.count, width: dy.width) { row, columns in
      let first = columns.lowerBound
      unsafe runs.swiglu_gradient(
        E.type, dy[row] + first, gate[row] + first, up[row] + first, dgate[row] + first,
        dup[row] + first, columns.count)
    }
  }

  /// `y = gelu(x)`, in either form.
  static func gelu<E: NumberElement>(_ x: Rows<E>, _ form: GELU, to y: Rows<E>) {
    let isTanh: Int32 = form == .tanh ? 1 : 0
    forEachBlock(rows: y.count, width: y.width) { row, columns in
      let first = columns.lowerBound
      unsafe runs.gelu(isTanh, E.type, x[row] + first, y[row] + first, columns.count)
    }
  }

  /// `dx = dy · gelu′(x)`.
  static func geluBackward<E: NumberElement>(
    _ dy: Rows<E>, x: Rows<E>, _ form: GELU, to dx: Rows<E>
  ) {
    let isTanh: Int32 = form == .tanh ? 1 : 0
    forEachBlock(rows: dx.count, width: dx.width) { row, columns in
      let first = columns.lowerBound
      unsafe runs.gelu_gradient(
        isTanh, E.type, dy[row] + first, x[row] + first, dx[row] + first, columns.count)
    }
  }
}
