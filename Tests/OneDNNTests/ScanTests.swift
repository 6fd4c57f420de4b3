import Foundation
import OneDNN
import Testing
import Threading

/// Products of all extents up to 200, in a process of their own: a kernel that dies takes it along.
///
/// A sample everywhere, a wider one where oneDNN multiplies on AMX, as many as `BALLAST_SCAN` says
/// where that is set; with 8000000 every three extents come.
@Suite struct `A scan of products` {
  @Test func `of extents from 1 to 200 ends well, with the values of plain loops`() async {
    await #expect(processExitsWith: .success) { try scan() }
  }
}

private let type: ElementType = Matmul.multipliesBFloat16 ? .bfloat16 : .float32

/// What is asked of the kernel that gave wrong tiles, and near it.
private let inners = [31, 33, 47, 61, 62, 63, 64, 65, 95, 127, 159, 191]

private func scan() throws {
  let multipliesOnTiles = try Matmul(layout(of: 64, 64, 64)).implementation.contains("amx")
  let asked = ProcessInfo.processInfo.environment["BALLAST_SCAN"].flatMap { Int($0) }
  for index in 0..<(asked ?? (multipliesOnTiles ? 3000 : 60)) {
    var random = SplitMix64(state: UInt64(index))
    // Prime to 200³, and its golden section: a few are spread evenly, and 200³ are all.
    let place = index * 4_944_271 % 8_000_000
    let (rows, columns) = (1 + place % 200, 1 + place / 200 % 200)
    let isNear = asked == nil && index.isMultiple(of: 2)
    let inner = isNear ? inners[index / 2 % inners.count] : 1 + place / 40_000
    Threads.set(1 + index % 3)
    let a = matrix(rows, inner, &random)
    let b = matrix(inner, columns, &random)
    let output = Bool.random(using: &random) ? type : .float32
    let c = Matrix(output, [rows, columns], strides: [columns, 1], using: &random)
    try expectPlain(a, b, c)
  }
}

private func layout(of rows: Int, _ inner: Int, _ columns: Int) -> MatmulShape {
  MatmulShape(
    a: MatmulOperand(type, extents: [rows, inner], strides: [inner, 1]),
    b: MatmulOperand(type, extents: [inner, columns], strides: [columns, 1]),
    c: MatmulOperand(type, extents: [rows, columns], strides: [columns, 1]))
}

/// Rows one after another or columns, now and then with gaps between them.
private func matrix(_ rows: Int, _ columns: Int, _ random: inout SplitMix64) -> Matrix {
  let gap = Int.random(in: 0..<4, using: &random) == 0 ? 5 : 0
  let strides = Bool.random(using: &random) ? [columns + gap, 1] : [1, rows + gap]
  return Matrix(type, [rows, columns], strides: strides, using: &random)
}

/// Expects what loops in double precision give, on copies without gaps, which take less time.
private func expectPlain(_ a: Matrix, _ b: Matrix, _ c: Matrix) throws {
  var result = c
  try run(a, b, &result, accumulates: false)
  let shape = MatmulShape(a: a.operand, b: b.operand, c: c.operand)
  func dense(_ matrix: Matrix, _ outer: Int, _ inner: Int, isTurned: Bool) -> [Double] {
    (0..<outer).flatMap { row in
      (0..<inner).map { column in
        let (x, y) = isTurned ? (column, row) : (row, column)
        return Double(matrix[matrix.offset([], x, y)])
      }
    }
  }
  let left = dense(a, shape.rows, shape.inner, isTurned: false)
  let right = dense(b, shape.columns, shape.inner, isTurned: true)
  let relative = c.operand.type == .bfloat16 ? 0.01 : 1e-5
  for row in 0..<shape.rows {
    for column in 0..<shape.columns {
      var (sum, magnitude) = (0.0, 0.0)
      var (x, y) = (row * shape.inner, column * shape.inner)
      for _ in 0..<shape.inner {
        let term = left[x] * right[y]
        sum += term
        magnitude += abs(term)
        x += 1
        y += 1
      }
      let value = Double(result[result.offset([], row, column)])
      guard abs(value - sum) <= relative * (magnitude + 1e-3) else {
        let place = "\(shape) on \(Threads.count) threads at \(row) \(column)"
        Issue.record("\(place): \(value), not \(sum)")
        return
      }
    }
  }
}

@Suite struct `Kernels that may not compute a product` {
  /// The rule, and what it follows from: a block that is rounded up to the size of the others.
  @Test func `are those whose last block becomes as large as the others`() {
    for inner in 1...2000 {
      let operand = MatmulOperand(.bfloat16, extents: [inner, inner], strides: [inner, 1])
      let shape = MatmulShape(a: operand, b: operand, c: operand)
      let isRoundedToBlock = stride(from: 32, to: inner, by: 32).contains { block in
        (inner % block + 1) / 2 * 2 == block
      }
      #expect(shape.takesWrongTiles == isRoundedToBlock, "\(inner)")
    }
    #expect(layout(of: 64, 63, 66).takesWrongTiles == (type == .bfloat16))
    let single = MatmulOperand(extents: [63, 63], strides: [63, 1])
    #expect(!MatmulShape(a: single, b: single, c: single).takesWrongTiles)
  }

  /// The shape that ended the process on AMX, and one with whole blocks beside it.
  @Test func `are not taken`() throws {
    #expect(try !Matmul(layout(of: 64, 63, 66)).implementation.contains("amx"))
    let usual = try Matmul(layout(of: 64, 64, 66)).implementation
    let family = String(usual.prefix { $0 != ":" })
    var random = SplitMix64(state: 9)
    try MatmulShape.$unwantedEverywhere.withValue(family) {
      for (rows, inner, columns) in [(64, 63, 66), (33, 63, 64), (800, 96, 128)] {
        let shape = layout(of: rows, inner, columns)
        let product = try Matmul(shape)
        #expect(!product.implementation.contains(family))
        #expect(try product.needs == Matmul.needs(of: shape))
        let c = Matrix(type, [rows, columns], strides: [columns, 1], using: &random)
        try expectPlain(matrix(rows, inner, &random), matrix(inner, columns, &random), c)
      }
    }
    #expect(try Matmul(layout(of: 64, 64, 66)).implementation == usual)
  }

  @Test func `leave an error where there are no others`() {
    MatmulShape.$unwantedEverywhere.withValue(":") {
      #expect { try Matmul(layout(of: 4, 4, 4)) } throws: { "\($0)".contains("no kernel but") }
    }
  }
}
