import CPUBackend
import Ledger
import Tensors
import Testing

/// Numbers that look random and are the same in every run (SplitMix64).
struct Draws: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// A backend with what tests need around it: tensors of random values, some as views.
final class Bench {
  let backend: CPUBackend
  let factory: TensorFactory
  var draws: Draws

  init(threads: Int = 1, seed: UInt64 = 1) throws {
    backend = try CPUBackend(threads: threads)
    factory = TensorFactory(
      backend.backend, ledger: Ledger(), layout: SequenceLayout(nC: 0, nG: 1, lossRows: 0..<1))
    draws = Draws(state: seed)
  }

  /// A tensor whose last axis is contiguous; with `isView` a slice out of the middle of a larger
  /// one, whose other elements are not numbers.
  func tensor(
    _ shape: Shape, _ dtype: DType = .float32, isView: Bool = false,
    range: ClosedRange<Float> = -2...2
  ) throws -> Tensor {
    let values = (0..<shape.count).map { _ in Float.random(in: range, using: &draws) }
    return try tensor(shape, dtype, isView: isView, values: values)
  }

  func tensor(
    _ shape: Shape, _ dtype: DType = .float32, isView: Bool = false, values: [Float]
  ) throws -> Tensor {
    guard isView else {
      let tensor = try factory.make("x", .hidden, shape, dtype)
      backend.write(values, to: tensor)
      return tensor
    }
    let padded = shape.list.map { axis in
      var axis = axis
      axis.extent += 3
      axis.start -= 1
      return axis
    }
    var view = try factory.make("x", .hidden, Shape(padded), dtype)
    backend.write(Array(repeating: .nan, count: view.count), to: view)
    for axis in 0..<shape.rank { view = view.sliced(axis, 1..<1 + shape[axis].extent) }
    backend.write(values, to: view)
    return view
  }

  /// The values of a tensor, as the reference computes with them.
  func values(_ tensor: Tensor) -> [Double] { backend.read(tensor).map(Double.init) }
}

extension DType {
  /// What numbers are stored in.
  static let numbers: [DType] = [.float32, .bfloat16]
}

/// One random case of a row-wise op.
struct RowCase: Sendable, CustomTestStringConvertible {
  let batch: Int
  let tokens: Int
  let width: Int
  let start: Int
  let dtype: DType
  let isView: Bool

  var shape: Shape {
    Shape(.plain(batch), .tokens(start..<start + tokens), .plain(width))
  }
  var rows: Int { batch * tokens }
  var tolerance: Double { dtype == .float32 ? 1e-6 : 3e-3 }
  var testDescription: String {
    "\(batch) × \(tokens) × \(width) from \(start), \(dtype)\(isView ? ", view" : "")"
  }

  /// Every width from 1 to 70, and some that span panels and tasks, with random other extents.
  static let all: [RowCase] = {
    var draws = Draws(state: 42)
    return (Array(1...70) + [0, 300, 511, 1030, 8200]).flatMap { width in
      DType.numbers.map { dtype in
        RowCase(
          batch: Int.random(in: 1...3, using: &draws),
          tokens: Int.random(in: 0...9, using: &draws) + (width % 16 == 3 ? 70 : 0),
          width: width, start: Int.random(in: 0...40, using: &draws), dtype: dtype,
          isView: Bool.random(using: &draws))
      }
    }
  }()
}

/// `‖actual − expected‖ / ‖expected‖`, or the absolute error where nothing is expected.
func relativeError(_ actual: [Double], _ expected: [Double]) -> Double {
  guard actual.count == expected.count else { return .infinity }
  var (error, norm) = (0.0, 0.0)
  for (a, e) in zip(actual, expected) {
    error += (a - e) * (a - e)
    norm += e * e
  }
  return norm > 0 ? (error / norm).squareRoot() : error.squareRoot()
}

/// The sum of each row.
func sums(_ values: [Double], width: Int, rows: Int) -> [Double] {
  (0..<rows).map { values[$0 * width..<($0 + 1) * width].reduce(0, +) }
}

/// All tests of this target: one after the other, since the number of threads is the process's.
@Suite(.serialized) struct CPUBackendTests {}
