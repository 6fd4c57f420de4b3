import Tensors
import Threading

/// Root-mean-square normalisation and its gradients; statistics in float32.
enum Normalization {
  /// `y = x · rstd · weight`, `rstd = 1 / sqrt(mean(x²) + epsilon)`.
  ///
  /// `x`, `y` `[rows, width]`, `weight` `[1, width]`, `rstd` `[rows, 1]`.
  static func rmsNorm<E: KernelElement, W: KernelElement>(
    _ x: Rows<E>, weight: Rows<W>, epsilon: Float, to y: Rows<E>, rstd: Rows<Float>
  ) {
    let width = x.width
    guard width > 0 else { return }
    Threads.parallel(rows: x.count, grain: Grain.rows(ofWidth: width)) { range in
      let w = unsafe weight[0]
      for row in range {
        let (x, y) = unsafe (x[row], y[row])
        let squares = unsafe dot(x, x, width)
        let scale = 1 / (squares / Float(width) + epsilon).squareRoot()
        unsafe rstd[row].pointee = scale
        let scales = Lanes(repeating: scale)
        @inline(__always) func step(_ index: Int, _ lanes: Int) {
          let value = unsafe E.load(x + index, lanes) * scales * W.load(w + index, lanes)
          unsafe E.store(value, to: y + index, lanes)
        }
        forEachStep(0..<width, step)
      }
    }
  }

  /// `dx = rstd · (g − x̂ · mean(g · x̂))` with `g = dy · weight`, and sums of `dy · x̂`.
  ///
  /// `dy`, `x`, `dx` `[rows, width]`, `rstd` `[rows, 1]`, `weight` `[1, width]`, `partials`
  /// `[⌈rows / RowBlock.size⌉, width]`. One task takes whole row blocks, so the partial sums are
  /// the same for every number of threads.
  static func rmsNormBackward<E: KernelElement, W: KernelElement>(
    _ dy: Rows<E>, x: Rows<E>, rstd: Rows<Float>, weight: Rows<W>, to dx: Rows<E>?,
    accumulates: Bool, partials: Rows<Float>?
  ) {
    let width = x.width
    let rows = x.count
    guard width > 0 else { return }
    let grain = max(1, Grain.rows(ofWidth: width) / RowBlock.size)
    Threads.parallel(rows: RowBlock.count(for: rows), grain: grain) { blocks in
      let w = unsafe weight[0]
      for block in blocks {
        if let partials { unsafe partials[block].update(repeating: 0, count: width) }
        for row in block * RowBlock.size..<min((block + 1) * RowBlock.size, rows) {
          let (dy, x) = unsafe (dy[row], x[row])
          let scale = unsafe rstd[row].pointee
          let scales = Lanes(repeating: scale)
          // The weight's sums come first: `dx` may be the very tensor that `dy` is.
          if let partials {
            let sums = unsafe partials[block]
            @inline(__always) func step(_ index: Int, _ lanes: Int) {
              let term = unsafe E.load(dy + index, lanes) * (E.load(x + index, lanes) * scales)
              unsafe Float.store(
                Float.load(sums + index, lanes) + term, to: sums + index, lanes)
            }
            forEachStep(0..<width, step)
          }
          guard let dx else { continue }
          let target = unsafe dx[row]
          let mean = unsafe weightedDot(dy, w, x, width) * scale / Float(width)
          let means = Lanes(repeating: mean)
          @inline(__always) func step(_ index: Int, _ lanes: Int) {
            let g = unsafe E.load(dy + index, lanes) * W.load(w + index, lanes)
            let normal = unsafe E.load(x + index, lanes) * scales
            var value = scales * (g - normal * means)
            if accumulates { value += unsafe E.load(target + index, lanes) }
            unsafe E.store(value, to: target + index, lanes)
          }
          forEachStep(0..<width, step)
        }
      }
    }
  }

  /// `partials[i, j] = Σ_rows x[row, j]` over the rows of block `i`, in their order.
  ///
  /// `x` `[rows, width]`, `partials` `[⌈rows / RowBlock.size⌉, width]`.
  static func partialSums<X: KernelElement>(_ x: Rows<X>, to partials: Rows<Float>) {
    let panel = 512  // columns whose sums stay in the first-level cache
    let panels = (x.width + panel - 1) / panel
    let grain = max(1, Grain.elements / (panel * RowBlock.size))
    guard panels > 0 else { return }
    Threads.parallel(rows: partials.count * panels, grain: grain) { range in
      for unit in range {
        let block = unit / panels
        let first = unit % panels * panel
        let columns = first..<min(first + panel, x.width)
        let sums = unsafe partials[block]
        unsafe (sums + first).update(repeating: 0, count: columns.count)
        for row in block * RowBlock.size..<min((block + 1) * RowBlock.size, x.count) {
          let x = unsafe x[row]
          @inline(__always) func step(_ index: Int, _ lanes: Int) {
            let sum = unsafe Float.load(sums + index, lanes) + X.load(x + index, lanes)
            unsafe Float.store(sum, to: sums + index, lanes)
          }
          forEachStep(columns, step)
        }
      }
    }
  }

  /// `y[j] += Σ_i x[i, j]`, or `=`, in the order of `i`; `x` `[rows, width]`, `y` `[1, width]`.
  static func sumRows<X: KernelElement, Y: KernelElement>(
    _ x: Rows<X>, to y: Rows<Y>, accumulates: Bool
  ) {
    let panel = 512  // columns whose float32 sums stay in the first-level cache
    let panels = (y.width + panel - 1) / panel
    let grain = max(1, Grain.elements / max(1, panel * x.count))
    Threads.parallel(rows: panels, grain: grain) { range in
      unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: panel) { buffer in
        guard let sums = buffer.baseAddress else { return }
        for first in range.lazy.map({ $0 * panel }) {
          let count = min(panel, y.width - first)
          unsafe sums.initialize(repeating: 0, count: panel)
          for row in 0..<x.count {
            let x = unsafe x[row] + first
            @inline(__always) func step(_ index: Int, _ lanes: Int) {
              let sum = unsafe Float.load(sums + index, lanes) + X.load(x + index, lanes)
              unsafe Float.store(sum, to: sums + index, lanes)
            }
            forEachStep(0..<count, step)
          }
          let y = unsafe y[0] + first
          @inline(__always) func step(_ index: Int, _ lanes: Int) {
            var sum = unsafe Float.load(sums + index, lanes)
            if accumulates { sum += unsafe Y.load(y + index, lanes) }
            unsafe Y.store(sum, to: y + index, lanes)
          }
          forEachStep(0..<count, step)
        }
      }
    }
  }
}

/// `Σ a · b` over `count` elements, in four float32 accumulators of `Lanes`.
@unsafe @inline(__always)
func dot<A: KernelElement, B: KernelElement>(
  _ a: UnsafePointer<A>, _ b: UnsafePointer<B>, _ count: Int
) -> Float {
  var sums = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
  let w = Lanes.width
  var index = 0
  while index <= count &- 4 &* w {
    let (p, q) = unsafe (a + index, b + index)
    unsafe sums.0 += A.loadAll(p) * B.loadAll(q)
    unsafe sums.1 += A.loadAll(p + w) * B.loadAll(q + w)
    unsafe sums.2 += A.loadAll(p + 2 &* w) * B.loadAll(q + 2 &* w)
    unsafe sums.3 += A.loadAll(p + 3 &* w) * B.loadAll(q + 3 &* w)
    index &+= 4 &* w
  }
  @inline(__always) func step(_ index: Int, _ lanes: Int) {
    sums.0 += unsafe A.load(a + index, lanes) * B.load(b + index, lanes)
  }
  forEachStep(index..<count, step)
  return ((sums.0 + sums.1) + (sums.2 + sums.3)).total
}

/// `Σ a · w · b` over `count` elements, in two float32 accumulators of `Lanes`.
@unsafe @inline(__always)
func weightedDot<A: KernelElement, W: KernelElement>(
  _ a: UnsafePointer<A>, _ weight: UnsafePointer<W>, _ b: UnsafePointer<A>, _ count: Int
) -> Float {
  var sums = (Lanes.zero, Lanes.zero)
  let w = Lanes.width
  var index = 0
  while index <= count &- 2 &* w {
    let (p, q, r) = unsafe (a + index, weight + index, b + index)
    unsafe sums.0 += A.loadAll(p) * W.loadAll(q) * A.loadAll(r)
    unsafe sums.1 += A.loadAll(p + w) * W.loadAll(q + w) * A.loadAll(r + w)
    index &+= 2 &* w
  }
  @inline(__always) func step(_ index: Int, _ lanes: Int) {
    sums.0 +=
      unsafe A.load(a + index, lanes) * W.load(weight + index, lanes) * A.load(b + index, lanes)
  }
  forEachStep(index..<count, step)
  return (sums.0 + sums.1).total
}
