import Foundation
import Reporting

/// The folder of a sweep's results: `points.csv`, `ledger.csv`, `gradients.csv` and `laws.csv`.
///
/// Rows are appended as points end, and are on disk before the next point starts. `laws.csv` is
/// written whole at the end.
package struct ResultsStore: Sendable {
  /// The folder, as it was given.
  package let directory: String
  private let points: AppendedFile
  private let ledger: AppendedFile
  private let gradients: AppendedFile
  private static let headers = [
    ("points.csv", CSV.header(of: PointRecord.self)),
    ("ledger.csv", CSV.header(of: LedgerRecord.self)),
    ("gradients.csv", CSV.header(of: GradientRecord.self)),
    ("laws.csv", CSV.header(of: LawRecord.self)),
  ]

  /// Makes the folder ready, before anything is measured.
  ///
  /// - Throws: `FileError` if the folder cannot be written, if another sweep is writing there, or if
  ///   it holds results and `overwrites` is false.
  package init(directory: String, overwrites: Bool) throws(FileError) {
    self.directory = directory
    let manager = FileManager.default
    var isDirectory: ObjCBool = false
    if unsafe manager.fileExists(atPath: directory, isDirectory: &isDirectory) {
      guard isDirectory.boolValue else {
        throw FileError("cannot write into \(directory): it is a file, not a folder")
      }
    } else if !Self.makeFolder(directory) {
      throw FileError.system("cannot make the folder \(directory)")
    }
    let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.system("cannot write into \(directory)") }
    // Held until the process ends, unless the folder is not ours after all.
    var isOurs = false
    defer { if !isOurs { close(descriptor) } }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw FileError("another sweep is writing into \(directory); wait, or choose another folder")
    }
    func path(_ name: String) -> String {
      directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
    }
    let present = Self.headers.filter { name, header in
      // A header alone is what a sweep leaves that was stopped at once.
      let size = try? manager.attributesOfItem(atPath: path(name))[.size] as? Int
      return manager.fileExists(atPath: path(name)) && size != header.utf8.count
    }.map(\.0)
    guard overwrites || present.isEmpty else {
      throw FileError(
        "\(directory) holds results already (\(present.joined(separator: ", "))); "
          + "choose another folder, or replace them with --overwrite")
    }
    // All can be written before the first is replaced.
    var files: [(PendingFile, String)] = []
    for (name, header) in Self.headers { files.append((try PendingFile(path(name)), header)) }
    for (file, header) in files { try file.commit(header) }
    points = try AppendedFile(path("points.csv"))
    ledger = try AppendedFile(path("ledger.csv"))
    gradients = try AppendedFile(path("gradients.csv"))
    isOurs = true
  }

  /// Creates a folder and those above it; leaves `errno` as the reason when it cannot.
  private static func makeFolder(_ path: String) -> Bool {
    var parts = path.split(separator: "/", omittingEmptySubsequences: true)[...]
    var made = path.hasPrefix("/") ? "" : "."
    while let part = parts.popFirst() {
      made += "/\(part)"
      if unsafe mkdir(made, 0o755) != 0 && errno != EEXIST { return false }
    }
    return !path.isEmpty
  }

  /// Writes a point's rows; its own one last, so that a point that is listed has all of its own.
  func append(_ outcome: PointOutcome) throws(FileError) {
    let record = outcome.record
    let rows = LedgerRecord.rows(
      of: outcome.saved, profile: record.profile, point: record.point,
      repetition: record.repetition)
    if !rows.isEmpty { try ledger.append(rows.map { CSV.line(of: $0) }.joined()) }
    let errors = GradientRecord.rows(
      of: outcome.gradients, profile: record.profile, point: record.point,
      repetition: record.repetition)
    if !errors.isEmpty { try gradients.append(errors.map { CSV.line(of: $0) }.joined()) }
    try points.append(CSV.line(of: record))
  }

  /// Replaces `laws.csv`.
  func write(_ laws: [LawRecord]) throws(FileError) {
    try PendingFile("\(directory)/laws.csv").commit(CSV.document(laws))
  }
}
