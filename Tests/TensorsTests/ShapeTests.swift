import Ledger
import Tensors
import Testing

@Suite struct `Shapes and regions` {
  /// Counts regions one element at a time.
  private func countOneByOne(_ shape: Shape, prefix: Int) -> RegionBytes {
    var regions = RegionBytes()
    let list = shape.list
    let tokenAxis = list.firstIndex { $0.kind == .tokens }
    let keyAxis = list.firstIndex { $0.kind == .keys }
    for flat in 0..<shape.count {
      var rest = flat
      var index = Array(repeating: 0, count: list.count)
      for axis in list.indices.reversed() {
        index[axis] = rest % list[axis].extent
        rest /= list[axis].extent
      }
      let row = (tokenAxis ?? keyAxis).map { list[$0].start + index[$0] }
      let key = tokenAxis == nil ? nil : keyAxis.map { list[$0].start + index[$0] }
      switch (row, key) {
      case (nil, _): regions[.shared] += 1
      case (let row?, _) where row < prefix: regions[.prefix] += 1
      case (_, let key?) where key < prefix: regions[.crossing] += 1
      default: regions[.generated] += 1
      }
    }
    return regions
  }

  @Test(arguments: 0..<6)
  func `regions divide a tensor as its axes say`(prefix: Int) {
    let shapes = [
      Shape(.plain(2), .tokens(0..<5), .plain(3)), Shape(.plain(2), .tokens(3..<5), .plain(3)),
      Shape(.plain(7)), Shape(.plain(1), .plain(2), .tokens(0..<5), .keys(0..<5)),
      Shape(.plain(2), .plain(2), .tokens(4..<7), .keys(0..<7)),
      Shape(.plain(2), .tokens(2..<2), .plain(3)),
    ]
    for shape in shapes {
      let regions = shape.regions(
        in: SequenceLayout(nC: prefix, nG: 40, lossRows: prefix..<prefix + 1), elementSize: 1)
      #expect(regions == countOneByOne(shape, prefix: prefix), "\(shape.list)")
      #expect(regions.total == shape.count)
    }
  }

  @Test func `views keep track of positions, strides and storage`() throws {
    let ledger = Ledger()
    let factory = TensorFactory(
      .shapes(sizeClass: { $0 }), ledger: ledger,
      layout: SequenceLayout(nC: 4, nG: 5, lossRows: 4..<9))
    let x = try factory.make("x", .hidden, Shape(.plain(2), .tokens(3..<9), .plain(8)))
    let rows = x.at(rows: 5..<7)
    #expect(rows.shape[1].rows == 5..<7)
    #expect(rows.offset == 2 * 8)
    #expect(!rows.isContiguous)
    #expect(rows.merging(0) == nil)
    #expect(x.merging(0)?.shape.extents == [12, 8])
    let heads = rows.splitting(2, inner: 4).transposed(1, 2)
    #expect(heads.shape.extents == [2, 2, 2, 4])
    #expect(heads.selecting(1, 1).offset == 2 * 8 + 4)
    #expect(ledger.liveBytes[.activation] == 2 * 6 * 8 * 4)
  }

  @Test func `a limit refuses with the tensor, its bytes and the limit`() throws {
    let factory = TensorFactory(
      .shapes(sizeClass: { $0 }), ledger: Ledger(),
      layout: SequenceLayout(nC: 0, nG: 1, lossRows: 0..<1), limit: 1000)
    let first = try factory.make("first", .hidden, Shape(.plain(200)))
    #expect(
      throws: AllocationError.overLimit(tensor: "second", bytes: 400, live: 800, limit: 1000)
    ) { _ = try factory.make("second", .hidden, Shape(.plain(100))) }
    #expect(first.count == 200)
  }
}
