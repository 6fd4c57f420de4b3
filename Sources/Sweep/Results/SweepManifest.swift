import Files
import Foundation
import Measurement
package import Profiles
import Reporting
import Retention
import Spelling
import Transformer

/// `sweep.json`: what the rows of a folder are rows of, so that only the same sweep adds to them.
package struct SweepManifest: Codable, Equatable, Sendable {
  /// The layout of this file.
  package let schema: Int
  package let version: String
  package let profile: String
  /// How many points the profile describes.
  package let points: Int
  /// Of every point as it was resolved, its model and tokens included: `Profile.digest`.
  package let pointsDigest: String
  /// The limit that was given; nil for what the machine has.
  package let memoryBytes: Int?
  /// The part of the profile that the folder holds; nil for all of it.
  package var shard: Shard?
  /// What the points were resolved from, so that `ballast merge` can resolve them again.
  package let source: ProfileSource
  /// Whether every point of the profile, or of the shard, has its final row.
  package var isComplete: Bool

  private enum CodingKeys: String, CodingKey {
    case schema, version, profile, points, shard, source
    case pointsDigest = "points_digest"
    case memoryBytes = "memory_bytes"
    case isComplete = "complete"
  }

  static let name = "sweep.json"

  package init(of profile: Profile, memory: Int?, shard: Shard? = nil) {
    schema = 2
    version = BallastVersion.current
    self.profile = profile.name
    points = profile.points.count
    pointsDigest = profile.digest
    memoryBytes = memory
    self.shard = shard
    source = profile.source.absolute
    isComplete = false
  }

  /// The profile, read again.
  ///
  /// - Throws: `FileError` if it, or a file that it names, is not what it was.
  func resolved() throws(FileError) -> Profile {
    let again: Profile
    do throws(ProfileError) {
      again = try Profile(text: source.text, file: source.file, threads: source.threads)
    } catch {
      throw FileError("the points of \(quoted(profile)) cannot be resolved again: \(error)")
    }
    guard again.points.count == points, again.digest == pointsDigest else {
      throw FileError(
        "the points of \(quoted(profile)) are not what they were when ballast \(version) measured "
          + "them; a file that the profile names was changed, or this version has other columns")
    }
    return again
  }

  /// Why a sweep that this manifest describes cannot go on as `other`; nil if it can.
  func difference(from other: SweepManifest) -> String? {
    if schema != other.schema || version != other.version {
      return "it was started by ballast \(version), and this is \(other.version)"
    }
    if profile != other.profile {
      return "it holds the profile \(quoted(profile)), not \(quoted(other.profile))"
    }
    if points != other.points || pointsDigest != other.pointsDigest {
      return "the profile's points have changed since it was started"
    }
    if shard != other.shard {
      func words(_ shard: Shard?) -> String { shard.map { "shard \($0)" } ?? "the whole profile" }
      return "it holds \(words(shard)), not \(words(other.shard))"
    }
    if memoryBytes != other.memoryBytes {
      func words(_ bytes: Int?) -> String {
        bytes.map { "with --memory \($0)" } ?? "without --memory"
      }
      return "it was started \(words(memoryBytes)), and now runs \(words(other.memoryBytes))"
    }
    return nil
  }

  /// The manifest of a folder; nil if it has none.
  ///
  /// - Throws: `FileError` for one that cannot be read.
  static func read(from folder: ResultsFolder) throws(FileError) -> SweepManifest? {
    let path = folder.file(name)
    guard folder.size(of: name) != nil else { return nil }
    let text = try ResultText.read(path)
    do {
      return try JSONDecoder().decode(SweepManifest.self, from: Data(text.utf8))
    } catch {
      throw FileError("\(path) is not what a sweep writes; replace the results with --overwrite")
    }
  }

  /// The file's text.
  var text: String { JSONText.encoded(self, isSorted: true).text + "\n" }
}

extension Profile {
  /// A hash of every point in order, and of what the files behind them say.
  ///
  /// It changes when the profile's text, a model's configuration or the tokens change what is
  /// measured, and not for comments or a file's place. Of weights only the file's name counts.
  package var digest: String {
    var digest = Digest()
    var models: [DecoderConfiguration: Int] = [:]
    for file in ResultFile.allCases { digest.add(file.header) }
    digest.add(takesTimes ? 1 : 0)
    for planned in points {
      // Of a row without figures every axis is left, those of later versions too.
      let row = PointRecord(
        profile: nil, point: planned.point, repetition: planned.repetition, version: "",
        startedAt: "")
      for column in PointRecord.columns { digest.add(column.cell(row).text) }
      digest.add(planned.weights.map { URL(fileURLWithPath: $0.path).lastPathComponent } ?? "")
      // The columns do not hold all of a model; each is written out once.
      if let known = models[planned.point.model] {
        digest.add(known)
      } else {
        digest.add("\(planned.point.model)")
        models[planned.point.model] = models.count
      }
    }
    tokens?.add(to: &digest)
    return digest.text
  }
}
