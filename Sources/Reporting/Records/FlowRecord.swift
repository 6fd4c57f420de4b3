package import Retention

extension WeightFlow: Record {
  /// `flow.csv`, as the contract lists it.
  package static let columns: [Column<WeightFlow>] = [
    Column("layer") { .integer(orEmpty: $0.layer) },
    Column("parameter") { .text($0.parameter) },
    Column("weight") { .text($0.weight) },
    Column("prefix_norm") { .real($0.prefixNorm) },
    Column("boundary_norm") { .real(orEmpty: $0.boundaryNorm) },
    Column("generated_norm") { .real($0.generatedNorm) },
    Column("total_norm") { .real($0.totalNorm) },
    Column("prefix_share") { .real(orEmpty: $0.prefixShare) },
    Column("cosine") { .real(orEmpty: $0.cosine) },
  ]
}

/// A row of `flow.csv`: a weight, and behind the contract's columns which step it is of.
package struct FlowRecord: Sendable {
  package var weight: WeightFlow
  package var point: Point

  /// The rows of a flow.
  package static func rows(of flow: Flow) -> [FlowRecord] {
    flow.weights.map { FlowRecord(weight: $0, point: flow.point) }
  }
}

extension FlowRecord: Record {
  package static let columns: [Column<FlowRecord>] =
    WeightFlow.columns.map { $0.of(\.weight) } + PointColumns.axes.map { $0.of(\.point) }
}

/// A row of `--positions`: the norm of one row's part of a gradient.
package struct PositionRecord: Sendable {
  package var layer: Int?
  package var weight: String
  package var parameter: String
  package var position: Int
  package var norm: Double

  /// The rows of a flow, position by position.
  package static func rows(of flow: Flow) -> [PositionRecord] {
    flow.positions.flatMap { line in
      line.norms.enumerated().map { position, norm in
        PositionRecord(
          layer: line.layer, weight: line.weight, parameter: line.parameter, position: position,
          norm: norm)
      }
    }
  }
}

extension PositionRecord: Record {
  package static let columns: [Column<PositionRecord>] = [
    Column("layer") { .integer(orEmpty: $0.layer) },
    Column("weight") { .text($0.weight) },
    Column("position") { .integer($0.position) },
    Column("norm") { .real($0.norm) },
    Column("parameter") { .text($0.parameter) },
  ]
}
