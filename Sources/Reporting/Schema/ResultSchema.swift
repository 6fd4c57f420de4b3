import Ledger
import Retention
package import Spelling
import Values

/// All that results are made of, as data: what the pictures and the report's page know of them.
///
/// They have no list of their own, so that an axis, a region, a mode or a figure with an entry here
/// is in them too. A test holds `python/ballast_pictures/schema.json` to `text`; a page carries
/// `json`.
package enum ResultSchema {
  /// The parts by name, each a list of entries.
  private static let parts: [(name: String, entries: [JSONText])] = [
    ("axes", PointAxis.all.map(axis)), ("modes", ModeName.allCases.map(mode)),
    ("regions", Region.allCases.map(region)), ("figures", PointFigure.all.map(figure)),
    ("law", LawRecord.coefficients.map(coefficient)), ("files", ResultKind.allCases.map(file)),
  ]

  package static let json = JSONText.object(parts.map { ($0.name, .array($0.entries)) })

  /// The same with a line an entry, for a file.
  package static let text =
    JSONText.object(parts.map { ($0.name, .array($0.entries, .lines(0))) }, .rows).text + "\n"

  // MARK: Entries

  private static func axis(_ axis: PointAxis) -> JSONText {
    var choices: [String] = []
    if case .words(let words) = axis.kind { choices = words }
    let hasDefault = !axis.isRequired && axis.section != .model
    let words = AxisWords.of(axis)
    let conditions = axis.conditions.map {
      (name: $0.axis, value: JSONText.strings($0.values.sorted()))
    }
    return .object([
      ("name", .string(axis.name)), ("section", .string(axis.section.rawValue)),
      ("words", .strings(choices)), ("default", .string(hasDefault ? axis.standard.text : "")),
      ("is_integer", .bool(axis.kind == .integer)), ("conditions", .object(conditions)),
      ("of_series", .bool(axis.seriesValue == nil)),
      ("reference", axis.referenceValue.map { .string($0.text) } ?? .null),
      ("changes_bytes", .bool(axis.changesBytes)),
      ("title", .string(words.title ?? axis.name)), ("noun", .string(words.noun ?? "")),
      ("label", .string(words.label ?? "\(axis.name) {}")),
      ("told", .string(words.told ?? "\(axis.name) {}")),
      ("has_own_words", .bool(words.told != nil)), ("is_always_told", .bool(words.isAlwaysTold)),
      ("ways", .object(words.ways.map { ($0.value, .string($0.words)) })),
    ])
  }

  private static func mode(_ mode: ModeName) -> JSONText {
    .object([
      ("name", .string(mode.rawValue)), ("is_exact", .bool(Mode(mode).isExact)),
      ("prefix_rows", .string(mode.prefixRows.rawValue)), ("meaning", .string(mode.meaning)),
      ("sentence", .string(mode.sentence)),
    ])
  }

  private static func region(_ region: Region) -> JSONText {
    .object([
      ("name", .string(region.name)), ("column", .string("\(region.name)_bytes")),
      ("figure", .string(PointFigure.retained(of: region).name)),
      ("is_of_prefix", .bool(region.isOfPrefix)), ("is_optional", .bool(region.isOptional)),
      ("meaning", .string(region.meaning)),
    ])
  }

  private static func figure(_ figure: PointFigure) -> JSONText {
    .object([
      ("name", .string(figure.name)), ("label", .string(figure.label)),
      ("unit", .string(figure.unit.rawValue)), ("phase", .string(figure.phase.rawValue)),
      ("region", figure.region.map { .string($0.name) } ?? .null),
      ("is_prediction", .bool(figure.isPrediction)), ("is_cost", .bool(figure.isCost)),
    ])
  }

  private static func coefficient(_ coefficient: LawRecord.Coefficient) -> JSONText {
    .object([("column", .string(coefficient.name)), ("power", .integer(coefficient.power))])
  }

  private static func file(_ kind: ResultKind) -> JSONText {
    let columns = kind.columns.map { name in
      JSONText.object([("name", .string(name)), ("kind", .string(kindOfColumn(name)))])
    }
    return .object([
      ("name", .string(kind.rawValue)), ("needed", .strings(kind.needed)),
      ("columns", .array(columns)),
    ])
  }

  /// Whether a column says which point it is about, under which conditions, or what was found.
  private static func kindOfColumn(_ name: String) -> String {
    if PointAxis.find(name) != nil { return "axis" }
    let isFigure =
      PointFigure.all.contains { $0.name == name } || name.hasSuffix("_bytes")
      || name.hasSuffix("_norm") || name.hasSuffix("_error")
      || ["norm", "cosine", "prefix_share"].contains(name)
    return isFigure ? "figure" : "condition"
  }
}
