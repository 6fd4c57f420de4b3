/// A number in a point's row: how it is written, and read again.
struct PointFigure: Sendable {
  private typealias Path<Value> = any WritableKeyPath<PointRecord, Value?> & Sendable

  let column: Column<PointRecord>
  /// Takes the number from a cell's text; false if it is none.
  let read: @Sendable (inout PointRecord, String) -> Bool

  private init<Value>(
    _ name: String, _ path: Path<Value>, _ cell: @escaping @Sendable (Value?) -> Cell,
    _ parse: @escaping @Sendable (String) -> Value?
  ) {
    column = Column(name) { cell($0[keyPath: path]) }
    read = { record, text in
      let value = parse(text)
      record[keyPath: path] = value
      return value != nil
    }
  }

  /// A whole number, 0 or more as all figures are.
  private static func integer(_ name: String, _ path: Path<Int>) -> PointFigure {
    PointFigure(name, path, Cell.integer(orEmpty:)) { Int($0).flatMap { $0 >= 0 ? $0 : nil } }
  }

  private static func real(_ name: String, _ path: Path<Double>) -> PointFigure {
    PointFigure(name, path, Cell.real(orEmpty:)) { Double($0) }
  }

  /// Every one; a new figure needs an entry here, and nothing anywhere else.
  static let all: [PointFigure] = [
    real("loss", \.loss),
    integer("saved_tensors", \.savedTensors),
    integer("retained_allocated_bytes", \.retainedAllocatedBytes),
    integer("predicted_retained_bytes", \.predictedRetainedBytes),
    integer("predicted_allocated_bytes", \.predictedAllocatedBytes),
    integer("peak_forward_bytes", \.peakForwardBytes),
    integer("peak_backward_bytes", \.peakBackwardBytes),
    integer("predicted_peak_bytes", \.predictedPeakBytes),
    integer("workspace_peak_bytes", \.workspacePeakBytes),
    integer("parameter_bytes", \.parameterBytes),
    integer("gradient_bytes", \.gradientBytes),
    integer("process_peak_rss_bytes", \.processPeakRSSBytes),
    PointFigure("matmul_flops", \.matmulFlops, Cell.wide(orEmpty:)) { Int128($0) },
    real("forward_seconds", \.forwardSeconds),
    real("backward_seconds", \.backwardSeconds),
    real("gradient_relative_error", \.gradientRelativeError),
    real("gradient_cosine", \.gradientCosine),
    integer("predicted_workspace_bytes", \.predictedWorkspaceBytes),
    integer("optimizer_bytes", \.optimizerBytes),
  ]
}
