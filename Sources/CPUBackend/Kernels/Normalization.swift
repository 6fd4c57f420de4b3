import CKernels
import Tensors
import Threading

/// Root-mean-square and layer normalisation (Ba et al., arXiv 1607.06450), and their gradients;
/// statistics in float32.
enum Normalization {
  /// `y = x · rstd · weight`, `rstd = 1 / sqrt(mean(x²) + epsilon)`.
  ///
  /// `x`, `y` `[rows, width]`, `weight` `[1, width]`, `rstd` `[rows, 1]`.
  static func rmsNorm<E: NumberElement, W: NumberElement>(
    _ x: Rows<E>, weight: Rows<W>, epsilon: Float, to y: Rows<E>, rstd: Rows<Float>
  ) {
    let width = x.width
    guard width > 0 else { return }
    Threads.parallel(rows: x.count, grain: Grain.rows(ofWidth: width)) { range in
      for row in range {
        unsafe rstd[row].pointee = runs.rms_norm(
          E.type, x[row], W.type, weight[0], y[row], width, epsilon)
      }
    }
  }

  /// `y = (x − mean) · rstd · weight + bias`, `rstd = 1 / sqrt(variance + epsilon)`.
  ///
  /// `x`, `y` `[rows, width]`, `weight`, `bias` `[1, width]`, `mean`, `rstd` `[rows, 1]`.
  static func layerNorm<E: NumberElement, W: NumberElement>(
    _ x: Rows<E>, weight: Rows<W>, bias: Rows<W>, epsilon: Float, to y: Rows<E>,
    mean: Rows<Float>, rstd: Rows<Float>
  ) {
    let width = x.width
    guard width > 0 else { return }
    Threads.parallel(rows: x.count, grain: Grain.rows(ofWidth: width)) { range in
      for row in range {
        unsafe rstd[row].pointee = runs.layer_norm(
          E.type, x[row], W.type, weight[0], bias[0], y[row], width, epsilon, mean[row])
      }
    }
  }

  /// `dx = rstd · (g − mean(g) − x̂ · mean(g · x̂))` with `g = dy · weight`, and sums of `dy · x̂`.
  ///
  /// Without means, `x̂ = x · rstd` and `mean(g)` goes. `dy`, `x`, `dx` `[rows, width]`, `mean`,
  /// `rstd` `[rows, 1]`, `weight` `[1, width]`, `partials` `[⌈rows / RowBlock.size⌉, width]`. One
  /// task takes whole row blocks, so the partial sums are the same for every number of threads.
  static func backward<E: NumberElement, W: NumberElement>(
    _ dy: Rows<E>, x: Rows<E>, mean: Rows<Float>?, rstd: Rows<Float>, weight: Rows<W>,
    to dx: Rows<E>?, accumulates: Bool, partials: Rows<Float>?
  ) {
    let width = x.width
    let rows = x.count
    guard width > 0 else { return }
    let grain = max(1, Grain.rows(ofWidth: width) / RowBlock.size)
    Threads.parallel(rows: RowBlock.count(for: rows), grain: grain) { blocks in
      var norm = unsafe ballast_norm_row()
      unsafe norm.type = E.type
      unsafe norm.weight_type = W.type
      unsafe norm.weight = UnsafeRawPointer(weight[0])
      unsafe norm.count = width
      unsafe norm.has_mean = mean == nil ? 0 : 1
      unsafe norm.adds = accumulates ? 1 : 0
      for block in blocks {
        if let partials {
          unsafe partials[block].update(repeating: 0, count: width)
          unsafe norm.sums = partials[block]
        }
        for row in block * RowBlock.size..<min((block + 1) * RowBlock.size, rows) {
          unsafe norm.dy = UnsafeRawPointer(dy[row])
          unsafe norm.x = UnsafeRawPointer(x[row])
          unsafe norm.rstd = rstd[row].pointee
          if let mean { unsafe norm.mean = mean[row].pointee }
          if let dx { unsafe norm.dx = UnsafeMutableRawPointer(dx[row]) }
          unsafe runs.norm_gradient(&norm)
        }
      }
    }
  }

  /// `partials[i, j] = Σ_rows x[row, j]` over the rows of block `i`, in their order.
  ///
  /// `x` `[rows, width]`, `partials` `[⌈rows / RowBlock.size⌉, width]`.
  static func partialSums<X: NumberElement>(_ x: Rows<X>, to partials: Rows<Float>) {
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
          unsafe addRow(x[row], to: sums, columns)
        }
      }
    }
  }

  /// `y[j] += Σ_i x[i, j]`, or `=`, in the order of `i`; `x` `[rows, width]`, `y` `[1, width]`.
  static func sumRows<X: NumberElement, Y: NumberElement>(
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
          for row in 0..<x.count { unsafe addRow(x[row] + first, to: sums, 0..<count) }
          let y = unsafe y[0] + first
          if accumulates {
            unsafe addRow(sums, to: y, 0..<count)
          } else {
            unsafe copyRow(sums, to: y, 0..<count)
          }
        }
      }
    }
  }
}
