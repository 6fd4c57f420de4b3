import HuggingFace
package import Reporting
import Transformer

/// A row of `ballast models`: a name that `--model` takes.
package struct ModelRecord: Sendable {
  package let name: String
  package let publicName: String?
  package let family: String
  /// nil where any number can be had.
  package let layers: Int?
  package let dModel: Int
  /// nil where it depends on the layers.
  package let parameters: Int?
  package let contextLength: Int?
  /// The programs that take it.
  package let takenBy: String

  init(_ model: BuiltInModel) {
    name = model.name
    publicName = model.publicName
    family = model.family
    layers = model.layers
    dModel = model.dModel
    parameters = model.parameters
    contextLength = model.contextLength
    takenBy = model.isBuilt ? "ballast, ballast-probe" : "ballast-probe"
  }

  init(_ model: NamedModel) {
    name = model.name
    publicName = nil
    family = model.configuration.family.rawValue
    layers = model.mostLayers
    dModel = model.configuration.dModel
    parameters = nil
    contextLength = nil
    takenBy = "ballast"
  }
}

extension ModelRecord: Record {
  package static let columns: [Column<ModelRecord>] = [
    Column("model") { .text($0.name) },
    Column("public_name") { .text(orEmpty: $0.publicName) },
    Column("family") { .text($0.family) },
    Column("layers") { .integer(orEmpty: $0.layers) },
    Column("d_model") { .integer($0.dModel) },
    Column("parameters") { .integer(orEmpty: $0.parameters) },
    Column("context_length") { .integer(orEmpty: $0.contextLength) },
    Column("taken_by") { .text($0.takenBy) },
  ]
}

/// The models as a person reads them, family by family.
package enum ModelTable {
  package static func text(of models: [ModelRecord]) -> String {
    var table = TextTable([
      ("model", .left), ("params", .right), ("layers", .right), ("d_model", .right),
      ("context", .right), ("public name", .left),
    ])
    let families = models.map(\.family).reduce(into: [String]()) { families, family in
      if !families.contains(family) { families.append(family) }
    }
    let groups = families.map { family in models.filter { $0.family == family } }
    for model in groups.joined() {
      table.add([
        model.name, model.parameters.map(short) ?? "–", model.layers.map(String.init) ?? "any",
        String(model.dModel), model.contextLength.map(String.init) ?? "–", model.publicName ?? "–",
      ])
    }
    var lines = table.text.split(separator: "\n").map(String.init)[...]
    var text = (lines.popFirst() ?? "") + "\n"
    for group in groups {
      let isProbes = group.allSatisfy { $0.takenBy == "ballast-probe" }
      text += "\n\(group[0].family)\(isProbes ? ", by ballast-probe alone" : "")\n"
      text += lines.prefix(group.count).map { $0 + "\n" }.joined()
      lines = lines.dropFirst(group.count)
    }
    return text
  }

  /// A number of parameters, such as `8.03B` or `124M`.
  private static func short(_ count: Int) -> String {
    if count < 999_500_000 { return "\((count + 500_000) / 1_000_000)M" }
    let hundredths = (count + 5_000_000) / 10_000_000
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)B"
  }
}
