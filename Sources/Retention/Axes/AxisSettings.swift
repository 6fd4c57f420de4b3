package import Transformer
package import Values

/// The values that were given for a point's axes; what is not given has its default.
package struct AxisSettings: Hashable, Sendable {
  private var values: [String: AxisValue] = [:]

  package init() {}

  /// The value that was given for an axis; nil for none.
  package subscript(name: String) -> AxisValue? {
    get { values[name] }
    set {
      precondition(PointAxis.find(name) != nil, "\(name) is no axis")
      values[name] = newValue
    }
  }

  /// Gives an axis the value that a text says.
  ///
  /// - Throws: `ValueError` with the axis, the text and what is wrong with it.
  package mutating func set(_ name: String, _ text: String) throws(ValueError) {
    self[name] = try PointAxis.named(name).read(WrittenText(text))
  }

  /// A point with these values.
  ///
  /// Axes that go with others come after those.
  package func applied(to point: Point) -> Point {
    var point = point
    for isConditional in [false, true] {
      for axis in PointAxis.all where axis.conditions.isEmpty != isConditional {
        if let value = values[axis.name] { axis.write(&point, value) }
      }
    }
    return point
  }

  /// A model with these sizes in place of its own; everything else stays.
  package func applied(to model: DecoderConfiguration) -> DecoderConfiguration {
    applied(to: Point(modelName: "", model: model, nC: 0, nG: 0)).model
  }

  /// Refuses what lengths say of each sequence.
  ///
  /// - Throws: `PointError` naming the axis.
  package func requireLengthsAlone(_ names: [String] = Lengths.told) throws(PointError) {
    guard values["lengths"] != nil, let given = names.first(where: { values[$0] != nil })
    else { return }
    throw .tokens(.toldByLengths(axis: given))
  }

  /// Refuses values of a single point that would change nothing.
  ///
  /// Among the points of a profile they are legitimate: other points heed them.
  ///
  /// - Throws: `PointError` naming the axis and what it goes with.
  package func requireEffect(on point: Point) throws(PointError) {
    try requireEffect(onAny: [point])
    try point.requireKeptPrefix()
  }

  /// Refuses values that none of some points heeds.
  ///
  /// - Throws: as above.
  package func requireEffect(onAny points: [Point]) throws(PointError) {
    for axis in PointAxis.all {
      guard let given = values[axis.name], let condition = axis.conditions.first,
        let point = points.first, points.allSatisfy({ axis.value($0) != given })
      else { continue }
      throw .goesWith(
        axis.name, nil, condition.axis, condition.values.sorted(),
        not: PointAxis.named(condition.axis).value(point).text)
    }
  }
}

extension Point {
  /// Refuses to keep more of the prefix than there is.
  package func requireKeptPrefix() throws(PointError) {
    let kept = mode.keepPrefix
    if kept > nC {
      throw .tokens(.kept(kept, nC: nC))
    }
  }
}
