import Foundation
import Reporting
import Spelling

/// A result as one HTML file that needs nothing beside it: no network, no other file.
///
/// ```
///   points.csv ledger.csv laws.csv ──▶ packed tables ─┐
///   gradients.csv flow.csv sweep.json                 ├──▶ page.html, with style, script and the
///   CReport/assets ── plotly.js, gzipped ─────────────┘    plotting library inside
/// ```
package enum ReportPage {
  /// The page about a result; beside an earlier one, if that is given.
  package static func html(
    of folder: ReportFolder, against earlier: ReportFolder? = nil, version: String
  ) -> String {
    let data = JSONText.object([
      ("made", .object([("version", .string(version))])),
      ("schema", ResultSchema.json),
      ("results", .array([earlier, folder].compactMap { $0?.json })),
    ]).text
    // Each placeholder stands once, and what replaces it is not looked at again.
    let parts = [
      "@@STYLE@@": Assets.style, "@@PLOTLY@@": Assets.plotly, "@@SCRIPT@@": Assets.script,
      // Within a script element only `<` could end it.
      "@@DATA@@": data.replacing("<", with: "\\u003c"),
    ]
    var rest = Assets.page[...]
    var html = ""
    while let start = rest.range(of: "@@"), let end = rest[start.upperBound...].range(of: "@@") {
      html += rest[..<start.lowerBound]
      html += parts[String(rest[start.lowerBound..<end.upperBound])] ?? ""
      rest = rest[end.upperBound...]
    }
    return html + rest
  }
}
