import Files
import Spelling

/// A folder with a shard of a sweep, or with a sweep that has gaps, as `ballast merge` reads it.
struct SweepPart {
  let folder: ResultsFolder
  let manifest: SweepManifest
  private let journal: Journal
  /// Where the journal has the line of each finished point, by its place in the profile.
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
    try journal.read { (entry, place) in
      if !entry.isInterrupted { places[entry.index] = place }
    }
    guard places.keys.allSatisfy((0..<manifest.points).contains) else {
      throw FileError("\(folder.file(Journal.name)) names a point that the sweep does not have")
    }
    self.places = places
  }

  /// What the folder is called in a sentence: the shard, or the folder's path.
  var name: String { manifest.shard.map { "shard \($0)" } ?? folder.path }

  /// The journal's line of a point that it has.
  func line(of index: Int) throws(FileError) -> String {
    guard let place = places[index] else { preconditionFailure("the part has no such point") }
    return try journal.line(at: place)
  }
}
