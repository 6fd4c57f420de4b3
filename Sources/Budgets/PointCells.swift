import Reporting
package import Retention
import Spelling

/// A point's value on every axis, as result files write it.
///
/// Budgets know points by these alone, so that they are about a step of any program that writes
/// such files, and of any model.
package struct PointCells: Hashable, Sendable {
  private var texts: [String: String]

  package init(_ point: Point) {
    texts = Dictionary(uniqueKeysWithValues: PointAxis.all.map { ($0.name, $0.value(point).text) })
  }

  /// The cells of a file's row, by column; an axis that the file does not have is at its default.
  init(_ row: [String: String]) {
    texts = Dictionary(
      uniqueKeysWithValues: PointAxis.all.map { ($0.name, row[$0.name] ?? $0.standard.text) })
  }

  /// The text of an axis that is known to be one.
  package subscript(axis: String) -> String { texts[axis] ?? "" }

  var mode: String { self["mode"] }
  /// Prefix tokens; nil if the cell is no number of any.
  var nC: Int? { Int(self["n_c"]).flatMap { $0 >= 0 ? $0 : nil } }

  /// The same for all points of a series: they differ in axes that the series does not distinguish.
  var seriesKey: PointCells { settled { $0.seriesValue?.text } }

  /// The same for points that differ in their mode, and in what only some modes have.
  package var apartFromMode: PointCells {
    var cells = self
    cells.texts["mode"] = ModeName.fullGraph.rawValue
    return cells.settled { axis in axis.speaks(in: { cells[$0] }) ? nil : axis.standard.text }
  }

  /// The point of its series that has another number of prefix tokens.
  func at(nC: Int) -> PointCells {
    var cells = self
    cells.texts["n_c"] = String(nC)
    return cells
  }

  /// How many axes that only some points have are the same in another point.
  func likeness(to other: PointCells) -> Int {
    PointAxis.all.count { !$0.conditions.isEmpty && self[$0.name] == other[$0.name] }
  }

  private func settled(_ text: (PointAxis) -> String?) -> PointCells {
    var cells = self
    for axis in PointAxis.all {
      if let text = text(axis) { cells.texts[axis.name] = text }
    }
    return cells
  }

  /// Each point by its mode, its `n_c` and whatever else differs among the points.
  package static func labels(of points: [PointCells]) -> [PointCells: String] {
    let varying = PointColumns.axes.map(\.name).filter { axis in
      !["mode", "n_c"].contains(axis) && Set(points.map { $0[axis] }).count > 1
    }
    return points.reduce(into: [:]) { labels, point in
      labels[point] =
        printable(
          ("\(point.mode) n_c=\(point["n_c"])" + varying.map { " \($0)=\(point[$0])" }.joined())
            .unicodeScalars)
    }
  }
}

/// Finds a point's counterparts in other modes among the points of a profile.
package struct Counterparts {
  private let alike: [PointCells: [PointCells]]

  package init(_ points: [PointCells]) {
    alike = Dictionary(grouping: points, by: \.apartFromMode)
  }

  /// The same point in another mode; nil if there is none.
  ///
  /// What only some modes have need not be the same, but is where there is such a point.
  package func point(_ point: PointCells, in mode: ModeName) -> PointCells? {
    var best: PointCells?
    for other in alike[point.apartFromMode] ?? [] where other.mode == mode.rawValue {
      if let known = best, known.likeness(to: point) >= other.likeness(to: point) { continue }
      best = other
    }
    return best
  }
}
