package import Files
import Foundation
import Measurement
package import Profiles
package import Reporting

/// The results of a sweep on disk.
///
/// ```
///   point ──▶ journal.jsonl (fsynced before the next point) ──▶ ledger.csv, points.csv
///   end   ──▶ those and laws.csv fsynced, then sweep.json says "complete", then the journal goes
/// ```
///
/// A shard keeps its journal, of which `ballast merge` makes the whole, as `--resume` does.
///
/// CSV files grow by whole lines in the profile's order; a point that ends before one in front of
/// it waits in the journal. Small files are renamed into place.
package struct ResultsStore: Sendable {
  /// What to do with results that the folder holds.
  package enum Opening: Sendable {
    case refuse, replace, resume
  }

  /// Opens a table that grows; another one in tests of disks that fail.
  package typealias Opener = @Sendable (_ path: String) throws(FileError) -> AppendedFile

  private let open: Opener
  private let folder: ResultsFolder
  private var manifest: SweepManifest
  private var journal: Journal?
  private var files: [ResultFile: AppendedFile] = [:]
  /// Every point that has a row, by its place in the profile.
  private var finished: [Int: PointRecord] = [:]
  private var interrupted: Set<Int> = []
  /// The points that belong here, by their place in the profile, in its order.
  package let part: [Int]
  /// The first of `part` whose rows the CSV files do not hold.
  private var next = 0
  /// Points behind it that have ended, by their place in the journal.
  private var waiting: [Int: Range<Int>] = [:]

  /// The file with a row a series.
  static let laws = "laws.csv"
  /// Every file that is renamed into its place.
  static let names =
    [SweepManifest.name, laws, Journal.name] + ResultFile.allCases.map(\.rawValue)

  /// The folder and the files in it that a sweep makes, replaces or removes, under an option.
  package static func outputs(in directory: String, as option: String) -> [NamedFile] {
    [NamedFile(option, directory)]
      + (names + Leftovers.names(in: directory)).map {
        NamedFile(option, Paths.join(directory, $0))
      }
  }

  /// Makes the folder ready, before anything is measured.
  ///
  /// `memory` is the limit that was given; `shard` the part that is measured, and its points, or
  /// nil for all of them.
  ///
  /// - Throws: `FileError` if the folder cannot be written, if another sweep is writing there, if
  ///   it holds results and they are not to be replaced, or if they are not this sweep's.
  package init(
    directory: String, of profile: Profile, memory: Int?,
    shard: (name: Shard, part: [Int])? = nil, opening: Opening,
    open: @escaping Opener = { (path) throws(FileError) in try AppendedFile(path) }
  ) throws(FileError) {
    self.open = open
    folder = try ResultsFolder(directory)
    manifest = SweepManifest(of: profile, memory: memory, shard: shard?.name)
    part = shard?.part ?? Array(profile.points.indices)
    folder.removeTemporaries(of: Self.names)
    let present = present
    let before = opening == .replace ? nil : try SweepManifest.read(from: folder)
    switch (opening, before) {
    case (.resume, let before?):
      if let difference = before.difference(from: manifest) {
        throw FileError(
          "cannot resume the sweep in \(directory): \(difference); "
            + "choose another folder, or start over with --overwrite")
      }
      manifest = before
      if before.isComplete { try read(profile.points) } else { try restore(profile.points) }
    case (.resume, nil) where !present.isEmpty:
      throw FileError(
        "cannot resume in \(directory): it holds results (\(present.joined(separator: ", "))), "
          + "but no \(SweepManifest.name) says of which sweep")
    case (.refuse, _):
      try refuseResults("choose another folder, go on with --resume")
      try start()
    case (.replace, _): try start(removing: Leftovers.names(in: directory))
    default: try start()
    }
  }

  /// Begins a folder with the journals of a sweep's parts, and makes the CSV files of them.
  ///
  /// `journal` gives the lines in the profile's order.
  ///
  /// - Throws: `FileError` as above.
  init(
    merged manifest: SweepManifest, of profile: Profile, into directory: String, replacing: Bool,
    journal: (_ write: (String) throws(FileError) -> Void) throws(FileError) -> Void
  ) throws(FileError) {
    let points = profile.points
    open = { (path) throws(FileError) in try AppendedFile(path) }
    folder = try ResultsFolder(directory)
    self.manifest = manifest
    part = Array(points.indices)
    folder.removeTemporaries(of: Self.names)
    if !replacing { try refuseResults("choose another folder") }
    try start(with: journal, removing: replacing ? Leftovers.names(in: directory) : [])
    try restore(points)
  }

  private func refuseResults(_ advice: String) throws(FileError) {
    guard !present.isEmpty else { return }
    throw FileError(
      "\(directory) holds results already (\(present.joined(separator: ", "))); "
        + "\(advice), or replace them with --overwrite")
  }

  /// The files that hold more than a header, which is what a sweep leaves that was stopped at once.
  private var present: [String] {
    var headers = [(Self.laws, CSV.header(of: LawRecord.self)), (Journal.name, "")]
    headers += ResultFile.allCases.reversed().map { ($0.rawValue, $0.header) }
    return headers.filter { name, header in
      folder.size(of: name).map { $0 != header.utf8.count } ?? false
    }.map(\.0)
  }

  // MARK: What is there

  /// The folder, as it was given.
  package var directory: String { folder.path }

  /// Whether every point has its final row and nothing is left to do.
  package var isComplete: Bool { manifest.isComplete }

  /// Whether a point has a row.
  package func holds(_ index: Int) -> Bool { finished[index] != nil }

  /// The rows of all points that have one, in the profile's order.
  package var records: [PointRecord] { finished.sorted { $0.key < $1.key }.map(\.value) }

  // MARK: Opening

  /// Replaces what the folder holds by a sweep that has got as far as these lines of a journal.
  private mutating func start(
    with lines: (_ write: (String) throws(FileError) -> Void) throws(FileError) -> Void = { _ in },
    removing leftovers: [String] = []
  ) throws(FileError) {
    func pending(_ name: String) throws(FileError) -> PendingFile {
      try PendingFile(own: folder.file(name))
    }
    // All can be written before the first is replaced.
    let (sweep, laws) = (try pending(SweepManifest.name), try pending(Self.laws))
    let journal = try pending(Journal.name)
    var tables: [(ResultFile, PendingFile)] = []
    for file in ResultFile.allCases.reversed() { tables.append((file, try pending(file.rawValue))) }
    // The manifest goes first and comes last: no row ever stands beside one that is not its own.
    try folder.remove(SweepManifest.name)
    try folder.remove(Journal.name)
    for name in leftovers { try folder.remove(name) }
    for (file, table) in tables { try table.commit(file.header) }
    try laws.commit(CSV.header(of: LawRecord.self))
    try journal.commit(lines)
    try sweep.commit(manifest.text)
    self.journal = try Journal(in: folder)
    try openFiles()
  }

  private mutating func openFiles() throws(FileError) {
    for file in ResultFile.allCases {
      files[file] = try open(folder.file(file.rawValue))
    }
  }

  /// Reads the rows of a complete sweep, of which no more than the CSV files may be left.
  private mutating func read(_ points: [PlannedPoint]) throws(FileError) {
    let path = folder.file(ResultFile.points.rawValue)
    let text = try ResultText.read(path)
    do {
      let rows = try CSVDocument(text).rows
      guard rows.count == part.count else {
        throw RecordError("it has rows of \(rows.count) points rather than \(part.count)")
      }
      for (index, row) in zip(part, rows) {
        finished[index] = try PointRecord(
          row: CSV.line(row.fields.map { .text($0) }), of: points[index].point)
      }
    } catch {
      throw FileError("\(path) was changed: \(error); start over with --overwrite")
    }
  }

  /// Reads the journal, and makes the CSV files anew of it.
  private mutating func restore(_ points: [PlannedPoint]) throws(FileError) {
    let journal = try Journal(in: folder)
    var places: [Int: Range<Int>] = [:]
    var records: [Int: PointRecord] = [:]
    let name = folder.file(Journal.name)
    let own = Set(part)
    try journal.restore { (entry, place) throws(FileError) in
      guard own.contains(entry.index) else {
        throw FileError("\(name) names a point that the sweep does not have")
      }
      // What was interrupted is measured again, unless that has happened already.
      guard !entry.isInterrupted else { return }
      do throws(RecordError) {
        records[entry.index] = try FinishedPoint(
          index: entry.index, rows: entry.rows, of: points[entry.index]
        ).record
      } catch {
        throw FileError("\(name): \(error)")
      }
      places[entry.index] = place
    }
    self.journal = journal
    finished = records
    next = part.firstIndex { places[$0] == nil } ?? part.count
    let written = part[..<next]
    waiting = places.filter { $0.key > written.last ?? -1 }
    for file in ResultFile.allCases {
      try PendingFile(own: folder.file(file.rawValue)).commit { (write) throws(FileError) in
        try write(file.header)
        for index in written {
          guard let place = places[index] else { continue }
          try write(try journal.entry(at: place).rows[file])
        }
      }
    }
    try openFiles()
  }

  // MARK: Writing

  /// Puts a point's rows into the journal, on disk, and into the CSV files when it is their turn.
  mutating func add(_ point: FinishedPoint) throws(FileError) {
    guard let journal else { preconditionFailure("a complete sweep takes no more points") }
    let place = try journal.append(point)
    finished[point.index] = point.record
    if point.isInterrupted { interrupted.insert(point.index) }
    guard point.index == part[next] else {
      waiting[point.index] = place
      return
    }
    try append(point.rows)
    next += 1
    while next < part.count, let place = waiting.removeValue(forKey: part[next]) {
      try append(try journal.entry(at: place).rows)
      next += 1
    }
  }

  private func append(_ rows: PointRows) throws(FileError) {
    for file in ResultFile.allCases where !rows[file].isEmpty {
      try files[file]?.append(rows[file])
    }
  }

  /// Ends the sweep, or a part of it: writes out what waits, and replaces `laws.csv`.
  ///
  /// Unless points are missing or were interrupted, the sweep is complete from then on. One that is
  /// complete stays as it is.
  mutating func close(_ laws: [LawRecord]) throws(FileError) {
    guard !isComplete else { return }
    for (_, place) in waiting.sorted(by: { $0.key < $1.key }) {
      guard let journal else { break }
      try append(try journal.entry(at: place).rows)
    }
    waiting = [:]
    for file in files.values { try file.sync() }
    try PendingFile(own: folder.file(Self.laws)).commit(CSV.document(laws))
    guard finished.count == part.count, interrupted.isEmpty else { return }
    manifest.isComplete = true
    try PendingFile(own: folder.file(SweepManifest.name)).commit(manifest.text)
    journal = nil
    if manifest.shard == nil { try folder.remove(Journal.name) }
  }
}
