/// Where the elements of tensors lie, by the rules of ATen.
package enum Strides {
  /// Of a tensor whose last axis runs fastest.
  static func contiguous(_ shape: [Int]) -> [Int] {
    var strides = Array(repeating: 1, count: shape.count)
    for axis in stride(from: shape.count - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
    }
    return strides
  }

  static func areContiguous(_ strides: [Int], _ shape: [Int]) -> Bool {
    var expected = 1
    for axis in shape.indices.reversed() where shape[axis] != 1 {
      guard strides[axis] == expected else { return false }
      expected *= shape[axis]
    }
    return true
  }

  /// Whether elements fill their memory, in whatever order of axes.
  static func areDense(_ strides: [Int], _ shape: [Int]) -> Bool {
    var expected = 1
    for axis in shape.indices.filter({ shape[$0] != 1 }).sorted(by: { strides[$0] < strides[$1] }) {
      guard strides[axis] == expected else { return false }
      expected *= shape[axis]
    }
    return true
  }

  /// The strides of a view of another shape, or nil if there is none (`computeStride`).
  package static func view(_ shape: [Int], _ strides: [Int], as new: [Int]) -> [Int]? {
    guard let last = strides.last else { return Array(repeating: 1, count: new.count) }
    var result = Array(repeating: 0, count: new.count)
    var (axis, base, elements, viewed) = (new.count - 1, last, 1, 1)
    for old in shape.indices.reversed() {
      elements *= shape[old]
      guard old == 0 || (shape[old - 1] != 1 && strides[old - 1] != elements * base) else {
        continue
      }
      while axis >= 0, viewed < elements || new[axis] == 1 {
        result[axis] = viewed * base
        viewed *= new[axis]
        axis -= 1
      }
      guard viewed == elements else { return nil }
      if old > 0 { (base, elements, viewed) = (strides[old - 1], 1, 1) }
    }
    return axis == -1 ? result : nil
  }

  static func broadcast(_ shapes: [[Int]]) -> [Int] {
    let rank = shapes.map(\.count).max() ?? 0
    return (0..<rank).map { axis in
      shapes.map { shape in
        let own = axis - (rank - shape.count)
        return own < 0 ? 1 : shape[own]
      }.max() ?? 1
    }
  }

  /// The strides of an elementwise result (`TensorIterator`): those of its operands' order of axes.
  package static func elementwise(_ operands: [(shape: [Int], strides: [Int])]) -> (
    shape: [Int], strides: [Int]
  ) {
    let shape = broadcast(operands.map(\.shape))
    if operands.allSatisfy({ $0.shape == shape }), let first = operands.first {
      if operands.allSatisfy({ areContiguous($0.strides, shape) }) {
        return (shape, contiguous(shape))
      }
      if areDense(first.strides, shape), operands.allSatisfy({ $0.strides == first.strides }) {
        return (shape, first.strides)
      }
    }
    let seen = operands.map { operand in
      shape.indices.map { axis in
        let own = axis - (shape.count - operand.shape.count)
        guard own >= 0, !(operand.shape[own] == 1 && shape[axis] != 1) else { return 0 }
        return operand.strides[own]
      }
    }
    return (shape, compact(shape, fastestFirst: order(shape, seen)))
  }

  /// Axes, the fastest first.
  private static func order(_ shape: [Int], _ operands: [[Int]]) -> [Int] {
    func comparison(_ a: Int, _ b: Int) -> Int {
      for strides in operands {
        let (first, second) = (strides[a], strides[b])
        if first == 0 || second == 0 { continue }
        if first < second { return -1 }
        if first > second { return 1 }
        if shape[a] > shape[b] { return 1 }
      }
      return 0
    }
    var axes = Array(shape.indices.reversed())
    for start in axes.indices.dropFirst() {
      var place = start
      for other in stride(from: start - 1, through: 0, by: -1) {
        let result = comparison(axes[other], axes[place])
        if result > 0 {
          axes.swapAt(other, place)
          place = other
        } else if result < 0 {
          break
        }
      }
    }
    return axes
  }

  private static func compact(_ shape: [Int], fastestFirst axes: [Int]) -> [Int] {
    var strides = Array(repeating: 1, count: shape.count)
    var step = 1
    for axis in axes {
      strides[axis] = step
      step *= shape[axis]
    }
    return strides
  }
}
