import Files
import Foundation
import Reporting

/// What `sweep.json` says about where results come from; nothing in it is needed.
package struct SweepFile: Sendable {
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

  static let name = "sweep.json"

  private let contents: Contents

  /// Reads the file; nil where there is none, or none that can be read.
  init?(_ path: String) {
    guard let text = try? ResultText.read(path),
      let contents = try? JSONDecoder().decode(Contents.self, from: Data(text.utf8))
    else { return nil }
    self.contents = contents
  }

  package var profile: String? { contents.profile }
  package var version: String? { contents.version }
  /// The profile's text.
  package var text: String? { contents.source?.text }

  /// The command that made the results.
  package var command: String? {
    if contents.version?.hasPrefix("ballast-probe") ?? false { return "ballast-probe run" }
    // A profile's place on the machine is nobody's business; its name is.
    return contents.source?.file.map {
      "ballast sweep \(URL(fileURLWithPath: $0).lastPathComponent)"
    }
  }

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
      ? "\(Self.name) is left out: its profile, its version or its number of points is not that of "
        + "points.csv" : nil
  }
}
