import Budgets
import Profiles
import Retention
import Values

/// One budget: a figure, its limits, and the points that it is about.
enum BudgetSchema {
  /// Figures that are ratios already.
  private static let ratios = BudgetFigure.allCases.filter { !$0.isBytes }.map(\.rawValue)

  static func part(isProfile: Bool) -> SchemaPart {
    let isOfRatio = SchemaPart.object([
      ("anyOf", .array([.has("relative_to"), isRatio]))
    ])
    return .record(
      ProfileKeys.budget.map { ($0, property($0, isProfile: isProfile)) }, required: ["figure"],
      isClosed: true,
      with: [
        ("anyOf", .array(ProfileKeys.limits.map { .has($0) })),
        (
          "allOf",
          .array([
            .when(
              .has("within"),
              then: .not(.object([("anyOf", .array([.has("at_most"), .has("at_least")]))]))),
            .when(isRatio, then: .not(.has("relative_to"))),
            .when(isOfRatio, then: limited(by: "ratio"), otherwise: limited(by: "bytes")),
          ])
        ),
      ]
    ).about("A limit on a figure of some points.")
  }

  private static let isRatio = SchemaPart.has("figure").with([
    ("properties", .object([("figure", .words(ratios))]))
  ])

  private static func limited(by unit: String) -> SchemaPart {
    .object([
      (
        "properties",
        .object([
          ("at_most", .defined("\(unit)_limit")), ("at_least", .defined("\(unit)_limit")),
          ("within", .defined("\(unit)_width")),
        ])
      )
    ])
  }

  private static func property(_ name: String, isProfile: Bool) -> SchemaPart {
    switch name {
    case "figure":
      SchemaPart.words(BudgetFigure.words).about(
        "What is limited: bytes, what the last prefix token added to those retained, or the "
          + "gradient's relative L2 error.")
    case "relative_to":
      SchemaPart.words(ModeName.words).about(
        "The figure counts as a fraction of what the same point has in this mode.")
    case "at_most":
      SchemaPart.object([]).about(
        "The most: 4KiB, a number, baseline, or baseline + 2%, baseline + 64.")
    case "at_least":
      SchemaPart.object([]).about("The least: 4KiB, a number, baseline, or baseline - 2%.")
    case "within":
      SchemaPart.object([]).about(
        "Both sides of the committed baseline, such as 0% or 2%; in place of the others.")
    case "n_c" where isProfile:
      SchemaPart.any(.defined(name), .defined("range")).about(selection(name))
    case "lengths" where isProfile:
      SchemaPart.any(.defined(name), .defined("drawn_lengths")).about(selection(name))
    default: SchemaPart.any(.defined(name)).about(selection(name))
    }
  }

  private static func selection(_ axis: String) -> String {
    "The budget is about points with this \(axis), or one of these."
  }

  // MARK: Limits

  private static let decimal = #"\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"#
  /// At most 1000 %, as far as digits say it.
  private static let percent = #"(?:1000(?:\.0*)?|[0-9]{1,3}(?:\.[0-9]*)?(?:[eE]-?[0-9]+)?)%"#

  static let limits: SchemaPart.Members = [
    ("bytes_limit", limit(.integer(), "[0-9]+|" + ByteSize.pattern)),
    ("ratio_limit", limit(.type("number", with: [("minimum", .integer(0))]), decimal)),
    ("bytes_width", width(.integer(), "[0-9]+|" + ByteSize.pattern)),
    ("ratio_width", width(.type("number", with: [("minimum", .integer(0))]), decimal)),
  ]

  private static func limit(_ number: SchemaPart, _ text: String) -> SchemaPart {
    .any(number, .text(like: "\(text)|baseline(?: +[+-] +(?:\(text)|\(percent)))?"))
  }

  private static func width(_ number: SchemaPart, _ text: String) -> SchemaPart {
    .any(number, .text(like: "\(text)|\(percent)"))
  }
}
