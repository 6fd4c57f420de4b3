import Retention

/// The longest prefix whose step needs no more than a memory.
///
/// ```
///   need │            ·  exceeds        The need never falls as a prefix grows, and is all but a
///        │- - - - -· - - - memory       polynomial: the next guess is where the line through the
///        │      ·                       ends of the bracket reaches the memory, every third time
///        │·   fits                      the middle.
/// ```
struct LongestPrefix {
  /// The longest prefix of any point.
  static let most = PointAxis.named("n_c").range?.upperBound ?? Int.max

  /// The longest that may be asked for.
  let longest: Int
  /// How far the first guess goes.
  let firstStep: Int
  /// What a step needs; nil where nothing so long can be counted.
  let need: (Int) throws -> Int128?

  init(longest: Int, firstStep: Int = 4096, need: @escaping (Int) throws -> Int128?) {
    (self.longest, self.firstStep, self.need) = (longest, firstStep, need)
  }

  /// The longest prefix within a memory; nil if not even none fits.
  func find(within memory: Int) throws -> Int? {
    let memory = Int128(memory)
    guard let least = try need(0), least <= memory else { return nil }
    var fits = (nC: 0, need: least)
    var exceeds: (nC: Int, need: Int128?)?
    var step = firstStep
    var leastStep = min(2, firstStep)
    var round = 0
    while fits.nC < longest, exceeds.map({ $0.nC - fits.nC > 1 }) ?? true {
      let next: Int
      if let exceeds {
        round += 1
        next = round % 3 == 0 ? middle(fits, exceeds) : crossing(fits, exceeds, memory)
      } else {
        next = min(fits.nC + step, longest)
      }
      let asked = try need(next)
      guard let need = asked, need <= memory else {
        exceeds = (next, asked)
        continue
      }
      if exceeds == nil {
        // As far as this slope reaches and a little more, and ever further where it is none.
        let rise = need - fits.need
        let reach = rise == 0 ? Int128.max : (memory - need) * Int128(next - fits.nC) / rise + 2
        leastStep *= 2
        step = max(Int(min(reach, Int128(step) * 64)), leastStep)
      }
      fits = (next, need)
    }
    return fits.nC
  }

  private func middle(_ fits: (nC: Int, need: Int128), _ exceeds: (nC: Int, need: Int128?)) -> Int {
    fits.nC + (exceeds.nC - fits.nC) / 2
  }

  /// A length strictly between the two, where the line through them reaches the memory.
  private func crossing(
    _ fits: (nC: Int, need: Int128), _ exceeds: (nC: Int, need: Int128?), _ memory: Int128
  ) -> Int {
    guard let high = exceeds.need, high > fits.need else { return middle(fits, exceeds) }
    let width = Int128(exceeds.nC - fits.nC)
    let part = Int((memory - fits.need) * width / (high - fits.need))
    return min(max(fits.nC + part, fits.nC + 1), exceeds.nC - 1)
  }
}
