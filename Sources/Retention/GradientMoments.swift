import Tensors

/// Sums of squares of a gradient's parts and of what they add up to, in double precision.
struct GradientMoments {
  /// Of the silent prefix rows, the boundary row, and both together.
  private(set) var silent = 0.0
  private(set) var boundary = 0.0
  private(set) var prefix = 0.0
  private(set) var generated = 0.0
  private(set) var total = 0.0
  /// Of the prefix's part with the generated rows'.
  private var product = 0.0

  /// Reads the parts, `[out, in]` or `[out]` each, a block of rows at a time; nil is zero.
  init(silent: Tensor?, boundary: Tensor?, generated: Tensor?, read: (Tensor) -> [Float]) {
    let parts = [silent, boundary, generated]
    guard let shape = parts.lazy.compactMap(\.self).first?.shape else { return }
    let height = shape[0].extent
    let step = max(1, (1 << 20) / max(1, shape.count / max(1, height)))
    for start in stride(from: 0, to: height, by: step) {
      let rows = start..<min(start + step, height)
      let blocks = parts.map { $0.map { read($0.sliced(0, rows)) } }
      let zeros = Array(repeating: Float(0), count: blocks.lazy.compactMap(\.?.count).first ?? 0)
      add(blocks[0] ?? zeros, blocks[1] ?? zeros, blocks[2] ?? zeros)
    }
  }

  private mutating func add(_ silent: [Float], _ boundary: [Float], _ generated: [Float]) {
    for index in silent.indices {
      let (s, b, g) = (Double(silent[index]), Double(boundary[index]), Double(generated[index]))
      let p = s + b
      self.silent += s * s
      self.boundary += b * b
      prefix += p * p
      self.generated += g * g
      total += (p + g) * (p + g)
      product += p * g
    }
  }

  /// The cosine between the prefix's part and the generated rows'; nil if one of them is zero.
  var cosine: Double? {
    guard prefix > 0, generated > 0 else { return nil }
    return min(max(product / (prefix.squareRoot() * generated.squareRoot()), -1), 1)
  }
}
