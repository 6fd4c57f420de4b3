import Tensors
import Threading

/// Layer normalisation and its gradients (Ba et al., arXiv 1607.06450); statistics in float32.
enum LayerNormalization {
  /// `y = (x − mean) · rstd · weight + bias`, `rstd = 1 / sqrt(variance + epsilon)`.
  ///
  /// `x`, `y` `[rows, width]`, `weight`, `bias` `[1, width]`, `mean`, `rstd` `[rows, 1]`.
  static func forward<E: KernelElement, W: KernelElement>(
    _ x: Rows<E>, weight: Rows<W>, bias: Rows<W>, epsilon: Float, to y: Rows<E>,
    mean: Rows<Float>, rstd: Rows<Float>
  ) {
    let width = x.width
    guard width > 0 else { return }
    Threads.parallel(rows: x.count, grain: Grain.rows(ofWidth: width)) { range in
      let (w, b) = unsafe (weight[0], bias[0])
      for row in range {
        let (x, y) = unsafe (x[row], y[row])
        let (center, variance) = unsafe moments(x, width)
        let scale = 1 / (variance + epsilon).squareRoot()
        unsafe mean[row].pointee = center
        unsafe rstd[row].pointee = scale
        let (centers, scales) = (Lanes(repeating: center), Lanes(repeating: scale))
        @inline(__always) func step(_ index: Int, _ lanes: Int) {
          let normal = unsafe (E.load(x + index, lanes) - centers) * scales
          let value = unsafe normal * W.load(w + index, lanes) + W.load(b + index, lanes)
          unsafe E.store(value, to: y + index, lanes)
        }
        forEachStep(0..<width, step)
      }
    }
  }

  /// `dx = rstd · (g − mean(g) − x̂ · mean(g · x̂))` with `g = dy · weight`, and sums of `dy · x̂`.
  ///
  /// `dy`, `x`, `dx` `[rows, width]`, `mean`, `rstd` `[rows, 1]`, `weight` `[1, width]`,
  /// `partials` `[⌈rows / RowBlock.size⌉, width]`. One task takes whole row blocks, so the partial
  /// sums are the same for every number of threads.
  static func backward<E: KernelElement, W: KernelElement>(
    _ dy: Rows<E>, x: Rows<E>, mean: Rows<Float>, rstd: Rows<Float>, weight: Rows<W>,
    to dx: Rows<E>?, accumulates: Bool, partials: Rows<Float>?
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
          let (center, scale) = unsafe (mean[row].pointee, rstd[row].pointee)
          let (centers, scales) = (Lanes(repeating: center), Lanes(repeating: scale))
          // The weight's sums come first: `dx` may be the very tensor that `dy` is.
          if let partials {
            let sums = unsafe partials[block]
            @inline(__always) func step(_ index: Int, _ lanes: Int) {
              let normal = unsafe (E.load(x + index, lanes) - centers) * scales
              let term = unsafe E.load(dy + index, lanes) * normal
              unsafe Float.store(
                Float.load(sums + index, lanes) + term, to: sums + index, lanes)
            }
            forEachStep(0..<width, step)
          }
          guard let dx else { continue }
          let target = unsafe dx[row]
          let (sum, weighted) = unsafe gradientSums(dy, w, x, width, center: center)
          let means = Lanes(repeating: sum / Float(width))
          let weightedMeans = Lanes(repeating: weighted * scale / Float(width))
          @inline(__always) func step(_ index: Int, _ lanes: Int) {
            let g = unsafe E.load(dy + index, lanes) * W.load(w + index, lanes)
            let normal = unsafe (E.load(x + index, lanes) - centers) * scales
            var value = scales * (g - means - normal * weightedMeans)
            if accumulates { value += unsafe E.load(target + index, lanes) }
            unsafe E.store(value, to: target + index, lanes)
          }
          forEachStep(0..<width, step)
        }
      }
    }
  }
}

/// The mean and the biased variance of `count` elements, however far the mean is from 0.
///
/// Deviations are taken from the float32 mean `m`, whose own error `δ = mean(x − m)` then corrects
/// both: `mean = m + δ`, `variance = mean((x − m)²) − δ²` (Chan et al., The American Statistician
/// 37, 1983, eq. 1.7).
@unsafe @inline(__always)
private func moments<E: KernelElement>(
  _ x: UnsafePointer<E>, _ count: Int
) -> (mean: Float, variance: Float) {
  var sums = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
  let w = Lanes.width
  var index = 0
  while index <= count &- 4 &* w {
    let p = unsafe x + index
    unsafe sums.0 += E.loadAll(p)
    unsafe sums.1 += E.loadAll(p + w)
    unsafe sums.2 += E.loadAll(p + 2 &* w)
    unsafe sums.3 += E.loadAll(p + 3 &* w)
    index &+= 4 &* w
  }
  @inline(__always) func sum(_ index: Int, _ lanes: Int) {
    sums.0 += unsafe E.load(x + index, lanes)
  }
  forEachStep(index..<count, sum)
  let first = ((sums.0 + sums.1) + (sums.2 + sums.3)).total / Float(count)

  let centers = Lanes(repeating: first)
  var (deviations, squares) = ((Lanes.zero, Lanes.zero), (Lanes.zero, Lanes.zero))
  index = 0
  while index <= count &- 2 &* w {
    let (p, q) = unsafe (E.loadAll(x + index) - centers, E.loadAll(x + index + w) - centers)
    deviations.0 += p
    deviations.1 += q
    squares.0 += p * p
    squares.1 += q * q
    index &+= 2 &* w
  }
  @inline(__always) func deviate(_ index: Int, _ lanes: Int) {
    let p = unsafe (E.load(x + index, lanes) - centers).masked(lanes)
    deviations.0 += p
    squares.0 += p * p
  }
  forEachStep(index..<count, deviate)
  let error = (deviations.0 + deviations.1).total / Float(count)
  let square = (squares.0 + squares.1).total / Float(count)
  return (first + error, max(square - error * error, 0))
}

/// `Σ g` and `Σ g · (x − center)` with `g = dy · weight`, over `count` elements.
@unsafe @inline(__always)
private func gradientSums<E: KernelElement, W: KernelElement>(
  _ dy: UnsafePointer<E>, _ weight: UnsafePointer<W>, _ x: UnsafePointer<E>, _ count: Int,
  center: Float
) -> (sum: Float, weighted: Float) {
  let centers = Lanes(repeating: center)
  var (sums, weighted) = ((Lanes.zero, Lanes.zero), (Lanes.zero, Lanes.zero))
  let w = Lanes.width
  var index = 0
  while index <= count &- 2 &* w {
    let (p, q, r) = unsafe (dy + index, weight + index, x + index)
    let first = unsafe E.loadAll(p) * W.loadAll(q)
    let second = unsafe E.loadAll(p + w) * W.loadAll(q + w)
    sums.0 += first
    sums.1 += second
    weighted.0 += unsafe first * (E.loadAll(r) - centers)
    weighted.1 += unsafe second * (E.loadAll(r + w) - centers)
    index &+= 2 &* w
  }
  @inline(__always) func step(_ index: Int, _ lanes: Int) {
    let g = unsafe E.load(dy + index, lanes) * W.load(weight + index, lanes)
    sums.0 += g
    weighted.0 += unsafe g * (E.load(x + index, lanes) - centers)
  }
  forEachStep(index..<count, step)
  return ((sums.0 + sums.1).total, (weighted.0 + weighted.1).total)
}
