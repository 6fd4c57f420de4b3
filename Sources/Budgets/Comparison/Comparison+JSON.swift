import Reporting
package import Spelling

extension Comparison {
  /// The comparison as one object: its points, with every figure of both sides, the tensors that
  /// differ, and the points of one side alone.
  ///
  /// Figures are under the names of their columns in `points.csv`.
  package var json: JSONText {
    .object(
      [
        ("points", .array(points.map(Self.json), .rows)),
        ("only_in_a", .strings(onlyBefore)), ("only_in_b", .strings(onlyAfter)),
      ], .rows)
  }

  private static func json(_ point: PointComparison) -> JSONText {
    let figures = point.bytes.map { figure, pair in
      (name: figure.name, value: json(pair) { Int(exactly: $0).map { .integer($0) } ?? .real($0) })
    }
    let tensors: JSONText =
      point.tensors.map { changes in
        .array(changes.map(json))
      } ?? .null
    return .object(
      [("point", .string(point.label))]
        + [
          (
            "status",
            .object([
              ("a", .string(point.statuses?.before ?? "ok")),
              ("b", .string(point.statuses?.after ?? "ok")),
            ])
          )
        ] + figures + [("step_seconds", json(point.seconds) { .real($0) }), ("tensors", tensors)],
      .lines(2))
  }

  private static func json(_ pair: FigurePair, _ number: (Double) -> JSONText) -> JSONText {
    .object([
      ("a", pair.before.map(number) ?? .null), ("b", pair.after.map(number) ?? .null),
      ("increase_percent", pair.increasePercent.map { .real($0) } ?? .null),
    ])
  }

  private static func json(_ change: TensorChange) -> JSONText {
    .object([
      ("tensor", .string(change.name)), ("change", .string(change.kind.rawValue)),
      ("a_bytes", .integer(orNull: change.before)), ("b_bytes", .integer(orNull: change.after)),
      ("form", .string(change.form)),
    ])
  }
}
