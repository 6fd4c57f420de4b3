package import Tensors

extension CPUBackend {
  package func rotate(_ x: Tensor, first: Int, by rotation: HeadRotation, isGradient: Bool) {
    precondition(x.shape.rank == 4, "heads are [batch, tokens, heads, d_head]")
    precondition(
      2 * rotation.frequencies.count == x.extent(3), "one frequency for each pair of a head")
    func run<E: NumberElement>(_ rows: Rows<E>) {
      Rotation.rotate(
        rows, batch: x.extent(0), tokens: x.extent(1), heads: x.extent(2), start: first,
        by: rotation, isGradient: isGradient)
    }
    dispatch(x, run, run)
  }
}
