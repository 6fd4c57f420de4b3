import Budgets
import Measurement
import Profiles
import Retention
import Values

/// Profiles, and files of budgets alone: the same keys, of which those need fewer.
enum ProfileSchema {
  static let ofProfile = SchemaPart.record(
    ProfileKeys.profile.map { ($0, property($0, isProfile: true)) }, required: ["model"],
    isClosed: true,
    with: [
      ("allOf", .array([lengths, layers])), ("$defs", .object(definitions(isProfile: true))),
    ])

  static let ofBudgets = SchemaPart.record(
    ProfileKeys.profile.map { ($0, property($0, isProfile: false)) }, required: ["budgets"],
    isClosed: true,
    with: [("allOf", .array([layers])), ("$defs", .object(definitions(isProfile: false)))])

  /// Lengths say n_c and n_g, and what does not stand beside them.
  private static let lengths = SchemaPart.when(
    .has("lengths"),
    then: .not(.object([("anyOf", .array(Lengths.told.map { .has($0) }))])),
    otherwise: .has("n_c", "n_g"))

  /// The layers of a model of one's own may stand beside it.
  private static let layers = SchemaPart.when(
    .has("layers"), then: .object([]),
    otherwise: .member(
      "model", .when(.type("object"), then: .has("layers"))))

  // MARK: Keys of a profile

  private static func property(_ name: String, isProfile: Bool) -> SchemaPart {
    if ProfileKeys.axes.contains(name) { return axis(name, isProfile: isProfile) }
    return switch name {
    case "profile": .scalar.about("The name that rows carry; that of the file if none is given.")
    case "description": .scalar.about("What the sweep is about, in a line.")
    case "memory":
      SchemaPart.any(.integer(1...Int.max), .text(like: ByteSize.pattern))
        .about("Most bytes of a step, such as 80GiB or 4096; what is available if it is not given.")
    case "repeat":
      SchemaPart.integer(1...ProfileKeys.mostRepetitions)
        .about("How often every point is measured.")
    case "timings":
      SchemaPart.type("boolean").about(
        "Whether the times of steps are taken; without them sweep --jobs runs several at once.")
    case "weights":
      SchemaPart.text.about(
        "Weights of the model: a safetensors file, an index of shards, or a directory with either.")
    case "tokens":
      SchemaPart.text.about("A JSON file of tokens: {\"tokens\": [...]}.")
    case "budgets":
      SchemaPart.list(.defined("budget"), count: 1...Int.max)
        .about("Limits that ballast check holds the points' figures against.")
    default: preconditionFailure("\(name) is a key of profiles without a description")
    }
  }

  private static func axis(_ name: String, isProfile: Bool) -> SchemaPart {
    let axis = PointAxis.named(name)
    let several = SchemaPart.defined(name)
    let mapping: SchemaPart? =
      switch name {
      case "n_c": .defined("range")
      case "lengths": .defined("drawn_lengths")
      case "model": .defined("own_model")
      default: nil
      }
    let part = mapping.map { SchemaPart.any(several, $0) } ?? .any(several)
    return part.about(axis.sentence + (isProfile ? " A value, or a list of values." : ""))
  }

  // MARK: Values

  private static func definitions(isProfile: Bool) -> SchemaPart.Members {
    var definitions: SchemaPart.Members = ProfileKeys.axes.map { name in
      let value = isProfile ? value(of: .named(name)) : loose(.named(name))
      return (name, .any(value, .list(value, count: 1...Profile.mostPoints)))
    }
    definitions.append(("range", range))
    definitions.append(("drawn_lengths", drawnLengths))
    definitions.append(("own_model", ownModel))
    definitions.append(("budget", BudgetSchema.part(isProfile: isProfile)))
    return definitions + BudgetSchema.limits
  }

  private static func value(of axis: PointAxis) -> SchemaPart {
    if axis.name == "model" {
      return .any(.words(ModelSource.names), .text)
    }
    return switch axis.kind {
    case .words(let words): .words(words)
    case .integer: .integer(axis.range ?? 0...Int.max)
    case .unsigned: .type("integer", with: [("minimum", .integer(0))])
    case .number: .type("number")
    case .text: .text
    }
  }

  /// Values that another program may have too; ours are what an editor proposes.
  private static func loose(_ axis: PointAxis) -> SchemaPart {
    switch axis.kind {
    case .words(let words): .any(.words(words), .scalar)
    case .text where axis.name == "model": .any(.words(ModelSource.names), .scalar)
    case .integer, .unsigned, .number, .text: .scalar
    }
  }

  private static let range: SchemaPart = {
    let descriptions = [
      "The first length.", "The last, if steps reach it.", "From one to the next.",
    ]
    let leasts = [0, 0, 1]
    return .record(
      zip(ProfileKeys.range, zip(leasts, descriptions)).map { name, of in
        (name, SchemaPart.integer(of.0...ProfileKeys.mostTokens).about(of.1))
      }, required: ProfileKeys.range, isClosed: true
    ).about("Lengths in even steps.")
  }()

  private static let drawnLengths = SchemaPart.record(
    ProfileKeys.lengths.map { name in
      let part: SchemaPart =
        switch name {
        case "n_c":
          drawn(from: 0).about("The range of prefix tokens, from and to.")
        case "n_g":
          drawn(from: 1).about("The range of generated tokens, from and to.")
        case "count": SchemaPart.integer(1...Lengths.most).about("How many sequences.")
        default: SchemaPart.type("integer").about("The seed of the draws.")
        }
      return (name, part)
    }, required: ["n_c", "n_g", "count"], isClosed: true
  ).about("Lengths drawn evenly from two ranges.")

  private static func drawn(from least: Int) -> SchemaPart {
    .list(.integer(least...ProfileKeys.mostTokens), count: 2...2)
  }

  private static let ownModel = SchemaPart.record(
    ProfileKeys.model.map { name in
      let part: SchemaPart =
        switch name {
        case "name": .scalar.about("What rows call it.")
        case "norm_epsilon": .type("number").about("What norms add to a variance.")
        case "rope_theta": .type("number").about("The base of rotary positions.")
        case "tie_embeddings":
          .type("boolean").about("Whether the head's weight is that of the embedding.")
        default: value(of: .named(name)).about(PointAxis.named(name).sentence)
        }
      return (name, part)
    }, required: ProfileKeys.neededOfModel.filter { $0 != "layers" }, isClosed: true
  ).about("A decoder of sizes that stand here.")
}
