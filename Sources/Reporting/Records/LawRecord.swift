package import Retention

/// A row of `laws.csv`: how bytes of one series grow with the prefix.
///
/// A series is all points that differ in `n_c` and `repeat` alone.
package struct LawRecord: Sendable {
  package var profile: String?
  /// Any point of the series; its `n_c` says nothing.
  package var point: Point
  package var law: ScalingLaw
  /// The range of `n_c` in which measured points were compared; nil when there were none.
  package var checkedRange: ClosedRange<Int>?
  package var pointsChecked: Int
  package var pointsMatching: Int
  package var figure: Figure
  /// The part of the model that keeps the bytes, or `total`.
  package var part: String
  /// The largest `n_c` of the regime; nil where none was found.
  package var highest: Int?
  /// The law is that of multiples of so many tokens.
  package var step: Int
  /// Of how many devices that share a layer this is one's law, which is then computed and not run.
  package var tensorParallel = 1
  /// What each completion adds where completions share their prefix.
  package var group: GroupLaw?

  /// What of it is there because of the prefix, `Region.isOfPrefix`; nil where nobody asked.
  package var ofPrefix: ScalingLaw?

  /// Whose law it is.
  package enum Figure: String, Sendable {
    case retained, peak
  }

  package init(
    profile: String?, point: Point, law: ScalingLaw, checkedRange: ClosedRange<Int>?,
    pointsChecked: Int, pointsMatching: Int, figure: Figure = .retained, part: String = "total",
    highest: Int? = nil, step: Int = 1
  ) {
    (self.profile, self.point, self.law, self.checkedRange) = (profile, point, law, checkedRange)
    (self.pointsChecked, self.pointsMatching) = (pointsChecked, pointsMatching)
    (self.figure, self.part, self.highest, self.step) = (figure, part, highest, step)
  }

  /// Which prefix lengths it is about, such as `n_c 1 to 4,096, in steps of 256`.
  package var rangeText: String {
    "n_c \(Units.grouped(law.lowest)) "
      + (highest.map { "to \(Units.grouped($0))" } ?? "and more")
      + (step == 1 ? "" : ", multiples of \(step)")
  }
}

extension LawRecord: Record {
  package static let columns: [Column<LawRecord>] =
    (PointColumns.ofSeries.map { $0.of(\.point) } + figures).arranged(
      """
      profile model layers d_model heads kv_heads d_head d_ff vocab dtype attention head recompute
      loss_rows mode keep_prefix chunk backend threads batch n_g seed trainable dropout recipe
      constant_bytes linear_bytes quadratic_bytes n_c_min n_c_max points_checked points_matching
      kv_gradients holds_from_n_c optimizer figure part holds_to_n_c n_c_step tensor_parallel
      adapter lora suffixes sharing suffixes_at_a_time
      completion_constant_bytes completion_n_c_bytes completion_n_g_bytes
      completion_n_c_n_g_bytes completion_n_g_n_g_bytes lengths layout
      of_prefix_constant_bytes of_prefix_linear_bytes of_prefix_quadratic_bytes
      """)

  /// A factor of a law, and the power of `n_c` that it goes with.
  package struct Coefficient: Sendable {
    package let name: String
    package let power: Int
    let value: @Sendable (ScalingLaw) -> Int
  }

  /// The factors of a law, each a column.
  package static let coefficients = [
    Coefficient(name: "constant_bytes", power: 0) { $0.constant },
    Coefficient(name: "linear_bytes", power: 1) { $0.linear },
    Coefficient(name: "quadratic_bytes", power: 2) { $0.quadratic },
  ]

  private static let figures: [Column<LawRecord>] =
    coefficients.map { factor in Column(factor.name) { .integer(factor.value($0.law)) } }
    + others
    + coefficients.map { factor in
      Column("of_prefix_" + factor.name) { .integer(orEmpty: $0.ofPrefix.map(factor.value)) }
    }

  private static let others: [Column<LawRecord>] = [
    Column("profile") { .text(orEmpty: $0.profile) },
    Column("completion_constant_bytes") { .integer(orEmpty: $0.group?.constant) },
    Column("completion_n_c_bytes") { .integer(orEmpty: $0.group?.prefix) },
    Column("completion_n_g_bytes") { .integer(orEmpty: $0.group?.generated) },
    Column("completion_n_c_n_g_bytes") { .integer(orEmpty: $0.group?.product) },
    Column("completion_n_g_n_g_bytes") { .integer(orEmpty: $0.group?.square) },
    Column("n_c_min") { .integer(orEmpty: $0.checkedRange?.lowerBound) },
    Column("n_c_max") { .integer(orEmpty: $0.checkedRange?.upperBound) },
    Column("points_checked") { .integer($0.pointsChecked) },
    Column("points_matching") { .integer($0.pointsMatching) },
    Column("holds_from_n_c") { .integer($0.law.lowest) },
    Column("figure") { .text($0.figure.rawValue) },
    Column("part") { .text($0.part) },
    Column("holds_to_n_c") { .integer(orEmpty: $0.highest) },
    Column("n_c_step") { .integer($0.step) },
    Column("tensor_parallel") { .integer($0.tensorParallel) },
  ]
}
