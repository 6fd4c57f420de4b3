/// Bytes, retained or at the peak, as a polynomial in the prefix length:
/// `constant + linear · n_c + quadratic · n_c²`.
package struct ScalingLaw: Equatable, Sendable {
  package let constant: Int
  package let linear: Int
  package let quadratic: Int
  /// The smallest `n_c` of the regime that the law describes.
  package let lowest: Int

  package init(constant: Int, linear: Int, quadratic: Int, lowest: Int = 0) {
    (self.constant, self.linear, self.quadratic) = (constant, linear, quadratic)
    self.lowest = lowest
  }

  /// Finds the law from exact byte counts at a few prefix lengths.
  ///
  /// Three neighbours fix the polynomial, in integers alone; further ones must lie on it. Costs
  /// four calls of `bytes`, and one for each of `checks`.
  ///
  /// - Parameters:
  ///   - lowest: The smallest `n_c` of the regime.
  ///   - checks: More prefix lengths that must lie on the law.
  ///   - bytes: The exact retained bytes at a prefix length.
  /// - Throws: `ScalingLawError`, or what `bytes` throws.
  package init(
    from lowest: Int, checkedAt checks: [Int] = [], bytes: (_ nC: Int) throws -> Int
  ) throws {
    let start = lowest + 1
    try self.init(through: start, lowest: lowest, bytes: bytes)
    for nC in [start + 3] + checks where nC >= lowest {
      let counted = try bytes(nC)
      guard let expected = self.bytes(at: nC), expected == counted else {
        throw ScalingLawError.notQuadratic(
          nC: nC, counted: counted, expected: self.bytes(at: nC))
      }
    }
  }

  /// The polynomial through exact byte counts at three prefix lengths, `step` apart, in integers
  /// alone.
  ///
  /// - Throws: `ScalingLawError` if a coefficient is not whole or too large, or what `bytes`
  ///   throws.
  package init(
    through start: Int, step: Int = 1, lowest: Int, bytes: (_ nC: Int) throws -> Int
  ) throws {
    let (y0, y1, y2) = try (bytes(start), bytes(start + step), bytes(start + 2 * step))
    let (quadratic, half) = (y2 - 2 * y1 + y0).quotientAndRemainder(dividingBy: 2 * step * step)
    let (growth, overflow) = quadratic.multipliedReportingOverflow(by: step * (2 * start + step))
    guard !overflow else { throw ScalingLawError.tooLarge(nC: start) }
    let (linear, rest) = (y1 - y0 - growth).quotientAndRemainder(dividingBy: step)
    guard half == 0, rest == 0 else { throw ScalingLawError.halfInteger(nC: start) }
    // What the other terms leave of the first count.
    let others = ScalingLaw(constant: 0, linear: linear, quadratic: quadratic)
    guard let part = others.bytes(at: start) else { throw ScalingLawError.tooLarge(nC: start) }
    self.init(constant: y0 - part, linear: linear, quadratic: quadratic, lowest: lowest)
  }

  /// The law's bytes at a prefix length; nil if they do not fit 64 bits.
  package func bytes(at nC: Int) -> Int? {
    let (square, overflow0) = nC.multipliedReportingOverflow(by: nC)
    let (second, overflow1) = quadratic.multipliedReportingOverflow(by: square)
    let (first, overflow2) = linear.multipliedReportingOverflow(by: nC)
    let (upper, overflow3) = second.addingReportingOverflow(first)
    let (total, overflow4) = upper.addingReportingOverflow(constant)
    return overflow0 || overflow1 || overflow2 || overflow3 || overflow4 ? nil : total
  }

  /// What the prefix's last token added: `retained(n_c) − retained(n_c − 1)`.
  package func bytesPerToken(at nC: Int) -> Int { linear + quadratic * (2 * nC - 1) }
}

extension ScalingLaw: CustomStringConvertible {
  /// The polynomial without terms that are zero, such as `8192 + 2048·n_c`.
  package var description: String {
    Self.text([(constant, ""), (linear, "·n_c"), (quadratic, "·n_c²")])
  }

  /// Terms, each a coefficient and its powers, without those that are zero.
  static func text(_ terms: [(coefficient: Int, powers: String)]) -> String {
    var text = ""
    for (value, powers) in terms where value != 0 {
      let sign = value < 0 ? "−" : "+"
      text += text.isEmpty ? (value < 0 ? sign : "") : " \(sign) "
      text += "\(value.magnitude)\(powers)"
    }
    return text.isEmpty ? "0" : text
  }
}

/// Why retained bytes are not the polynomial that they should be.
package enum ScalingLawError: Error, Equatable, CustomStringConvertible {
  /// A coefficient is not whole, as where the second difference is odd.
  case halfInteger(nC: Int)
  /// The terms of the law do not fit 64 bits.
  case tooLarge(nC: Int)
  /// A prefix length whose bytes do not lie on the law.
  case notQuadratic(nC: Int, counted: Int, expected: Int?)

  package var description: String {
    switch self {
    case .halfInteger(let nC):
      "the retained bytes from n_c \(nC) on have no integer quadratic coefficient"
    case .tooLarge(let nC): "the terms of the series' law at n_c \(nC) do not fit 64 bits"
    case .notQuadratic(let nC, let counted, let expected):
      "the retained bytes at n_c \(nC) are \(counted), not the "
        + "\(expected.map(String.init) ?? "unbounded number") of the series' law"
    }
  }
}
