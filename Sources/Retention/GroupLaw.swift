/// Retained bytes of completions that share a prefix: the prompt once, and each completion.
///
/// ```
///   retained = prompt(n_c) + Σ (constant + prefix · n_c + generated · n_g
///                               + product · n_c · n_g + square · n_g²)
/// ```
///
/// The sum goes over the completions, each with an n_g of its own.
package struct GroupLaw: Equatable, Sendable {
  /// What is kept of the prefix, however many completions there are.
  package let prompt: ScalingLaw
  /// What each completion adds, by the powers of n_c and n_g.
  package let constant: Int
  package let prefix: Int
  package let generated: Int
  package let product: Int
  package let square: Int

  /// Finds the law of a point's series from exact byte counts, in integers alone.
  ///
  /// Differences of two and one completions at a few lengths fix it; the point itself and
  /// two others of other lengths and more completions must lie on it. Those of a point
  /// with completions of different length are all of one.
  ///
  /// - Parameters:
  ///   - point: Any point of the series.
  ///   - bytes: The exact retained bytes of a point.
  /// - Throws: `ScalingLawError`, or what `bytes` throws.
  package init(of point: Point, bytes: (Point) throws -> Int) throws {
    func count(_ nC: Int, _ nG: Int, _ suffixes: Int) throws -> Int {
      var other = point
      (other.lengths, other.nG, other.suffixes) = (nil, nG, suffixes)
      return try bytes(other.atLawLength(nC))
    }
    func completion(_ nC: Int, _ nG: Int) throws -> Int {
      try count(nC, nG, 2) - count(nC, nG, 1)
    }
    let (c, g) = (point.lawStart + 1, 2)
    let (f00, f01, f02) = try (completion(c, g), completion(c, g + 1), completion(c, g + 2))
    let (f10, f11) = try (completion(c + 1, g), completion(c + 1, g + 1))
    let (square, half) = (f02 - 2 * f01 + f00).quotientAndRemainder(dividingBy: 2)
    guard half == 0 else { throw ScalingLawError.halfInteger(nC: c) }
    product = f11 - f10 - f01 + f00
    prefix = f10 - f00 - product * g
    generated = f01 - f00 - product * c - square * (2 * g + 1)
    self.square = square
    constant = f00 - prefix * c - generated * g - product * c * g - square * g * g
    prompt = try ScalingLaw(from: point.lawStart) { try count($0, g, 1) - completion($0, g) }
    // The point itself, which may lie before the regime, and two others.
    for (nC, nG, suffixes) in [
      (point.nC, point.nG, point.suffixes), (c + 5, g + 3, 3),
      (max(point.nC, c) + 1, max(point.nG, g) + 1, point.suffixes + 1),
    ] {
      let counted = try count(nC, nG, suffixes)
      guard self.bytes(nC: nC, nG: nG, suffixes: suffixes) == counted else {
        throw ScalingLawError.notQuadratic(
          nC: nC, counted: counted, expected: self.bytes(nC: nC, nG: nG, suffixes: suffixes))
      }
    }
    guard point.lengths != nil else { return }
    let (counted, expected) = (try bytes(point), self.bytes(of: point))
    guard counted == expected else {
      throw ScalingLawError.notQuadratic(nC: point.nC, counted: counted, expected: expected)
    }
  }

  /// What each completion adds; nil if it does not fit 64 bits.
  package func completionBytes(nC: Int, nG: Int) -> Int? {
    let (c, g) = (Int128(nC), Int128(nG))
    let all =
      Int128(constant) + Int128(prefix) * c + Int128(generated) * g + Int128(product) * c * g
      + Int128(square) * g * g
    return Int(exactly: all)
  }

  /// The law's bytes; nil if they do not fit 64 bits.
  package func bytes(nC: Int, nG: Int, suffixes: Int) -> Int? {
    guard let prompt = prompt.bytes(at: nC), let each = completionBytes(nC: nC, nG: nG) else {
      return nil
    }
    return Int(exactly: Int128(prompt) + Int128(suffixes) * Int128(each))
  }

  /// The law's bytes of a point, whose completions may differ in length; nil if they do not fit 64
  /// bits.
  package func bytes(of point: Point) -> Int? {
    guard let prompt = prompt.bytes(at: point.nC) else { return nil }
    var sum = Int128(prompt)
    for completion in point.completionPoints {
      guard let bytes = completionBytes(nC: completion.nC, nG: completion.nG) else { return nil }
      sum += Int128(bytes)
    }
    return Int(exactly: sum)
  }

  /// What each completion adds, as a polynomial, such as `512 + 2048·n_g`.
  package var completionText: String {
    ScalingLaw.text([
      (constant, ""), (prefix, "·n_c"), (generated, "·n_g"), (product, "·n_c·n_g"),
      (square, "·n_g²"),
    ])
  }
}

extension Point {
  /// Whether retained bytes are the prompt once and each completion: where all are alive at once.
  package var hasGroupLaw: Bool { sharing == .prefix && suffixesAtATime == 0 }
}
