package import Files
import Foundation
import Reporting
import Retention
import Spelling

/// What a report shows of a result folder: the tables that a sweep or the PyTorch probe wrote.
package struct ReportFolder {
  /// The folder's own name.
  package let name: String
  private let points: CSVDocument
  private let ledger: LedgerChoice?
  private let laws: Belonging.Part
  private let gradients: Belonging.Part
  private let flow: Belonging.Part
  private let sweep: SweepFile?
  private let files: [String]
  private let notes: [String]
  /// What is in the folder and not of its points, a sentence each.
  package let strays: [String]

  /// Columns without which a file is not what its name says.
  private static let needed = [
    "points.csv": ["mode", "n_c", "n_g", "status", "retained_bytes"],
    "ledger.csv": ["mode", "n_c", "order", "op", "tensor", "shape", "requested_bytes"],
    "laws.csv": ["mode", "constant_bytes", "linear_bytes", "quadratic_bytes"],
    "gradients.csv": ["mode", "n_c", "parameter", "weight", "layer", "relative_error"],
    "flow.csv": ["layer", "weight", "prefix_norm", "generated_norm", "total_norm"],
  ]

  /// The files of a result that a folder holds, under what a sentence calls it.
  ///
  /// The journal is one, though a report does not show it: without it a sweep cannot go on.
  package static func inputs(in folder: String, as name: String) -> [NamedFile] {
    (needed.keys.sorted() + ["sweep.json", "journal.jsonl"]).map { Paths.join(folder, $0) }
      .filter(Paths.exists).map { NamedFile(name, $0) }
  }

  /// Reads a folder.
  ///
  /// - Throws: `FileError` for a folder without `points.csv`, or a file in it that is malformed.
  package init(_ path: String) throws(FileError) {
    guard Paths.isDirectory(path) else {
      throw FileError(
        Paths.exists(path)
          ? "\(path): is a file; give the folder that 'ballast sweep' or ballast-probe wrote"
          : "\(path): there is no such folder")
    }
    func document(_ file: String) throws(FileError) -> CSVDocument? {
      let place = Paths.join(path, file)
      guard Paths.exists(place) else { return nil }
      return try Self.read(place, needing: Self.needed[file] ?? [], ofLaws: file == "laws.csv")
    }
    guard let points = try document("points.csv") else {
      throw FileError("\(path): holds no points.csv; name a folder that 'ballast sweep' wrote")
    }
    guard !points.rows.isEmpty else {
      throw FileError("\(path): points.csv has a header and no rows; there is nothing to report")
    }
    self.points = points
    let ledger = try document("ledger.csv").map { LedgerChoice($0, of: points) }
    let belonging = Belonging(to: points)
    laws = try document("laws.csv").map(belonging.laws) ?? Belonging.Part()
    gradients = try document("gradients.csv").map(belonging.gradients) ?? Belonging.Part()
    flow = try document("flow.csv").map(belonging.flow) ?? Belonging.Part()
    let manifest = SweepFile(Paths.join(path, "sweep.json"))
    let stray = manifest?.difference(from: points)
    sweep = stray == nil ? manifest : nil
    strays = [ledger?.strays, gradients.sentence, laws.sentence, flow.sentence, stray]
      .compactMap(\.self)
    let url = URL(fileURLWithPath: path).standardizedFileURL
    name = url.lastPathComponent
    let present = Self.needed.keys.sorted() + ["sweep.json"]
    files = present.filter { Paths.exists(Paths.join(path, $0)) }
    notes = [ledger?.note].compactMap(\.self) + strays
    self.ledger = ledger
  }

  private static func read(
    _ path: String, needing columns: [String], ofLaws: Bool
  ) throws(FileError) -> CSVDocument {
    let text = try ResultText.read(path)
    do {
      let document = try CSVDocument(text) { header in
        columns.first { !header.contains($0) }.map { "has no column \(quoted($0))" }
      }
      try document.requireFigures(ofLaws: ofLaws)
      return document
    } catch {
      throw FileError("\(path): \(error)")
    }
  }

  // MARK: JSON

  /// The folder as the page's script reads it.
  var json: JSONText {
    var members: [(name: String, value: JSONText)] = [
      ("name", .string(name)), ("files", .strings(files)), ("notes", .strings(notes)),
      ("points", Self.packed(points, points.rows)),
    ]
    if let ledger { members.append(("ledger", ledger.json)) }
    for (name, part) in [("laws", laws), ("gradients", gradients), ("flow", flow)] {
      if let document = part.document {
        members.append((name, Self.packed(document, document.rows, of: part.places)))
      }
    }
    if let sweep { members.append(("sweep", sweep.json)) }
    return .object(members)
  }

  /// A table, with the point of each row, or of all, in front where that is known.
  private static func packed(
    _ document: CSVDocument, _ rows: [CSVDocument.Row], of places: [Int] = []
  ) -> JSONText {
    var table = PackedTable(rows: rows.count)
    if let first = places.first {
      let all = places.count == rows.count ? places : rows.map { _ in first }
      table.add("point", all.map(String.init))
    }
    for (index, name) in document.header.enumerated() {
      table.add(name, rows.map { $0.fields[index] })
    }
    return table.json
  }
}

/// What `sweep.json` says about where results come from; nothing in it is needed.
private struct SweepFile {
  private struct Contents: Decodable {
    struct Source: Decodable {
      var text: String?
      var file: String?
    }
    var profile: String?
    var version: String?
    var points: Int?
    var source: Source?
  }

  let json: JSONText
  private let contents: Contents

  /// Why the file is not about these points, as a sentence; nil if it may be.
  func difference(from points: CSVDocument) -> String? {
    func differs(_ name: String, _ text: String?) -> Bool {
      guard let text, let column = points.column(name) else { return false }
      return !points.rows.contains { $0.fields[column] == text }
    }
    let isOther =
      differs("profile", contents.profile) || differs("version", contents.version)
      || contents.points.map { $0 < points.rows.count } ?? false
    return isOther
      ? "sweep.json is left out: its profile, its version or its number of points is not that of "
        + "points.csv" : nil
  }

  /// Reads the file; nil where there is none, or none that can be read.
  init?(_ path: String) {
    guard let text = try? ResultText.read(path),
      let contents = try? JSONDecoder().decode(Contents.self, from: Data(text.utf8))
    else { return nil }
    self.contents = contents
    // A profile's place on the machine is nobody's business; its name is.
    let file = contents.source?.file.map { URL(fileURLWithPath: $0).lastPathComponent }
    let isProbe = contents.version?.hasPrefix("ballast-probe") ?? false
    let members = [
      ("profile", contents.profile), ("version", contents.version),
      ("command", isProbe ? "ballast-probe run" : file.map { "ballast sweep \($0)" }),
      ("text", contents.source?.text),
    ]
    json = .object(members.compactMap { name, value in value.map { (name, .string($0)) } })
  }
}
