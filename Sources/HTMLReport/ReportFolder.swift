package import Files
import Foundation
import Reporting
import Results
import Spelling

/// What a report shows of a result folder: the tables that a sweep or the PyTorch probe wrote.
package struct ReportFolder {
  /// The folder's own name.
  package let name: String
  private let folder: ResultFolder
  private let ledger: LedgerChoice?

  /// Columns that the page's script reads and a table can do without elsewhere.
  private static let shown: [ResultKind: [String]] = [.points: ["n_g"], .ledger: ["shape"]]

  /// Reads a folder.
  ///
  /// - Throws: `FileError` for a folder without `points.csv`, or a file in it that is malformed.
  package init(_ path: String) throws(FileError) {
    guard Paths.isDirectory(path) || ResultFolder.isRecording(path) else {
      throw FileError(
        Paths.exists(path)
          ? "\(path): is a file; give the folder that 'ballast sweep' or ballast-probe wrote, or a "
            + "recording"
          : "\(path): there is no such folder")
    }
    let folder = try ResultFolder(path, to: "report", needing: Self.shown, checksFigures: true)
    self.folder = folder
    name = URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent
    ledger = folder.ledger.flatMap { table in
      folder.ledgerRows.map { LedgerChoice(table.document, $0, of: folder.points.document) }
    }
  }

  /// What is in the folder and not of its points, a sentence each.
  package var strays: [String] { folder.contradictions }

  // MARK: JSON

  /// The folder as the page's script reads it.
  var json: JSONText {
    var members: [(name: String, value: JSONText)] = [
      ("name", .string(name)), ("files", .strings(folder.files)),
      ("notes", .strings([ledger?.note].compactMap(\.self) + strays)),
      ("points", Self.packed(folder.points.document)),
    ]
    if let ledger { members.append(("ledger", ledger.json)) }
    for (name, part) in [
      ("laws", folder.laws), ("gradients", folder.gradients), ("flow", folder.flow),
    ] {
      if let document = part.document {
        members.append((name, Self.packed(document, of: part.places)))
      }
    }
    if let sweep = folder.sweep {
      let texts = [
        ("profile", sweep.profile), ("version", sweep.version), ("command", sweep.command),
        ("text", sweep.text),
      ]
      let known = texts.compactMap { name, text in text.map { (name, JSONText.string($0)) } }
      members.append(("sweep", .object(known)))
    }
    return .object(members)
  }

  /// A table, with the point of each row, or of all, in front where that is known.
  private static func packed(
    _ document: CSVDocument, of places: [Int] = []
  ) -> JSONText {
    let rows = document.rows
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
