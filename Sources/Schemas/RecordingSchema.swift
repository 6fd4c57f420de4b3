import Ledger
import Recordings

/// The JSON inside `recording.json.gz`, format version 1; keys that are not here are passed over.
enum RecordingSchema {
  static let part = SchemaPart.record(
    [
      (
        "format",
        SchemaPart.exactly(.string(Recording.format)).about("Says that this is a recording.")
      ),
      (
        "version", SchemaPart.exactly(.integer(Recording.version)).about("The format's version.")
      ),
      ("made", made), ("call", call), ("model", model),
      (
        "point",
        words(
          "What is known of the step, in the words of Ballast's points; of a step of one's own "
            + "what its owner gave.")
      ),
      (
        "device",
        SchemaPart.words(Recording.Device.allCases.map(\.rawValue)).about(
          "What the step was recorded for.")
      ),
      (
        "gpu",
        SchemaPart.any(GPUSchema.part(isClosed: false), .type("null")).about(
          "The GPU that was asked for; null on a CPU.")
      ),
      ("ranks", SchemaPart.integer(1...1 << 20).about("Processes that share the step.")),
      ("rank", SchemaPart.integer(0...1 << 20).about("Which of them this is, from 0.")),
      (
        "assumptions",
        SchemaPart.list(.type("string")).about("Sentences about what was assumed.")
      ),
      (
        "not_modelled",
        SchemaPart.list(
          .record(
            [
              ("op", SchemaPart.type("string").about("Such as aten::count_nonzero.")),
              ("calls", SchemaPart.integer(1...Int.max).about("How often it ran.")),
            ], required: ["op", "calls"])
        ).about("Ops whose kernels may take memory that nobody has written down yet.")
      ),
      ("tables", tables), ("tensors", tensors),
      (
        "events",
        SchemaPart.list(.type("integer")).about(
          "N allocates tensor N, and -N - 1 releases it; tensors are allocated in the order of "
            + "their numbers.")
      ),
      ("phases", phases),
      (
        "boundaries",
        places.about("For each step the event before which backward begins; ascending.")
      ),
      (
        "laws",
        SchemaPart.any(LawsSchema.part, .type("null")).about(
          "How the step goes on at other lengths; ballast-probe fit writes them.")
      ),
    ],
    required: [
      "format", "version", "made", "call", "model", "point", "device", "ranks", "rank",
      "assumptions", "not_modelled", "tables", "tensors", "events", "phases", "boundaries",
    ])

  /// Places in a table or among events.
  private static let places = SchemaPart.list(.integer())

  /// Texts by name.
  private static func words(_ description: String) -> SchemaPart {
    SchemaPart.type(
      "object",
      with: [("additionalProperties", .type("string", "number", "boolean", "null"))]
    ).about(description)
  }

  private static let made = SchemaPart.record(
    [
      ("at", SchemaPart.type("string").about("When: ISO 8601, UTC.")),
      ("by", words("Versions by the name of the package.")),
    ], required: ["at", "by"]
  ).about("When and by what the recording was made.")

  private static let call = SchemaPart.record(
    [
      ("command", SchemaPart.type("string").about("The command line, or a Python call.")),
      ("options", words("What was given, by name.")),
    ], required: ["command", "options"]
  ).about("How the recorder was called.")

  private static let model = SchemaPart.record(
    [
      ("name", SchemaPart.type("string").about("What it is called; empty for none.")),
      ("configuration", SchemaPart.object([]).about("Its config.json, or null.")),
    ], required: ["name"]
  ).about("The model of the step.")

  private static let texts = SchemaPart.list(.type("string"))

  private static let tables: SchemaPart = {
    let columns: SchemaPart.Members = [
      ("ops", texts.about("Ops, such as aten::mm; empty for none.")),
      ("modules", texts.about("Modules of the model by their paths; empty for none.")),
      ("nodes", texts.about("Nodes of the graph for which a tensor is kept.")),
      (
        "roles",
        SchemaPart.list(.words(Recording.Role.allCases.map(\.rawValue))).about(
          "What tensors are.")
      ),
      ("dtypes", texts.about("Types of elements.")),
      (
        "shapes",
        SchemaPart.list(.list(.integer(), count: 0...64)).about("Extents, the outermost first.")
      ),
      (
        "regions",
        SchemaPart.list(
          .list(
            .integer(0...Recording.mostBytes), count: Region.allCases.count...Region.allCases.count)
        ).about("Bytes of \(Region.allCases.map(\.name).joined(separator: ", ")).")
      ),
    ]
    return SchemaPart.record(columns, required: columns.map(\.name)).about("Each text once.")
  }()

  private static let tensors: SchemaPart = {
    let columns: SchemaPart.Members = [
      (
        "bytes",
        SchemaPart.list(.integer(1...Recording.mostBytes)).about("What the allocator is asked for.")
      ),
      ("op", places.about("The op that made it: a place in tables.ops.")),
      ("module", places.about("The module in which: a place in tables.modules.")),
      ("layer", SchemaPart.list(.integer(-1...1 << 20)).about("-1 outside the layers.")),
      ("role", places.about("A place in tables.roles.")),
      ("node", places.about("A place in tables.nodes.")),
      ("dtype", places.about("A place in tables.dtypes.")),
      ("shape", places.about("A place in tables.shapes.")),
      ("regions", places.about("A place in tables.regions, whose sum is the bytes.")),
      ("kept", SchemaPart.list(.integer(0...1)).about("Whether backward keeps it: 0 or 1.")),
    ]
    let stream = SchemaPart.any(.list(.integer(0...1 << 20)), .type("null"))
    return SchemaPart.record(
      columns + [("stream", stream.about("CUDA's stream; left out where all are on one."))],
      required: columns.map(\.name)
    ).about("A column a property, an entry an allocation, whose place is the tensor's number.")
  }()

  private static let phases = SchemaPart.list(
    .record(
      [
        (
          "name",
          SchemaPart.words(Recording.Phase.allCases.map(\.rawValue)).about("The part of a step.")
        ),
        ("step", SchemaPart.integer(0...1 << 30).about("Which step, from 0.")),
        ("first_event", SchemaPart.integer().about("The event with which it begins.")),
      ], required: ["name", "step", "first_event"])
  ).about("Parts of the steps, in order.")
}
