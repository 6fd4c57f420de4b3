package import Files
package import Measurement
package import Profiles
import Reporting
package import Spelling

/// Joins the shards of a sweep into the folder that one run would have written.
package struct ShardMerge {
  /// What is refused unless it is asked for.
  package struct Allowances: Sendable {
    /// Points without a row; the merged folder is then a sweep that `--resume` completes.
    package var gaps = false
    /// Points with more than one row, of which the folder that is named first gives the one.
    package var duplicates = false
    /// Rows of different versions of the program.
    package var versions = false

    package init(gaps: Bool = false, duplicates: Bool = false, versions: Bool = false) {
      (self.gaps, self.duplicates, self.versions) = (gaps, duplicates, versions)
    }
  }

  /// The sweep's profile, as it was resolved again.
  package let profile: Profile
  private let parts: [SweepPart]
  private let allowed: Allowances
  /// The part that gives each point's rows, by the point's place in the profile.
  private let sources: [Int: Int]

  /// Opens the folders and checks that they are parts of one sweep, each point once.
  ///
  /// - Throws: `FileError` with one sentence about what is missing, or what does not fit.
  package init(_ directories: [String], allowing allowed: Allowances = Allowances())
    throws(FileError)
  {
    precondition(!directories.isEmpty, "there is no shard to merge")
    self.allowed = allowed
    var parts: [SweepPart] = []
    for directory in directories { parts.append(try SweepPart(directory)) }
    for part in parts.dropFirst() {
      if let difference = Self.difference(of: part, from: parts[0], allowed) {
        throw FileError(
          "cannot merge \(parts[0].folder.path) and \(part.folder.path): \(difference)")
      }
    }
    sources = try Self.sources(parts, allowed)
    self.parts = parts
    profile = try parts[0].manifest.resolved()
    if !allowed.gaps, let gaps = gaps {
      throw FileError("\(gaps); run what is missing, or leave it out with --allow-gaps")
    }
  }

  // MARK: Checks

  /// Why two folders are no parts of one sweep; nil if they are.
  private static func difference(
    of part: SweepPart, from first: SweepPart, _ allowed: Allowances
  ) -> String? {
    let (one, other) = (first.manifest, part.manifest)
    if one.profile != other.profile {
      return "they hold different profiles, \(quoted(one.profile)) and \(quoted(other.profile))"
    }
    if one.version != other.version && !allowed.versions {
      return "they were measured by different versions of ballast, \(one.version) and "
        + "\(other.version); --allow-versions merges them all the same"
    }
    if one.pointsDigest != other.pointsDigest || one.points != other.points {
      return "their points are not the same; the profile or a file that it names was changed, "
        + "or it gives no threads and the machines have different numbers of cores"
    }
    if one.memoryBytes != other.memoryBytes {
      return "they were measured with different limits, --memory"
    }
    if let one = one.shard, let other = other.shard, one.count != other.count, !allowed.duplicates {
      return "shard \(one) and shard \(other) are parts of different divisions, which overlap; "
        + "--allow-duplicates takes each point from the folder named first"
    }
    return nil
  }

  private static func sources(
    _ parts: [SweepPart], _ allowed: Allowances
  ) throws(FileError) -> [Int: Int] {
    var sources: [Int: Int] = [:]
    for (number, part) in parts.enumerated() {
      let twice = part.places.keys.filter { sources[$0] != nil }
      if !allowed.duplicates, let first = twice.min(), let before = sources[first] {
        throw FileError(
          "\(parts[before].folder.path) and \(part.folder.path) both hold \(twice.count) of the "
            + "\(part.manifest.points) points (\(parts[before].name) and \(part.name)); name each "
            + "shard once, or take the rows of the first with --allow-duplicates")
      }
      for index in part.places.keys where sources[index] == nil { sources[index] = number }
    }
    return sources
  }

  /// Which points have no row, and where they should be; nil if there are none.
  package var gaps: String? {
    let manifest = parts[0].manifest
    let missing = manifest.points - sources.count
    guard missing > 0 else { return nil }
    var reasons = parts.filter { !$0.manifest.isComplete }
      .map { "\($0.folder.path) is not complete" }
    if let count = manifest.shard?.count {
      let present = Set(
        parts.compactMap { $0.manifest.shard }.filter { $0.count == count }.map(\.index))
      let absent = (1...count).filter { !present.contains($0) }
      let names = absent.prefix(5).map { "\($0)/\(count)" }.joined(separator: ", ")
      let more = absent.count > 5 ? " and \(absent.count - 5) more" : ""
      switch absent.count {
      case 0: break
      case 1: reasons.append("shard \(names) is not among the folders")
      default: reasons.append("shards \(names)\(more) are not among the folders")
      }
    }
    let why = reasons.isEmpty ? "" : ": \(reasons.joined(separator: "; "))"
    return "\(missing) of \(manifest.points) points are missing\(why)"
  }

  // MARK: Writing

  /// Writes the merged folder: the shards' journals joined, and what `--resume` makes of one.
  ///
  /// - Returns: A sentence about points without figures, and points off their law; nil for none.
  /// - Throws: `FileError` if the folder cannot be written, or holds results that are not to be
  ///   replaced.
  package func write(
    to directory: String, replacing: Bool, engine: Engine
  ) throws(FileError) -> String? {
    let identity = PendingFile.identity(of: directory)
    if let part = parts.first(where: { PendingFile.identity(of: $0.folder.path) == identity }) {
      throw FileError(
        "\(part.folder.path) is one of the shards; choose another folder for --output")
    }
    var whole = parts[0].manifest
    (whole.shard, whole.isComplete) = (nil, false)
    var store = try ResultsStore(
      merged: whole, of: profile, into: directory, replacing: replacing
    ) { (write) throws(FileError) in
      for (index, part) in sources.sorted(by: { $0.key < $1.key }) {
        try write(try parts[part].line(of: index))
      }
    }
    return try SweepSummary(closing: &store, engine: engine).complaint
  }

  // MARK: What there is

  /// A row a folder: its shard, its points, and how many of them the merged folder takes.
  package var table: String {
    var table = TextTable([
      ("shard", .left), ("points", .right), ("taken", .right), ("folder", .left),
    ])
    for (number, part) in parts.enumerated() {
      table.add([
        part.manifest.shard?.description ?? "–", String(part.places.count),
        String(sources.values.count { $0 == number }), part.folder.path,
      ])
    }
    return table.text
  }

  /// The same as data.
  package var json: JSONText {
    .array(
      parts.enumerated().map { number, part in
        .object([
          ("shard", part.manifest.shard.map { .string($0.description) } ?? .null),
          ("points", .integer(part.places.count)),
          ("taken", .integer(sources.values.count { $0 == number })),
          ("folder", .string(part.folder.path)),
        ])
      }, .rows)
  }
}
