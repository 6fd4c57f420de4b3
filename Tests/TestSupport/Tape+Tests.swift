package import Autograd
package import Ledger
package import Tensors

extension Tape {
  /// A tape on shapes, where an allocator takes what is asked for: 2 prefix tokens and 3 generated
  /// ones, of which all three carry loss.
  package static func onShapes(_ ledger: Ledger) -> Tape {
    let layout = SequenceLayout(nC: 2, nG: 3, lossRows: 2..<5)
    return Tape(tensors: TensorFactory(.shapes(sizeClass: { $0 }), ledger: ledger, layout: layout))
  }
}
