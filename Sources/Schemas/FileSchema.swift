import Spelling
import Values

/// A kind of file that people write, or that others read, whose keys have a JSON Schema.
///
/// Editors complete and check by it. Every list of words is the program's own; a test keeps the
/// files in `schemas/` equal to `text`.
package enum FileSchema: String, AxisWord {
  case profile, budgets, recording, sweep, gpu

  /// What the file is called in `schemas/`.
  package var file: String { "\(rawValue).schema.json" }

  /// The schema, with a line break at its end.
  package var text: String {
    let (title, description, part) = parts
    let head: SchemaPart.Members = [
      ("$schema", .string("https://json-schema.org/draft/2020-12/schema")),
      ("title", .string(title)), ("description", .string(description)),
      ("$comment", .string("ballast schema \(rawValue) writes this file")),
    ]
    guard case .object(let members) = part else { return "" }
    return SchemaPart.object(head + members).text().text + "\n"
  }

  private var parts: (title: String, description: String, part: SchemaPart) {
    switch self {
    case .profile:
      (
        "Ballast profile",
        "A sweep: every combination of the values of its axes is a point; budgets limit figures.",
        ProfileSchema.ofProfile
      )
    case .budgets:
      (
        "Ballast budgets",
        "Budgets for results that are there already, of any program: ballast check FILE --results "
          + "DIR, or --recording FILE. A profile with budgets is one too.",
        ProfileSchema.ofBudgets
      )
    case .recording:
      (
        "Ballast recording",
        "The JSON inside recording.json.gz: every allocation and release of a training step.",
        RecordingSchema.part
      )
    case .sweep:
      (
        "Ballast sweep.json", "Where the rows of a folder of results come from.", SweepSchema.part
      )
    case .gpu:
      (
        "Ballast GPU", "A GPU for --gpu FILE.json.", GPUSchema.part(isClosed: true)
      )
    }
  }
}
