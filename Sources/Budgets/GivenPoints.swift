import Reporting
package import Results
import Retention
import Spelling

/// The points that a profile is about, as results of another run may hold them: by the models and
/// by the values of axes that it gives.
package struct GivenPoints: Sendable {
  /// Empty where the profile gives none: then its budgets are about any.
  package let models: [BudgetedModel]
  /// What the profile gives on axes that decide bytes.
  private let axes: [AxisChoice]
  /// All points of the profile; empty where it does not describe them, or only another program can.
  private let planned: [PointCells]

  package init(
    models: [BudgetedModel] = [], axes: [AxisChoice] = [], planned: [PointCells] = []
  ) {
    (self.models, self.axes, self.planned) = (models, axes, planned)
  }

  /// What the profile gives on an axis; empty where it does not.
  package func texts(of axis: String) -> [String] {
    axes.filter { $0.axis == axis }.flatMap(\.values).sorted()
  }

  /// Whether a row of results is of a model of the profile.
  func isOfModel(_ cells: [String: String]) -> Bool {
    models.isEmpty || models.contains { $0.matches(cells) }
  }

  /// The axes on which a point has none of the profile's values; what an axis says that goes with
  /// others alone counts where it says something.
  private func differing(_ cells: PointCells) -> [AxisChoice] {
    axes.filter { choice in
      PointAxis.named(choice.axis).speaks { cells[$0] }
        && !choice.values.contains(cells[choice.axis])
    }
  }

  func contains(_ cells: [String: String]) -> Bool {
    isOfModel(cells) && differing(PointCells(cells)).isEmpty
  }

  /// How a row differs from the profile's points, as ends of a sentence.
  func differences(from row: [String: String]) -> [String] {
    let cells = PointCells(row)
    let sizes = models.map { $0.differences(from: row) }.min { $0.count < $1.count } ?? []
    return sizes
      + differing(cells).map {
        "\($0.axis) \(quoted(cells[$0.axis])), not \($0.values.sorted().joined(separator: " or "))"
      }
  }

  /// The points of the profile that budgets need and that results lack, in words; of a profile
  /// whose points only another program knows, the values that no point there has.
  package func missing(
    among found: [PointCells], wanted: (PointCells) -> Bool
  ) -> [String] {
    guard !planned.isEmpty else {
      return axes.flatMap { choice in
        choice.values.sorted().filter { value in
          !found.contains { $0[choice.axis] == value }
        }.map { "\(choice.axis)=\(printable($0.unicodeScalars))" }
      }
    }
    let labels = PointCells.labels(of: planned)
    let depths = Set(planned.map { $0["layers"] }).count
    return planned.filter { point in
      wanted(point)
        && !found.contains { other in
          // The model's own sizes were looked at; of several depths each must be there.
          (axes.map(\.axis) + (depths > 1 ? ["layers"] : [])).allSatisfy { axis in
            point[axis] == other[axis] || !PointAxis.named(axis).speaks { point[$0] }
          }
        }
    }.map { labels[$0] ?? "" }
  }
}

extension ResultPoints {
  /// The points that a profile is about, as `measured` has them.
  package func measured(of given: GivenPoints) -> [MeasuredPoint] {
    measured { given.contains($0) }
  }

  /// How many points are of another model, and how many of the profile's with other values.
  package func others(than given: GivenPoints) -> (ofModels: Int, ofValues: Int) {
    let all = measured.count
    let ofModel = measured { given.isOfModel($0) }.count
    return (all - ofModel, ofModel - measured(of: given).count)
  }

  /// How the point that is nearest to a profile's differs from them; nil where another model's
  /// name says it.
  package func nearest(to given: GivenPoints) -> String? {
    let alike = points.filter { point in
      given.models.isEmpty || given.models.contains { $0.isNamed(point.key["model"] ?? "") }
    }
    let differences = alike.map { given.differences(from: $0.key) }.filter { !$0.isEmpty }
    return differences.min { $0.count < $1.count }.map { $0.joined(separator: ", ") }
  }

  /// The names of all models that there are points of.
  package var models: [String] {
    points.reduce(into: []) { names, point in
      if let name = point.key["model"], !names.contains(name) { names.append(name) }
    }
  }
}
