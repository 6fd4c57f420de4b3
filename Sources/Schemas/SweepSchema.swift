import Profiles

/// `sweep.json`, as a sweep of Ballast or `ballast-probe run` writes it.
enum SweepSchema {
  static let part = SchemaPart.record(
    [
      ("schema", SchemaPart.integer(1...Int.max).about("The layout of this file.")),
      (
        "version", SchemaPart.text.about("The program that measured: of ballast its number alone.")
      ),
      ("profile", SchemaPart.type("string").about("The name of the profile that rows carry.")),
      ("points", SchemaPart.integer().about("How many points the profile describes.")),
      (
        "points_digest",
        SchemaPart.text.about(
          "A hash of every point as it was resolved, model and tokens included.")
      ),
      (
        "memory_bytes",
        SchemaPart.type("integer", "null", with: [("minimum", .integer(1))])
          .about("The limit that was given; none for what the machine has.")
      ),
      (
        "shard",
        SchemaPart.any(
          .record(
            [
              ("index", SchemaPart.integer(1...1000).about("Which part, from 1.")),
              ("count", SchemaPart.integer(1...1000).about("Of how many.")),
            ], required: ["index", "count"]), .type("null")
        ).about("The part of the profile that the folder holds; none for all of it.")
      ),
      (
        "source",
        SchemaPart.record(
          [
            ("text", SchemaPart.type("string").about("The profile's text.")),
            (
              "file",
              SchemaPart.type("string").about("Its path, beside which files were looked for.")
            ),
            (
              "threads",
              SchemaPart.integer(1...Int.max).about("The threads where the text gives none.")
            ),
          ], required: ["text", "file", "threads"]
        ).about("What the points were resolved from, so that merge can resolve them again.")
      ),
      (
        "complete",
        SchemaPart.type("boolean").about("Whether every point has its final row.")
      ),
      (
        "probe",
        SchemaPart.type("object").about("Of ballast-probe: versions of packages, and notes.")
      ),
    ],
    required: ["schema", "version", "profile", "points", "points_digest", "source", "complete"])
}
