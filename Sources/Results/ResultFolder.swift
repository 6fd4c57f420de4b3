package import Files
import Foundation
import Recordings
package import Reporting

/// A folder of results, read: its points, and what the other files in it say of them.
///
/// A recorded step, alone or in a folder, is one too: its point and its ledger are made here.
///
/// ```
///   points.csv ──────────────────────────▶ points
///   ledger.csv laws.csv gradients.csv  ─┬▶ rows that are of these points
///   flow.csv sweep.json                 └▶ contradictions: a sentence for what is left out
/// ```
package struct ResultFolder: Sendable {
  package let path: String
  package let points: ResultTable
  package let ledger: ResultTable?
  /// Which rows of the ledger are of which point.
  package let ledgerRows: LedgerRows?
  package let laws: Belonging.Part
  package let gradients: Belonging.Part
  package let flow: Belonging.Part
  /// Where the results come from; nil where nothing here says so.
  package let sweep: SweepFile?
  /// What is alive when most is allocated, of each recorded step; nil for other results.
  let atPeak: [[TensorBytes]]?
  /// What is in the folder and not of its points, a sentence each that begins with the file's name.
  package let contradictions: [String]

  /// Reads a folder.
  ///
  /// - Parameters:
  ///   - path: The folder.
  ///   - kinds: The tables that are read, where they are there; the points always are.
  ///   - purpose: What is done with them, as the end of a sentence.
  ///   - columns: Those that tables must have beside `ResultKind.needed`.
  ///   - checksFigures: Whether a figure that is none is refused in every column.
  /// - Throws: `FileError` for a folder without points, or a table in it that is malformed.
  package init(
    _ path: String, reading kinds: Set<ResultKind> = Set(ResultKind.allCases),
    to purpose: String, needing columns: [ResultKind: [String]] = [:], checksFigures: Bool = false
  ) throws(FileError) {
    let recorded = try RecordedResult.file(at: path).map { (file) throws(FileError) in
      try RecordedResult(file)
    }
    try self.init(
      path, recorded, reading: kinds, to: purpose, needing: columns,
      checksFigures: checksFigures)
  }

  /// A folder with what was recorded in it, or in its place.
  init(
    _ path: String, _ recorded: RecordedResult?, reading kinds: Set<ResultKind>,
    to purpose: String, needing columns: [ResultKind: [String]] = [:], checksFigures: Bool = false
  ) throws(FileError) {
    func table(_ kind: ResultKind) throws(FileError) -> ResultTable? {
      if let recorded { return kinds.contains(kind) ? try recorded.table(kind) : nil }
      let place = Paths.join(path, kind.file)
      guard kinds.contains(kind), Paths.exists(place) else { return nil }
      let table = try ResultTable(place, of: kind, needing: columns[kind] ?? [])
      if checksFigures { try table.requireFigures() }
      return table
    }
    self.path = path
    atPeak = recorded?.atPeak
    guard let points = try table(.points) else {
      throw FileError(
        "\(path): holds no points.csv and no \(RecordedFile.name); name a folder that 'ballast "
          + "sweep' or ballast-probe wrote")
    }
    try points.requireRows(to: purpose)
    self.points = points
    let belonging = Belonging(to: points.document)
    ledger = try table(.ledger)
    ledgerRows = ledger.map { LedgerRows($0.document, of: points.document) }
    func part(
      _ kind: ResultKind, _ choose: (CSVDocument) -> Belonging.Part
    ) throws(FileError) -> Belonging.Part {
      try table(kind).map { choose($0.document) } ?? Belonging.Part()
    }
    laws = try part(.laws, belonging.laws)
    gradients = try part(.gradients, belonging.gradients)
    flow = try part(.flow, belonging.flow)
    let manifest = SweepFile(Paths.join(path, SweepFile.name))
    let stray = manifest?.difference(from: points.document)
    sweep = stray == nil ? manifest : nil
    contradictions = [
      ledgerRows?.contradiction, gradients.sentence, laws.sentence, flow.sentence, stray,
    ].compactMap(\.self)
  }

  /// Whether a path names a recorded step that is read like a folder.
  package static func isRecording(_ path: String) -> Bool {
    RecordedResult.file(at: path) != nil
  }

  /// The files that the folder holds, by name.
  package var files: [String] {
    (RecordedResult.file(at: path).map { [String($0.split(separator: "/").last ?? "")] } ?? [])
      + (ResultKind.allCases.map(\.file).sorted() + [SweepFile.name])
      .filter { Paths.exists(Paths.join(path, $0)) }
  }

  /// The files of a result that a folder holds, under what a sentence calls it; of a recorded step
  /// that is its file.
  ///
  /// The journal is one, though nobody shows it: without it a sweep cannot go on.
  package static func inputs(in folder: String, as name: String) -> [NamedFile] {
    (ResultKind.allCases.map(\.file).sorted() + [SweepFile.name, "journal.jsonl"])
      .map { Paths.join(folder, $0) }
      .filter(Paths.exists).map { NamedFile(name, $0) }
      + (RecordedResult.file(at: folder).map { [NamedFile(name, $0)] } ?? [])
  }
}
