/// What a storage's bytes are for; the CPU backend keeps one jemalloc arena for each.
package enum Category: Int, CaseIterable, Sendable {
  /// Weights and the model's constant tables.
  case parameter
  /// Gradients of parameters.
  case gradient
  /// Values that the step computes, and their gradients.
  case activation
  /// Scratch memory of a kernel: oneDNN scratchpads, attention tiles, partial sums.
  case workspace
}

/// A part of the training step over which peaks are kept.
package enum Stretch: Int, CaseIterable, Sendable {
  /// Before the step: parameters are made.
  case setup
  /// From the first token to the boundary: the loss is known, backward has not started.
  case forward
  /// From the boundary to the last gradient.
  case backward
}

/// Bytes by the tokens they belong to.
///
/// `crossing` bytes join rows of the generated tokens with columns of the prefix, as attention
/// probabilities do; `shared` bytes have no token axis.
package struct RegionBytes: Equatable, Sendable {
  package var prefix: Int
  package var generated: Int
  package var crossing: Int
  package var shared: Int

  package init(prefix: Int = 0, generated: Int = 0, crossing: Int = 0, shared: Int = 0) {
    self.prefix = prefix
    self.generated = generated
    self.crossing = crossing
    self.shared = shared
  }

  /// The sum over all four regions.
  package var total: Int { prefix + generated + crossing + shared }

  package static func += (left: inout RegionBytes, right: RegionBytes) {
    left.prefix += right.prefix
    left.generated += right.generated
    left.crossing += right.crossing
    left.shared += right.shared
  }
}

/// A number for each `Category`.
package struct CategoryBytes: Equatable, Sendable {
  private var bytes: [Int]

  package init() { bytes = Array(repeating: 0, count: Category.allCases.count) }

  package subscript(category: Category) -> Int {
    get { bytes[category.rawValue] }
    set { bytes[category.rawValue] = newValue }
  }

  /// The sum over all categories.
  package var total: Int { bytes.reduce(0, +) }
}
