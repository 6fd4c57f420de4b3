import CReport
import Foundation

/// The files of `CReport/assets`, which the program carries.
enum Assets {
  static var page: String { unsafe text(ballast_report_page()) }
  static var style: String { unsafe text(ballast_report_style()) }

  /// The whole script, part after part.
  static var script: String {
    (0..<ballast_report_scripts()).map { unsafe text(ballast_report_script($0)) }.joined(
      separator: "\n")
  }

  /// The plotting library, gzipped, in Base64.
  static var plotly: String { unsafe data(ballast_report_plotly()).base64EncodedString() }

  private static func data(_ asset: BallastAsset) -> Data {
    unsafe Data(bytes: asset.bytes, count: asset.count)
  }

  private static func text(_ asset: BallastAsset) -> String {
    unsafe String(decoding: data(asset), as: UTF8.self)
  }
}
