import Files

/// What stands in a folder beside a sweep's own files and is about the same points: pictures,
/// a report, a flow.
///
/// When the results are replaced, it would show the old ones. Only what this project wrote is
/// removed, which each file says of itself.
enum Leftovers {
  /// Each file, and what stands near its start if it is ours.
  private static let marks = [
    "flow.csv": "layer,parameter,weight,prefix_norm",
    "report.html": "<title>Ballast report</title>",
    "retained.png": "Ballast scripts/plot", "retained.svg": "Ballast scripts/plot",
    "retained-narrow.png": "Ballast scripts/plot",
  ]

  private static let searched = 4096

  /// Those that a folder holds.
  static func names(in directory: String) -> [String] {
    marks.filter { name, mark in
      let file = try? OpenedFile(Paths.join(directory, name)).read(at: 0, count: searched)
      return file.map { String(decoding: $0, as: UTF8.self).contains(mark) } ?? false
    }.keys.sorted()
  }
}
