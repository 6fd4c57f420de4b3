import Transformer

extension Point {
  /// A point of no model that has the default on every axis.
  package static let standard = Point(
    modelName: "", model: DecoderConfiguration(dModel: 0, heads: 0, dFF: 0, vocab: 0), nC: 0, nG: 0)

  /// The same for all points of a series: they differ in axes that the series does not distinguish.
  package var seriesKey: Point { settled(\.seriesValue) }

  /// The point whose gradient is exact and otherwise the same.
  package var exactReference: Point {
    let point = settled(\.referenceValue)
    return point.settled { axis in axis.speaks(in: point) ? nil : axis.standard }
  }

  private func settled(_ value: (PointAxis) -> AxisValue?) -> Point {
    var point = self
    for axis in PointAxis.all {
      if let value = value(axis) { axis.write(&point, value) }
    }
    return point
  }
}
