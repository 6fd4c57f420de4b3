import Files
import Foundation
import Reporting
import Retention

/// One line on standard error that follows a sweep; nothing unless that is a terminal.
package struct ProgressLine: Sendable {
  private let total: Int
  /// Points that had their rows before the sweep went on.
  private let before: Int
  private let start = ContinuousClock.now
  private let isShown = isatty(STDERR_FILENO) == 1

  package init(total: Int, done before: Int) {
    self.total = total
    self.before = before
  }

  /// Shows which point runs, and when the rest will be done at the rate until now.
  package func show(_ planned: PlannedPoint, done: Int) {
    guard isShown else { return }
    let elapsed = (ContinuousClock.now - start) / .seconds(1)
    var text = "[\(done + 1)/\(total)] \(planned.point.mode.name.rawValue) n_c \(planned.point.nC)"
    if done > before, elapsed > 0 {
      let rate = Double(done - before) / elapsed
      text +=
        " · \(Units.significant(rate)) points/s"
        + " · \(Units.seconds(Double(total - done) / rate)) left"
    }
    redraw(String(text.prefix(79)))
  }

  /// Shows a text of less than a line.
  package func show(_ text: String) {
    if isShown { redraw(text) }
  }

  /// Takes the line away.
  package func clear() {
    if isShown { redraw("") }
  }

  private func redraw(_ text: String) {
    StandardError.write("\r\(text)\u{1B}[K")
  }
}
