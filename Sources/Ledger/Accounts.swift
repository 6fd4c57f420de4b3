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

/// The tokens that bytes belong to, in the order in which tables list them; files, tables, pictures
/// and the report ask this list alone.
package enum Region: Int, CaseIterable, Sendable {
  case prefix
  case generated
  /// Rows of the generated tokens with columns of the prefix, as attention probabilities.
  case crossing
  /// No token axis.
  case shared
  /// Rows that fill sequences up to the longest, or keys there.
  case padding

  package var name: String { "\(self)" }

  /// What its bytes are kept for, as the end of a sentence; `{n_c}` and `{n_g}` stand for the
  /// tokens of the prefix and the generated ones.
  package var meaning: String {
    switch self {
    case .prefix: "kept for {n_c}, which carry no loss"
    case .generated: "kept for {n_g}, on which the loss is computed"
    case .crossing:
      "kept for pairs of a generated and a prefix token: how much the one attends to the other"
    case .shared: "kept for no token in particular"
    case .padding: "kept for rows that fill the shorter sequences up to the longest"
    }
  }

  /// Whether its bytes are there because of the prefix.
  package var isOfPrefix: Bool { self == .prefix || self == .crossing }

  /// Whether only some layouts have bytes of it, so that it is shown where there are some.
  package var isOptional: Bool { self == .padding }
}

/// Bytes by the tokens they belong to.
package struct RegionBytes: Equatable, Sendable {
  private var bytes = InlineArray<5, Int>(repeating: 0)

  package init(
    prefix: Int = 0, generated: Int = 0, crossing: Int = 0, shared: Int = 0, padding: Int = 0
  ) {
    self[.prefix] = prefix
    self[.generated] = generated
    self[.crossing] = crossing
    self[.shared] = shared
    self[.padding] = padding
  }

  package subscript(region: Region) -> Int {
    get { bytes[region.rawValue] }
    set { bytes[region.rawValue] = newValue }
  }

  /// The bytes of every region, by its name.
  package var byName: [(name: String, bytes: Int)] {
    Region.allCases.map { ($0.name, self[$0]) }
  }

  /// The sum over all regions.
  package var total: Int { Region.allCases.reduce(0) { $0 + self[$1] } }

  /// The sum over those that are there because of the prefix.
  package var ofPrefix: Int {
    Region.allCases.reduce(0) { $0 + ($1.isOfPrefix ? self[$1] : 0) }
  }

  package static func += (left: inout Self, right: Self) {
    for index in left.bytes.indices { left.bytes[index] += right.bytes[index] }
  }

  /// What `share` makes of each region's bytes.
  package func mapped(_ share: (Int) -> Int) -> Self {
    var result = self
    for index in bytes.indices { result.bytes[index] = share(bytes[index]) }
    return result
  }

  /// The same bytes so many times.
  package static func * (left: Self, count: Int) -> Self { left.mapped { $0 * count } }

  package static func == (left: Self, right: Self) -> Bool {
    left.bytes.indices.allSatisfy { left.bytes[$0] == right.bytes[$0] }
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
