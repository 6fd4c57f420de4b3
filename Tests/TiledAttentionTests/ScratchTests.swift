import Ledger
import Tensors
import Testing
import TiledAttention

/// What attention's tiles take beside the operands, predicted from shapes.
@Suite struct ScratchTests {
  private func pass(
    _ memory: AttentionMemory, rows: Range<Int>, dtype: DType = .float32
  ) throws -> AttentionPass {
    let layout = SequenceLayout(nC: rows.lowerBound, nG: rows.count, lossRows: rows)
    let tensors = TensorFactory(.shapes(sizeClass: { $0 }), ledger: Ledger(), layout: layout)
    let attention = Attention(
      HeadGeometry(heads: 4, kvHeads: 2, dHead: 16), memory: memory, layout: layout)
    let q = try tensors.make("q", .query, Shape(.plain(1), .tokens(rows), .plain(64)), dtype)
    let keys = Shape(.plain(1), .tokens(0..<rows.upperBound), .plain(32))
    let block = KeyBlock(
      k: try tensors.make("k", .key, keys, dtype), v: try tensors.make("v", .value, keys, dtype))
    return .forward(AttentionForward(attention, q: q, blocks: [block], output: q))
  }

  private func bytes(_ pass: AttentionPass, isTiled: Bool = true) -> Int? {
    TiledAttention.scratchBytes(for: pass, AttentionTiling()) { _ in isTiled }
  }

  @Test func `a fused pass takes no more however many keys there are`() throws {
    // From one span of rows on, at most 1920 of them.
    let sizes = try [2000, 10_000, 100_000, 1_000_000].map {
      try #require(bytes(pass(.fused, rows: 0..<$0)))
    }
    #expect(Set(sizes).count == 1 && sizes[0] > 0)
  }

  @Test func `a materialized pass takes rows as wide as its keys`() throws {
    let sizes = try [1000, 10_000].map { try #require(bytes(pass(.materialized, rows: 0..<$0))) }
    #expect(sizes[1] > sizes[0])
  }

  @Test func `what these kernels do not do is left to others`() throws {
    #expect(try bytes(pass(.fused, rows: 0..<9), isTiled: false) == nil)
    #expect(try bytes(pass(.materialized, rows: 0..<9, dtype: .bfloat16)) == nil)
  }

  @Test func `pieces cover a range in order`() {
    #expect((3..<10).pieces(of: 3) == [3..<6, 6..<9, 9..<10])
    #expect((3..<3).pieces(of: 3).isEmpty && (0..<2).pieces(of: 9) == [0..<2])
  }
}
