import Files
import Foundation
import Reporting

/// A folder with a shard of a sweep, or with a sweep that has gaps, as `ballast merge` reads it.
struct SweepPart {
  let folder: ResultsFolder
  let manifest: SweepManifest
  private let journal: Journal
  /// Where the journal has the rows of each finished point, by its place in the profile.
  let places: [Int: Range<Int>]

  /// Opens a folder, which no sweep writes into meanwhile.
  ///
  /// - Throws: `FileError` if it holds no shard, or one that this version cannot read.
  init(_ path: String) throws(FileError) {
    folder = try ResultsFolder(existing: path)
    guard let manifest = try SweepManifest.read(from: folder) else {
      throw FileError("\(path) holds no results of a sweep: there is no \(SweepManifest.name)")
    }
    guard manifest.shard != nil || !manifest.isComplete else {
      throw FileError(
        "\(path) holds all of the profile \(quoted(manifest.profile)), not a shard of it; "
          + "there is nothing to merge")
    }
    self.manifest = manifest
    journal = try Journal(reading: folder)
    var places: [Int: Range<Int>] = [:]
    var foreign: Int?
    try journal.read { (entry, place) throws(FileError) in
      if !(0..<manifest.points).contains(entry.index) { foreign = entry.index }
      if !entry.isInterrupted { places[entry.index] = place }
    }
    if foreign != nil {
      throw FileError("\(folder.file(Journal.name)) names a point that the sweep does not have")
    }
    self.places = places
    if !places.isEmpty { try requireColumns() }
  }

  /// What the folder is called in a sentence: the shard, or the folder's path.
  var name: String { manifest.shard.map { "shard \($0)" } ?? folder.path }

  /// What the journal says of a point that it has.
  func entry(of index: Int) throws(FileError) -> Journal.Entry {
    guard let place = places[index] else { preconditionFailure("the part has no such point") }
    return try journal.entry(at: place)
  }

  /// The rows of the shard's `laws.csv`, each as its cells.
  func laws() throws(FileError) -> [[String]] {
    let text = try text(of: ResultsStore.laws)
    do throws(CSVError) {
      return try CSVDocument(text).rows.map(\.fields)
    } catch {
      throw FileError("\(folder.file(ResultsStore.laws)): \(error)")
    }
  }

  private func text(of name: String) throws(FileError) -> String {
    guard let data = FileManager.default.contents(atPath: folder.file(name)) else {
      throw FileError("cannot read \(folder.file(name))")
    }
    return String(decoding: data, as: UTF8.self)
  }

  /// Rows of another version may have other columns, and then stand under no header of ours.
  private func requireColumns() throws(FileError) {
    var headers = ResultFile.allCases.map { ($0.rawValue, $0.header) }
    headers.append((ResultsStore.laws, CSV.header(of: LawRecord.self)))
    for (name, header) in headers {
      let handle = FileHandle(forReadingAtPath: folder.file(name))
      let start = (try? handle?.read(upToCount: header.utf8.count)) ?? nil
      guard let start else { throw FileError("cannot read \(folder.file(name))") }
      guard String(decoding: start, as: UTF8.self) == header else {
        throw FileError(
          "\(folder.file(name)) has other columns than this version of ballast writes; "
            + "merge with the version that wrote it, \(manifest.version)")
      }
    }
  }
}
