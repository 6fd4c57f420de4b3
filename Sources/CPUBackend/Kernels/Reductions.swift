/// Sums of a row in float32, in an order that only its width sets.

/// `Σ term(index, lanes)` over `count` elements, in four accumulators of `Lanes`.
@inline(__always)
func longSum(_ count: Int, _ term: (Int, Int) -> Lanes) -> Float {
  var sums = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
  let w = Lanes.width
  var index = 0
  while index <= count &- 4 &* w {
    sums.0 += term(index, w)
    sums.1 += term(index &+ w, w)
    sums.2 += term(index &+ 2 &* w, w)
    sums.3 += term(index &+ 3 &* w, w)
    index &+= 4 &* w
  }
  @inline(__always) func step(_ index: Int, _ lanes: Int) { sums.0 += term(index, lanes) }
  forEachStep(index..<count, step)
  return ((sums.0 + sums.1) + (sums.2 + sums.3)).total
}

/// `Σ term(index, lanes)` over `range`, in two accumulators of `Lanes`.
@inline(__always)
func sum(_ range: Range<Int>, _ term: (Int, Int) -> Lanes) -> Float {
  @inline(__always) func terms(_ index: Int, _ lanes: Int) -> (Lanes, Lanes) {
    (term(index, lanes), Lanes.zero)
  }
  return twoSums(range, terms).0
}

/// `Σ terms(index, lanes)` of both terms over `range`, each in two accumulators of `Lanes`.
@inline(__always)
func twoSums(_ range: Range<Int>, _ terms: (Int, Int) -> (Lanes, Lanes)) -> (Float, Float) {
  var (even, odd) = ((Lanes.zero, Lanes.zero), (Lanes.zero, Lanes.zero))
  let w = Lanes.width
  var index = range.lowerBound
  @inline(__always) func step(_ index: Int, _ lanes: Int) {
    let term = terms(index, lanes)
    even.0 += term.0
    even.1 += term.1
  }
  while index <= range.upperBound &- 2 &* w {
    step(index, w)
    let term = terms(index &+ w, w)
    odd.0 += term.0
    odd.1 += term.1
    index &+= 2 &* w
  }
  forEachStep(index..<range.upperBound, step)
  return ((even.0 + odd.0).total, (even.1 + odd.1).total)
}
