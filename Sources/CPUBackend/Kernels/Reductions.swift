/// `Σ term(index, lanes)` over `range` in float32, in an order that only its length sets: in two
/// accumulators of `Lanes`.
@inline(__always)
func sum(_ range: Range<Int>, _ term: (Int, Int) -> Lanes) -> Float {
  var sums = (Lanes.zero, Lanes.zero)
  let w = Lanes.width
  var index = range.lowerBound
  while index <= range.upperBound &- 2 &* w {
    sums.0 += term(index, w)
    sums.1 += term(index &+ w, w)
    index &+= 2 &* w
  }
  @inline(__always) func step(_ index: Int, _ lanes: Int) { sums.0 += term(index, lanes) }
  forEachStep(index..<range.upperBound, step)
  return (sums.0 + sums.1).total
}
