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
  /// Lengths whose need is known already.
  let known: [Int]
  /// What a step needs; nil where nothing so long can be counted.
  let need: (Int) throws -> Int128?

  private typealias Sample = (nC: Int, need: Int128)

  init(
    longest: Int, firstStep: Int = 4096, known: [Int] = [],
    need: @escaping (Int) throws -> Int128?
  ) {
    (self.longest, self.firstStep, self.known, self.need) = (longest, firstStep, known, need)
  }

  /// Whether a step with a prefix of so many tokens stays within the memory.
  func reaches(_ nC: Int, within memory: Int) throws -> Bool {
    try nC <= longest && need(nC).map { $0 <= Int128(memory) } ?? false
  }

  /// The longest prefix within a memory; nil if not even none fits.
  func find(within memory: Int) throws -> Int? {
    let memory = Int128(memory)
    guard let least = try need(0), least <= memory else { return nil }
    // Those that fit, ascending, and the shortest that does not.
    var fits: [Sample] = [(0, least)]
    var exceeds: (nC: Int, need: Int128?)?
    for nC in known.sorted() where nC > 0 && nC <= longest {
      let asked = try need(nC)
      guard let need = asked, need <= memory else {
        exceeds = (nC, asked)
        break
      }
      fits.append((nC, need))
    }
    var leastStep = 1
    var round = 0
    while let last = fits.last, last.nC < longest, exceeds.map({ $0.nC - last.nC > 1 }) ?? true {
      let next: Int
      if let exceeds {
        round += 1
        let guess = round % 3 == 0 ? middle(last, exceeds) : crossing(fits, exceeds, memory)
        next = min(max(guess, last.nC + 1), exceeds.nC - 1)
      } else {
        // As far as the curve reaches, and ever further where it is none.
        let reach = crossing(fits, nil, memory)
        next = min(max(reach, last.nC + leastStep), longest)
        leastStep *= 2
      }
      let asked = try need(next)
      guard let need = asked, need <= memory else {
        exceeds = (next, asked)
        continue
      }
      fits.append((next, need))
    }
    return fits.last?.nC
  }

  private func middle(_ fits: Sample, _ exceeds: (nC: Int, need: Int128?)) -> Int {
    fits.nC + (exceeds.nC - fits.nC) / 2
  }

  /// The last length within the memory on the parabola through the three samples around it, or on
  /// the line where there are two.
  private func crossing(
    _ fits: [Sample], _ exceeds: (nC: Int, need: Int128?)?, _ memory: Int128
  ) -> Int {
    let last = fits[fits.count - 1]
    guard exceeds != nil || fits.count > 1 else { return last.nC + firstStep }
    var samples = [last]
    if let exceeds {
      guard let need = exceeds.need else { return middle(last, exceeds) }
      samples.append((exceeds.nC, need))
    }
    samples += fits.dropLast().reversed().prefix(3 - samples.count)
    let x = samples.map { Double($0.nC - last.nC) }
    let y = samples.map { Double($0.need - last.need) }
    let room = Double(memory - last.need)
    let slope = y[1] / x[1]
    var (linear, square) = (slope, 0.0)
    if samples.count == 3 {
      square = ((y[2] - y[1]) / (x[2] - x[1]) - slope) / (x[2] - x[0])
      linear = slope - square * x[1]
    }
    let root = (linear * linear + 4 * square * room).squareRoot()
    // What does not bend as a parabola does is a line.
    let reach = linear > 0 && root > 0 ? 2 * room / (linear + root) : room / slope
    // Far beyond what is known a curve says little.
    let most = exceeds.map { Double($0.nC - last.nC) } ?? Double(max(last.nC, firstStep)) * 64
    return last.nC + (reach >= 0 ? Int(min(reach, most)) : Int(most) / 2)
  }
}
