import RecordedLaws

/// The laws of a recording: numbers that follow from lengths, and what of the step they are.
enum LawsSchema {
  private static let lengths = SchemaPart.list(.integer(0...RecordedLaws.mostBytes))
  private static let place = SchemaPart.integer()
  private static let places = SchemaPart.list(place)
  private static let variable = SchemaPart.words(RecordedLaws.Variable.allCases.map(\.rawValue))

  static let part = SchemaPart.record(
    [
      ("variables", SchemaPart.list(variable).about("The lengths that the laws go by.")),
      ("at", lengths.about("Those of this file, one a variable.")),
      (
        "made_from", SchemaPart.list(lengths).about("Lengths whose recordings made the laws.")
      ),
      (
        "checked_at",
        SchemaPart.list(lengths).about("Lengths that the laws gave exactly without being made of.")
      ),
      ("solves", variable.about("What the recorder was asked to find the most of.")),
      ("tokens", range(0).about("The least and the most of n_c + n_g.")),
      ("batch", range(1).about("The least and the most of sequences at a time.")),
      (
        "multiple",
        SchemaPart.integer(1...1 << 20).about("Of which number n_c + n_g is a multiple.")
      ),
      (
        "most_tokens",
        SchemaPart.type("integer", "null", with: [("minimum", .integer(1))]).about(
          "The tokens for which the model has positions; none for any.")
      ),
      ("values", values), ("tensors", tensors),
      (
        "law",
        SchemaPart.list(.integer(-1...Int.max)).about(
          "The law of each tensor of the file, a place in tensors; -1 for one that stays the same.")
      ),
      ("launches", launches), ("blocks", blocks),
    ],
    required: [
      "variables", "at", "made_from", "checked_at", "solves", "tokens", "batch", "multiple",
      "values", "tensors", "law", "launches", "blocks",
    ])

  private static func range(_ least: Int) -> SchemaPart {
    .list(.integer(least...RecordedLaws.mostBytes), count: 2...2)
  }

  /// A number, a length, or an operation on earlier values.
  private static let values: SchemaPart = {
    let operations = LawValue.Operation.allCases.map(\.rawValue)
    func made(_ names: SchemaPart, of count: Int) -> SchemaPart {
      .type(
        "array",
        with: [
          ("prefixItems", .array([names] + Array(repeating: place, count: count))),
          ("minItems", .integer(count + 1)), ("maxItems", .integer(count + 1)),
        ])
    }
    return SchemaPart.list(
      .any(
        .type("integer"), variable, made(.exactly(.string("bits")), of: 1),
        made(.words(operations), of: 2))
    ).about("Each a number, a length, or an operation on two earlier values, by their places.")
  }()

  private static let tensors = SchemaPart.list(
    .record(
      [
        ("bytes", place.about("The value that is its bytes.")),
        ("shape", SchemaPart.list(place, count: 0...64).about("Its extents.")),
        (
          "regions",
          SchemaPart.list(place, count: 4...4).about(
            "Bytes of prefix, generated, crossing, shared.")
        ),
      ], required: ["bytes", "shape", "regions"])
  ).about("How sizes of tensors follow from values.")

  private static let launches = SchemaPart.list(
    .list(
      .record(
        [
          (
            "when",
            SchemaPart.list(
              .type(
                "array",
                with: [
                  ("prefixItems", .array([place, .integer(0...1)])), ("minItems", .integer(2)),
                  ("maxItems", .integer(2)),
                ])
            ).about("Values, and whether each is other than 0.")
          ),
          (
            "steps",
            SchemaPart.list(.any(.type("integer"), .exactly(.string("outputs")))).about(
              "A value to take as bytes, -N - 1 to release take N, \"outputs\" for its results.")
          ),
        ], required: ["when", "steps"]))
  ).about("Which temporaries a kernel takes: variants, of which the first that fits counts.")

  private static let blocks: SchemaPart = {
    let columns: SchemaPart.Members = [
      ("first", places.about("The first event of the file that the block stands for.")),
      ("count", places.about("How many events.")),
      ("launch", places.about("A place in launches.")),
      ("op", places.about("A place in tables.ops.")),
      ("module", places.about("A place in tables.modules.")),
      ("layer", SchemaPart.list(.integer(-1...1 << 20)).about("-1 outside the layers.")),
      ("node", places.about("A place in tables.nodes.")),
    ]
    return SchemaPart.record(columns, required: columns.map(\.name)).about(
      "Where kernels' temporaries stand among the events, a column a property.")
  }()
}
