import Measurement
package import Retention
import Tensors

/// One way to run a step: a value on each axis that a plan goes through.
package struct Combination: Sendable {
  /// The axes that a plan goes through, the first outermost.
  package static let axes = ["mode", "recompute", "attention", "head"].map(PointAxis.named)

  /// A point of it, without its prefix.
  package let point: Point

  /// The words on the axes of a plan.
  package var words: [String] { Self.axes.map { $0.value(point).text } }

  /// Whether it gives the gradients of `full-graph`.
  package var isExact: Bool { point.mode.isExact }

  /// The point with a prefix of so many tokens.
  func point(nC: Int) -> Point { point.withPrefix(nC) }

  /// Every combination of what a request leaves open; what cannot be combined is left out, and of
  /// PyTorch's own step every head but the one that it has by habit.
  ///
  /// - Throws: `PointError` if none can be.
  static func all(of request: PointRequest) throws -> [Combination] {
    var choices: [[(PointAxis, AxisValue)]] = [[]]
    let isPyTorchs = request.point.recipe != .ballast
    for axis in axes where request.settings[axis.name] == nil {
      if isPyTorchs, axis.name == "head" { continue }
      choices = choices.flatMap { choice in axis.choices.map { choice + [(axis, $0)] } }
    }
    var refusal: (any Error)?
    let possible = choices.compactMap { choice -> Combination? in
      var request = request
      for (axis, value) in choice { request.settings[axis.name] = value }
      do {
        return Combination(point: try request.planned().point)
      } catch {
        refusal = refusal ?? error
        return nil
      }
    }
    if possible.isEmpty, let refusal { throw refusal }
    return possible
  }

  /// The step with which work is compared: the whole graph, with nothing shared or computed twice.
  static func reference(of point: Point) -> Point {
    var point = point
    (point.mode, point.recompute, point.sharing) = (.fullGraph, .none, .none)
    // A recipe has one attention and one head.
    if point.recipe == .ballast { (point.attention, point.head) = (.fused, .lossRows) }
    return point
  }
}
