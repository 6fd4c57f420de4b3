import CKernels
import Tensors

/// An element type that the kernels over runs know (`CKernels`, `runs.inl`).
///
/// They are compiled for each instruction set, which Swift's vectors are not: those are of the
/// oldest x86-64.
protocol NumberElement: KernelElement {
  /// The type's number in C.
  static var type: Int32 { get }
}

extension Float: NumberElement {
  static var type: Int32 { Int32(BALLAST_F32) }
}

extension BFloat16: NumberElement {
  static var type: Int32 { Int32(BALLAST_BF16) }
}

/// The kernels over runs, those of this processor.
let runs: ballast_runs = {
  guard let table = unsafe ballast_kernels() else { preconditionFailure("there are no kernels") }
  return unsafe table.pointee.runs
}()

/// `y = x` in some columns of a row.
@unsafe @inline(__always)
func copyRow<X: NumberElement, Y: NumberElement>(
  _ x: UnsafePointer<X>, to y: UnsafeMutablePointer<Y>, _ columns: Range<Int>
) {
  let first = columns.lowerBound
  unsafe runs.convert(X.type, x + first, Y.type, y + first, columns.count)
}

/// `y += x` in some columns of a row.
@unsafe @inline(__always)
func addRow<X: NumberElement, Y: NumberElement>(
  _ x: UnsafePointer<X>, to y: UnsafeMutablePointer<Y>, _ columns: Range<Int>
) {
  let first = columns.lowerBound
  unsafe runs.add(X.type, x + first, Y.type, y + first, columns.count)
}

/// `Σ a · b` over `count` elements.
@unsafe @inline(__always)
func dot<A: NumberElement, B: NumberElement>(
  _ a: UnsafePointer<A>, _ b: UnsafePointer<B>, _ count: Int
) -> Float {
  unsafe runs.dot(A.type, a, B.type, b, count)
}
