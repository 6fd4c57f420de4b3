package import Retention

/// The gradient of one parameter beside the exact one; what could not be had is nil.
package struct ParameterGradient: Equatable, Sendable {
  /// The Hugging Face name.
  package var parameter: String
  /// The formula's name: `W_Q`, `norm` …
  package var weight: String
  package var layer: Int?
  /// `‖g − r‖ / ‖r‖`; 0 if both are zero, nil if only `r` is.
  package var relativeError: Double?
  /// `⟨g, r⟩ / (‖g‖ · ‖r‖)`; nil if either is zero.
  package var cosine: Double?
  /// `‖g‖`, the Frobenius norm.
  package var norm: Double?
  /// `‖r‖`.
  package var referenceNorm: Double?
  /// The mode that gave `r`.
  package var reference: ModeName?

  package init(parameter: String, weight: String, layer: Int?) {
    (self.parameter, self.weight, self.layer) = (parameter, weight, layer)
  }
}

/// A row of `gradients.csv`: one parameter of a point.
package struct GradientRecord: Sendable {
  package var profile: String?
  package var point: Point
  package var repetition: Int
  package var gradient: ParameterGradient

  /// The rows of one point.
  package static func rows(
    of gradients: [ParameterGradient], in record: PointRecord
  ) -> [GradientRecord] {
    gradients.map {
      GradientRecord(
        profile: record.profile, point: record.point, repetition: record.repetition, gradient: $0)
    }
  }
}

extension GradientRecord: Record {
  package static let columns: [Column<GradientRecord>] =
    [Column("profile") { .text(orEmpty: $0.profile) }]
    + PointColumns.ledgerKey.map { $0.of(\.point) }
    + [
      Column("repeat") { .integer($0.repetition) },
      Column("parameter") { .text($0.gradient.parameter) },
      Column("weight") { .text($0.gradient.weight) },
      Column("layer") { .integer(orEmpty: $0.gradient.layer) },
      Column("relative_error") { .real(orEmpty: $0.gradient.relativeError) },
      Column("cosine") { .real(orEmpty: $0.gradient.cosine) },
      Column("norm") { .real(orEmpty: $0.gradient.norm) },
      Column("reference_norm") { .real(orEmpty: $0.gradient.referenceNorm) },
      Column("reference") { .text(orEmpty: $0.gradient.reference?.rawValue) },
    ]
}
