/// The tables of a result folder.
package enum ResultKind: String, CaseIterable, Sendable {
  case points, ledger, laws, gradients, flow

  package var file: String { rawValue + ".csv" }

  /// The columns without which a file is not what its name says.
  package var needed: [String] {
    switch self {
    case .points: ["mode", "n_c", "status", "retained_bytes"]
    case .ledger: ["mode", "n_c", "order", "op", "tensor", "requested_bytes"]
    case .laws: ["mode"] + LawRecord.coefficients.map(\.name)
    case .gradients: ["mode", "n_c", "parameter", "weight", "layer", "relative_error"]
    case .flow: ["layer", "weight", "prefix_norm", "generated_norm", "total_norm"]
    }
  }

  /// Every column that this version writes.
  package var columns: [String] {
    switch self {
    case .points: PointRecord.columns.map(\.name)
    case .ledger: LedgerRecord.columns.map(\.name)
    case .laws: LawRecord.columns.map(\.name)
    case .gradients: GradientRecord.columns.map(\.name)
    case .flow: FlowRecord.columns.map(\.name)
    }
  }
}
