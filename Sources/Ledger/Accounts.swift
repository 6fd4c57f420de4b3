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
  /// What the caller owns: token numbers and labels, where an op reads them as tensors.
  case input
}

/// A part of the training step over which peaks are kept.
package enum Phase: Int, CaseIterable, Sendable {
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
/// probabilities do; `shared` bytes have no token axis; `padding` bytes belong to rows that fill
/// sequences up to the longest, or to keys there.
package struct RegionBytes: Equatable, Sendable {
  package var prefix: Int
  package var generated: Int
  package var crossing: Int
  package var shared: Int
  package var padding: Int

  package init(
    prefix: Int = 0, generated: Int = 0, crossing: Int = 0, shared: Int = 0, padding: Int = 0
  ) {
    self.prefix = prefix
    self.generated = generated
    self.crossing = crossing
    self.shared = shared
    self.padding = padding
  }

  /// Every region by its name, in the order in which tables list them; files and pictures ask here.
  package static let all: [(name: String, bytes: any WritableKeyPath<Self, Int> & Sendable)] = [
    ("prefix", \.prefix), ("generated", \.generated), ("crossing", \.crossing),
    ("shared", \.shared), ("padding", \.padding),
  ]

  /// The bytes of every region, by its name.
  package var byName: [(name: String, bytes: Int)] {
    Self.all.map { ($0.name, self[keyPath: $0.bytes]) }
  }

  /// The sum over all regions.
  package var total: Int { prefix + generated + crossing + shared + padding }

  package static func += (left: inout RegionBytes, right: RegionBytes) {
    left.prefix += right.prefix
    left.generated += right.generated
    left.crossing += right.crossing
    left.shared += right.shared
    left.padding += right.padding
  }

  /// What `share` makes of each region's bytes.
  package func mapped(_ share: (Int) -> Int) -> Self {
    RegionBytes(
      prefix: share(prefix), generated: share(generated), crossing: share(crossing),
      shared: share(shared), padding: share(padding))
  }

  /// The same bytes so many times.
  package static func * (left: Self, count: Int) -> Self {
    RegionBytes(
      prefix: left.prefix * count, generated: left.generated * count,
      crossing: left.crossing * count, shared: left.shared * count,
      padding: left.padding * count)
  }
}

/// A number for each `Category`.
package struct CategoryBytes: Equatable, Sendable {
  private var bytes = InlineArray<5, Int>(repeating: 0)

  package init() {}

  package subscript(category: Category) -> Int {
    get { bytes[category.rawValue] }
    set { bytes[category.rawValue] = newValue }
  }

  /// The sum over all categories.
  package var total: Int { Category.allCases.reduce(0) { $0 + self[$1] } }

  /// Category by category.
  package static func + (left: Self, right: Self) -> Self { combine(left, right, +) }
  package static func - (left: Self, right: Self) -> Self { combine(left, right, -) }
  package static func * (left: Self, count: Int) -> Self {
    combine(left, left) { one, _ in one * count }
  }

  /// The larger number of each category.
  package func maximum(_ other: Self) -> Self { Self.combine(self, other, max) }

  /// Whether no category has more than in `other`.
  package func isAtMost(_ other: Self) -> Bool {
    bytes.indices.allSatisfy { bytes[$0] <= other.bytes[$0] }
  }

  private static func combine(_ left: Self, _ right: Self, _ body: (Int, Int) -> Int) -> Self {
    var result = Self()
    for index in left.bytes.indices {
      result.bytes[index] = body(left.bytes[index], right.bytes[index])
    }
    return result
  }

  package static func == (left: Self, right: Self) -> Bool {
    left.bytes.indices.allSatisfy { left.bytes[$0] == right.bytes[$0] }
  }
}
