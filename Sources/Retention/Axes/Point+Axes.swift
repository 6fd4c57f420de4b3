import Transformer

extension Point {
  /// A point of no model that has the default on every axis.
  static let standard = Point(
    modelName: "", model: DecoderConfiguration(dModel: 0, heads: 0, dFF: 0, vocab: 0), nC: 0, nG: 0)

  /// The same for all points of a series: they differ in axes that the series does not distinguish.
  package var seriesKey: Point { settled(\.seriesValue) }

  /// The same for points that differ in their mode, and in what only some modes have.
  package var apartFromMode: Point {
    var point = self
    point.mode = .fullGraph
    return point.settled { axis in axis.speaks(in: point) ? nil : axis.standard }
  }

  /// The point whose gradient is exact and otherwise the same.
  package var exactReference: Point {
    let point = settled(\.referenceValue)
    return point.settled { axis in axis.speaks(in: point) ? nil : axis.standard }
  }

  /// How many axes that only some points have are the same in another point.
  package func likeness(to other: Point) -> Int {
    PointAxis.all.count { !$0.conditions.isEmpty && $0.value(self) == $0.value(other) }
  }

  private func settled(_ value: (PointAxis) -> AxisValue?) -> Point {
    var point = self
    for axis in PointAxis.all {
      if let value = value(axis) { axis.write(&point, value) }
    }
    return point
  }
}
